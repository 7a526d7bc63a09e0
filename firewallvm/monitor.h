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

#include "firewallvm/record.h"
#include "firewallvm/rule_compile.h"

#define MONITOR_SOURCES_MAX 512
/* Rules kept until the first whole state is in the kernel. */
#define MONITOR_START_RULES_MAX 131072

/** What the monitor does to the kernel. Each returns 0 or -errno; `start`
 *  and `block` failing ends the daemon, `apply` failing blocks the source. */
struct monitor_ops {
    /** The whole table anew, and the flows nothing allows are ended. */
    int (*start)(void *arg, const struct fw_source *v, size_t n,
                 const struct fw_dns *dns, bool snat);
    /** One list anew, and the flows it does not allow are ended. */
    int (*apply)(void *arg, const struct fw_source *s, bool is_new,
                 const struct fw_dns *dns);
    /** Nothing of a source is left: chain, element, flows. */
    int (*remove)(void *arg, const struct ipaddr *addr);
    int (*set_dns)(void *arg, const struct fw_dns *dns);
};

struct monitor;

/** @param ops  borrowed, as @p arg, until monitor_free()
 *  @return 0; -ENOMEM */
int monitor_new(const struct monitor_ops *ops, void *arg, struct monitor **ret);
void monitor_free(struct monitor *m);

/** Take one record and do what it asks.
 *  @param untrusted   RECORD_BYTES from the worker
 *  @param ret_answer  RECORD_BYTES for the worker, if the result is 1
 *  @return 0; 1 with an answer; -EBADMSG malformed; -EPROTO not now;
 *  -ENOBUFS a limit; -errno of the kernel that leaves no safe way on. After
 *  an error the daemon must end (packets keep the last list). */
int monitor_take(struct monitor *m, const uint8_t untrusted[RECORD_BYTES],
                 uint8_t ret_answer[RECORD_BYTES]);

/** Sources in the kernel's table (or collected, before READY). */
size_t monitor_sources(const struct monitor *m);

#endif
