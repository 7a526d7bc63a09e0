/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which sources have to be read again. pure. Fed by changed key paths. See
 * source_set.h. */
#include "firewallvm/source_set.h"

#include <string.h>

#include "lib/parse.h"

struct source *source_set_find(struct source_set *set,
                               const struct ipaddr *addr)
{
    size_t i;

    for (i = 0; i < set->n; i++)
        if (ipaddr_eq(&set->v[i].addr, addr))
            return &set->v[i];
    return NULL;
}

static struct source *find_or_add(struct source_set *set, struct text ip)
{
    struct source s = {.unresolved = -1}, *known;

    if (ipaddr_parse(ip, &s.addr) < 0)
        return NULL;
    ipaddr_format(&s.addr, s.text);
    if (!text_eq(ip, s.text))
        return NULL;
    known = source_set_find(set, &s.addr);
    if (known)
        return known;
    if (set->n >= SOURCES_MAX)
        return NULL;
    set->v[set->n] = s;
    return &set->v[set->n++];
}

struct source *source_set_event(struct source_set *set,
                                const char *untrusted_path, uint64_t now_ms)
{
    struct text rest = text_of(untrusted_path), ip;
    const size_t prefix = sizeof(SOURCE_PREFIX) - 1;
    struct source *s;

    if (rest.len <= prefix || memcmp(rest.p, SOURCE_PREFIX, prefix) != 0)
        return NULL;
    rest.p += prefix;
    rest.len -= prefix;
    if (!parse_split(&rest, '/', &ip))
        return NULL;
    s = find_or_add(set, ip);
    if (!s)
        return NULL;
    if (!rest.p) { /* the two-slash path: the list is whole, or gone */
        s->dirty = true;
        s->flux = false;
    } else if (!s->flux) {
        s->flux = true;
        s->flux_since_ms = now_ms;
    }
    return s;
}

void source_set_lapse(struct source_set *set, uint64_t now_s, bool jumped)
{
    size_t i;

    for (i = 0; i < set->n; i++) {
        struct source *s = &set->v[i];

        if (s->known && ((s->expire_s != 0 && s->expire_s <= now_s) ||
                         (jumped && s->timed)))
            s->lapsed = true;
    }
}

uint64_t source_set_expire(const struct source_set *set)
{
    uint64_t best = 0;
    size_t i;

    for (i = 0; i < set->n; i++) {
        const struct source *s = &set->v[i];

        if (s->timed && best == 0)
            best = SOURCE_EXPIRE_FAR;
        if (s->expire_s != 0 && !s->lapsed && s->expire_s < best)
            best = s->expire_s;
    }
    return best;
}

static bool is_marked(const struct source *s)
{
    return s->dirty || s->lapsed;
}

static bool is_due(const struct source *s, uint64_t now_ms)
{
    return is_marked(s) &&
           (!s->flux || now_ms - s->flux_since_ms >= SOURCE_FLUX_MS);
}

struct source *source_set_next(struct source_set *set, uint64_t now_ms)
{
    size_t i;

    for (i = 0; i < set->n; i++)
        if (is_due(&set->v[i], now_ms))
            return &set->v[i];
    return NULL;
}

uint32_t source_set_wait_ms(const struct source_set *set, uint64_t now_ms)
{
    uint32_t best = 0;
    size_t i;

    for (i = 0; i < set->n; i++) {
        const struct source *s = &set->v[i];
        uint64_t age = now_ms - s->flux_since_ms;
        uint32_t left;

        if (!is_marked(s))
            continue;
        left = s->flux && age < SOURCE_FLUX_MS
                   ? (uint32_t)(SOURCE_FLUX_MS - age)
                   : 1;
        if (best == 0 || left < best)
            best = left;
    }
    return best;
}

void source_set_del(struct source_set *set, struct source *s)
{
    *s = set->v[--set->n];
}
