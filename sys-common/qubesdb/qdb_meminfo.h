/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Used and total memory from the text of /proc/meminfo. pure. Fed by the
 * kernel. */
#ifndef SQ_QUBESDB_QDB_MEMINFO_H
#define SQ_QUBESDB_QDB_MEMINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct qdb_meminfo {
    uint64_t used_kib; /* MemTotal less MemAvailable */
    uint64_t total_kib;
};

/** @param text  @p len bytes, proc(5) @return 0; -EBADMSG */
int qdb_meminfo_parse(const char *text, size_t len, struct qdb_meminfo *ret);

/** Is @p now worth a report: used differs by more than a twentieth of the
 *  last report, or the total by anything? */
bool qdb_meminfo_differs(const struct qdb_meminfo *last,
                         const struct qdb_meminfo *now);

#endif
