/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the monitor takes from its worker: one table of {record, when it is
 * allowed, handler}; anything else ends the daemon. pure (the kernel is
 * behind struct monitor_ops, so tests and fuzzers put their own there). Fed
 * by the worker (not trusted). See docs/privsep.md. */
#ifndef SQ_FIREWALLVM_MONITOR_H
#define SQ_FIREWALLVM_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firewallvm/fw_state.h"
#include "firewallvm/record.h"

/* Rules of all sources together: as many as fit into one batch at the start,
 * two kernel rules each (lib/nl.c, NL_SNDBUF_BYTES, which the kernel
 * doubles). */
#define MONITOR_RULES_MAX 32768
/* Rules of one source whose counters are told. */
#define MONITOR_COUNTS_MAX 512

/** What the monitor does to the kernel, and how it answers. Each returns 0
 *  or -errno; only `apply` may fail and the daemon goes on: the source is
 *  then blocked. A source's n_sets is written by what puts it in place. */
struct monitor_ops {
    /** The whole table anew, and the flows nothing allows are ended. */
    int (*start)(void *arg, struct fw_state *st);
    /** One list anew, and the flows it does not allow are ended.
     *  @param s    ->placed is set if the kernel has it, also if an error
     *              is returned as flows were not ended
     *  @param old  the one before, NULL for a new source */
    int (*apply)(void *arg, const struct fw_state *st, struct fw_source *s,
                 const struct fw_source *old);
    /** Nothing of a source is left: chain, sets, elements, flows. */
    int (*remove)(void *arg, const struct fw_state *st,
                  const struct fw_source *s);
    int (*set_dns)(void *arg, const struct fw_dns *dns);
    /** The paths of one kind anew, with the flows. */
    int (*paths)(void *arg, const struct fw_state *st, enum fw_path_kind kind);
    /** What a set of a name holds, which the kernel has, has changed.
     *  @param lost  a flow may have lost its right by it */
    int (*set)(void *arg, const struct fw_state *st, unsigned set, bool lost);
    /** st->watched has changed. @param had  how many it held before */
    int (*watch)(void *arg, const struct fw_state *st, size_t had);
    /** An answer that waited may pass; @p all: every one. */
    int (*pass)(void *arg, uint32_t id, bool all);
    /** Monotonic time, for what ends by itself. */
    uint64_t (*now_ms)(void *arg);
    int (*device)(void *arg, const char *name, bool there);
    /** Read the counters of all sources. */
    int (*count_all)(void *arg);
    /** Those of one source, as read last, and of its rules, as they are.
     *  @param ret_v  room for MONITOR_COUNTS_MAX + 1 */
    int (*count)(void *arg, const struct fw_source *s,
                 struct fw_totals *ret_totals, struct fw_count *ret_v,
                 size_t *ret_n);
    /** A record for the worker. */
    int (*answer)(void *arg, const uint8_t rec[RECORD_BYTES]);
};

struct monitor;

/** @param ops  borrowed, as @p arg, until monitor_free()
 *  @return 0; -ENOMEM */
int monitor_new(const struct monitor_ops *ops, void *arg, struct monitor **ret);
void monitor_free(struct monitor *m);

/** Take one record and do what it asks.
 *  @param untrusted   RECORD_BYTES from the worker
 *  @return 0; 1 answered; -EBADMSG malformed; -EPROTO not now; -ENOBUFS a
 *  limit; -errno of the kernel that leaves no safe way on. After an error
 *  the daemon must end (packets keep the last list). */
int monitor_take(struct monitor *m, const uint8_t untrusted[RECORD_BYTES]);

/** Somebody else has changed the table: put it in place again. Nothing
 *  before the first whole state. @return 0; -errno as monitor_take() */
int monitor_repair(struct monitor *m);

/** A network device has come or gone (the kernel says so); told again it
 *  changes nothing. @param name  shorter than FW_DEVICE_NAME_MAX
 *  @return 0; -errno as monitor_take() */
int monitor_device(struct monitor *m, const char *name, bool there);

/** Sources in the kernel's table (or collected, before READY). */
size_t monitor_sources(const struct monitor *m);

#endif
