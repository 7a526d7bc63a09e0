/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which sources have to be read again: turns changed key paths into work.
 * pure. Fed by paths from the QubesDB daemon (dom0's keys). Source:
 * spec/network.md, Firewall keys: a list is read when its two-slash path
 * was written; between two signals it may be half written. */
#ifndef SQ_FIREWALLVM_SOURCE_SET_H
#define SQ_FIREWALLVM_SOURCE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ipaddr.h"
#include "rules/rule.h"

#define SOURCES_MAX 512
#define SOURCE_PREFIX "/qubes-firewall/"
/* A list being written whose signal does not come is read after this. */
#define SOURCE_FLUX_MS 500u
#define SOURCE_EXPIRE_FAR (FW_EXPIRE_MAX + 1)

struct source {
    struct ipaddr addr;
    char text[IPADDR_TEXT_MAX]; /* as in the key, canonical */
    bool known;                 /* the monitor has a list of it */
    bool dirty;                 /* to be read, as dom0 asks for it */
    bool lapsed;                /* to be read, as time has gone by */
    bool timed;                 /* a rule of it has expire= */
    uint64_t expire_s;          /* when its next rule ends; 0: none does */
    bool named;                 /* a rule of it has a name */
    bool blocked;               /* its list is not in force */
    size_t n;                   /* rules in force */
    int unresolved;             /* as last told: number of a rule, or < 0 */
    uint64_t push;              /* number dom0 gave its list; 0: none */
    bool flux;                  /* written to since its last signal */
    uint64_t flux_since_ms;
};

/** {0} is empty. */
struct source_set {
    size_t n;
    struct source v[SOURCES_MAX];
};

/** A key changed. @param untrusted_path  below SOURCE_PREFIX, else ignored
 *  @param now_ms  monotonic
 *  @return the source concerned; NULL: none, not an address in canonical
 *  form, or the set is full (what has no list is dropped) */
struct source *source_set_event(struct source_set *set,
                                const char *untrusted_path, uint64_t now_ms);

/** Mark as lapsed every known source of which a rule has ended by @p now_s
 *  (seconds since 1970).
 *  @param jumped  the clock was set: all that have a rule with a time */
void source_set_lapse(struct source_set *set, uint64_t now_s, bool jumped);

/** When the next rule of all ends, in seconds since 1970; SOURCE_EXPIRE_FAR:
 *  none, yet some had ended, so that a set clock matters; 0: no rule has a
 *  time. Sources marked as lapsed have no next one. */
uint64_t source_set_expire(const struct source_set *set);

/** The next source to read now: dirty or lapsed and not being written, or
 *  being written for SOURCE_FLUX_MS; its marks are not yet cleared.
 *  @return it, or NULL */
struct source *source_set_next(struct source_set *set, uint64_t now_ms);

/** Milliseconds until source_set_next() may have one without a further
 *  event; 0: never. */
uint32_t source_set_wait_ms(const struct source_set *set, uint64_t now_ms);

/** @return the source of this address, or NULL */
struct source *source_set_find(struct source_set *set,
                               const struct ipaddr *addr);

/** Forget a source that is gone. */
void source_set_del(struct source_set *set, struct source *s);

#endif
