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

#define SOURCES_MAX 512
#define SOURCE_PREFIX "/qubes-firewall/"
/* A list being written whose signal does not come is read after this. */
#define SOURCE_FLUX_MS 500u

struct source {
    struct ipaddr addr;
    char text[IPADDR_TEXT_MAX]; /* as in the key, canonical */
    bool known;                 /* the monitor has a list of it */
    bool dirty;                 /* to be read */
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

/** The next source to read now: dirty and not being written, or being
 *  written for SOURCE_FLUX_MS; its dirty mark is not yet cleared.
 *  @return it, or NULL */
struct source *source_set_next(struct source_set *set, uint64_t now_ms);

/** Milliseconds until source_set_next() may have one without a further
 *  event; 0: never. */
uint32_t source_set_wait_ms(const struct source_set *set, uint64_t now_ms);

/** Forget a source that is gone. */
void source_set_del(struct source_set *set, struct source *s);

#endif
