/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters of a qube and of its rules, and the text the firewall VM tells
 * dom0 about them in. pure. Fed by the firewall VM's kernel on one side, by
 * status keys of a VM (hostile) on the other. Keys: docs/architecture.md. */
#ifndef SQ_RULES_FW_COUNT_H
#define SQ_RULES_FW_COUNT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/parse.h"

#define FW_TOTALS_TEXT_MAX 128
#define FW_COUNTS_TEXT_MAX 512 /* a status value and a NUL */
#define FW_COUNTS_OF_TEXT 64   /* counters of one text at most */

/** What a qube has done since the table was made. */
struct fw_totals {
    uint64_t passed_packets, passed_bytes;
    uint64_t blocked_packets, blocked_bytes;
    uint32_t flows; /* tracked now */
};

/** What one rule has decided since its list was made. */
struct fw_count {
    uint16_t number; /* NNNN, or FW_COUNT_OF_POLICY */
    uint64_t packets, bytes;
};
#define FW_COUNT_OF_POLICY 0xffffu

/** "passed PACKETS BYTES blocked PACKETS BYTES flows N". @return length */
int fw_totals_format(const struct fw_totals *t, char buf[FW_TOTALS_TEXT_MAX]);
/** @return 0; -EBADMSG */
int fw_totals_parse(struct text untrusted, struct fw_totals *ret);

/** "NNNN:PACKETS:BYTES ..." and "policy:PACKETS:BYTES": as many of @p n as
 *  fit. @param buf  always a text. @return how many went in */
size_t fw_counts_format(const struct fw_count *v, size_t n,
                        char buf[FW_COUNTS_TEXT_MAX]);
/** @param ret    room for FW_COUNTS_OF_TEXT; written also on failure
 *  @param ret_n  written on success only
 *  @return 0; -EBADMSG; -ENOBUFS more than that */
int fw_counts_parse(struct text untrusted, struct fw_count *ret, size_t *ret_n);

#endif
