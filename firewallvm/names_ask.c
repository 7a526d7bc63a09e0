/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names: when each is asked, and what an answer does. pure. Fed by the
 * resolver's answers and by answers seen on their way (contents hostile).
 * See names.h. An address leaves a drop rule's set by a good answer only,
 * never because time passed. */
#include "firewallvm/names.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "firewallvm/names_impl.h"
#include "lib/err.h"

#define FIRST_CAP 4

static uint64_t ms(uint64_t s)
{
    return s * 1000;
}

static uint32_t clamp(uint32_t v, uint32_t low, uint32_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* ---- addresses ---- */
static struct names_addr *find_addr(struct names_family *f,
                                    const struct ipaddr *a)
{
    unsigned i;

    for (i = 0; i < f->n; i++)
        if (ipaddr_eq(&f->v[i].a, a))
            return &f->v[i];
    return NULL;
}

/* Room for one more: the one that would go first makes it, if need be.
 * @return it; NULL out of memory, or all are fresh */
static struct names_addr *room(struct names_family *f, unsigned max)
{
    struct names_addr *old = NULL, *v;
    unsigned i, cap;

    if (f->n < f->cap)
        return &f->v[f->n++];
    if (f->cap < max) {
        cap = f->cap ? f->cap * 2 : FIRST_CAP;
        v = reallocarray(f->v, cap, sizeof(*v));
        if (!v)
            return NULL;
        f->v = v;
        f->cap = cap;
        return &f->v[f->n++];
    }
    for (i = 0; i < f->n; i++)
        if (!f->v[i].fresh && (!old || f->v[i].until_ms < old->until_ms))
            old = &f->v[i];
    return old;
}

/* Let go of addresses whose time is over. @param all  else only those the
 * last answer did not have. @return true if one went */
static bool let_go(struct names_family *f, uint64_t now_ms, bool all)
{
    unsigned from, to;

    for (from = to = 0; from < f->n; from++)
        if (f->v[from].until_ms > now_ms || (f->v[from].fresh && !all))
            f->v[to++] = f->v[from];
        else if (f->v[from].fresh)
            f->known = false; /* a drop rule that comes now must not open */
    f->n = to;
    return to < from;
}

/* ---- answers to our questions ---- */
static void fail(struct names *n, struct names_family *f, uint32_t least_s,
                 uint64_t now_ms)
{
    const struct names_config *c = &n->config;
    uint32_t shift = f->fails < 16 ? f->fails : 16;
    uint64_t wait_s = (uint64_t)c->retry_s << shift;

    if (wait_s < least_s)
        wait_s = least_s;
    if (wait_s > c->retry_max_s)
        wait_s = c->retry_max_s;
    f->asked = false;
    f->fails++;
    f->due_ms = now_ms + ms(wait_s);
    if (!f->failing)
        names_mark(n, f, false);
    f->failing = true;
}

/* What an answer says goes into the table. @return true if it was new */
static bool put_addrs(struct names_family *f, const struct resolver_answer *ans,
                      uint64_t until_ms)
{
    bool news = false;
    unsigned i;

    for (i = 0; i < f->n; i++)
        f->v[i].fresh = false;
    for (i = 0; i < ans->n; i++) {
        struct names_addr *a = find_addr(f, &ans->v[i].addr);

        if (!a)
            continue;
        a->fresh = true;
        a->until_ms = until_ms;
    }
    for (i = 0; i < ans->n; i++) {
        struct names_addr *a = find_addr(f, &ans->v[i].addr);

        if (a)
            continue;
        a = room(f, NAMES_ADDRS_MAX);
        if (!a)
            break;
        *a = (struct names_addr){
            .a = ans->v[i].addr, .until_ms = until_ms, .fresh = true};
        news = true;
    }
    return news;
}

static void succeed(struct names *n, struct names_family *f,
                    const struct resolver_answer *ans, uint64_t now_ms)
{
    const struct names_config *c = &n->config;
    uint32_t ttl_s = ans->n > 0 ? UINT32_MAX : c->floor_s;
    bool first = !f->known, was_failing = f->failing, news;
    unsigned i;

    for (i = 0; i < ans->n; i++)
        if (ans->v[i].ttl_s < ttl_s)
            ttl_s = ans->v[i].ttl_s;
    ttl_s = clamp(ttl_s, c->floor_s, c->ceiling_s);
    f->asked = false;
    f->failing = false;
    f->fails = 0;
    f->known = true;
    f->due_ms = now_ms + ms(ttl_s);
    news = put_addrs(f, ans, now_ms + ms((uint64_t)ttl_s + c->grace_s));
    if (let_go(f, now_ms, false))
        news = true;
    /* An accept rule's elements get their new timeout in any case. */
    f->dirty[NAMES_ACCEPT] = f->uses[NAMES_ACCEPT] > 0;
    if (f->uses[NAMES_DROP] > 0 && (news || first))
        f->dirty[NAMES_DROP] = true;
    if (news || first || was_failing)
        names_mark(n, f, first);
}

static struct names_family *family_asked(struct names *n, uint32_t id,
                                         uint8_t family, uint32_t serial)
{
    struct names_family *f;

    if (id >= NAMES_MAX || !n->v[id].used)
        return NULL;
    f = &n->v[id].f[names_index(family)];
    return f->asked && f->serial == serial ? f : NULL;
}

void names_answer(struct names *n, const struct resolver_answer *ans,
                  uint64_t now_ms)
{
    struct names_family *f = family_asked(n, ans->id, ans->family, ans->serial);

    names_tick(n, now_ms);
    if (!f || !f->asked)
        return;
    switch (ans->status) {
    case DNS_OK:
    case DNS_NODATA:
        succeed(n, f, ans, now_ms);
        break;
    case DNS_NXDOMAIN:
        fail(n, f, n->config.floor_s, now_ms);
        break;
    case DNS_FAILED:
        fail(n, f, 0, now_ms);
        break;
    }
}

/* ---- questions ---- */
typedef bool (*family_fn)(struct names *n, struct names_entry *e,
                          struct names_family *f, void *arg);

/* Every family that rules use; ends when @p fn says true. */
static bool each(struct names *n, family_fn fn, void *arg)
{
    size_t i;
    unsigned k;

    for (i = 0; i < n->top; i++) {
        for (k = 0; k < 2; k++) {
            struct names_family *f = &n->v[i].f[k];

            if ((f->uses[NAMES_ACCEPT] > 0 || f->uses[NAMES_DROP] > 0) &&
                fn(n, &n->v[i], f, arg))
                return true;
        }
    }
    return false;
}

struct want {
    uint64_t now_ms;
    struct resolver_request *req;
};

static bool ask(struct names *n, struct names_entry *e, struct names_family *f,
                void *arg)
{
    struct want *w = arg;

    if (e->wild || f->asked || f->due_ms > w->now_ms)
        return false;
    f->asked = true;
    f->serial = ++n->serial;
    f->due_ms = w->now_ms + ms(n->config.patience_s);
    *w->req = (struct resolver_request){
        .type = RESOLVER_WANT,
        .id = (uint32_t)(e - n->v),
        .serial = f->serial,
        .family = f == &e->f[NAMES_SIX] ? AF_INET6 : AF_INET,
    };
    memcpy(w->req->name, e->text, sizeof(e->text));
    return true;
}

bool names_want(struct names *n, uint64_t now_ms, struct resolver_request *ret)
{
    struct want w = {now_ms, ret};

    names_tick(n, now_ms);
    return each(n, ask, &w);
}

static bool lose(struct names *n, struct names_entry *e, struct names_family *f,
                 void *arg)
{
    const uint64_t *now_ms = arg;

    (void)n;
    if (e->wild || (!f->asked && !f->failing))
        return false;
    f->asked = false;
    f->due_ms = *now_ms;
    return false;
}

void names_lost(struct names *n, uint64_t now_ms)
{
    each(n, lose, &now_ms);
}

static bool waits(struct names *n, struct names_entry *e,
                  struct names_family *f, void *arg)
{
    (void)n;
    (void)arg;
    return !e->wild && !f->known && f->fails == 0;
}

bool names_pending(const struct names *n)
{
    return each((struct names *)(uintptr_t)n, waits, NULL);
}

/* ---- time ---- */
/* @return true if an accept rule's set holds one no longer */
static bool lapse(struct names_family *f, uint64_t now_ms)
{
    bool any = false;
    unsigned i;

    for (i = 0; i < f->n; i++) {
        if (!f->v[i].held || f->v[i].until_ms > now_ms)
            continue;
        f->v[i].held = false;
        any = true;
    }
    return any;
}

static bool age(struct names *n, struct names_entry *e, struct names_family *f,
                void *arg)
{
    const uint64_t *now_ms = arg;

    if (!e->wild && f->asked && f->due_ms <= *now_ms)
        fail(n, f, 0, *now_ms);
    /* The kernel's element has ended by itself; the flows it allowed end
     * when the set is told again. */
    if (lapse(f, *now_ms) && f->uses[NAMES_ACCEPT] > 0) {
        f->dirty[NAMES_ACCEPT] = true;
        names_mark(n, f, false);
    }
    if (f->uses[NAMES_DROP] == 0 && let_go(f, *now_ms, true))
        names_mark(n, f, false);
    return false;
}

void names_tick(struct names *n, uint64_t now_ms)
{
    each(n, age, &now_ms);
}

static bool sooner(struct names *n, struct names_entry *e,
                   struct names_family *f, void *arg)
{
    uint64_t *least_ms = arg;
    unsigned i;

    (void)n;
    if (!e->wild && f->due_ms < *least_ms)
        *least_ms = f->due_ms;
    for (i = 0; i < f->n; i++)
        if ((f->v[i].held || f->uses[NAMES_DROP] == 0) &&
            f->v[i].until_ms < *least_ms)
            *least_ms = f->v[i].until_ms;
    return false;
}

uint32_t names_wait_ms(const struct names *n, uint64_t now_ms)
{
    uint64_t least_ms = UINT64_MAX;

    each((struct names *)(uintptr_t)n, sooner, &least_ms);
    if (least_ms == UINT64_MAX)
        return 0;
    if (least_ms <= now_ms)
        return 1;
    least_ms -= now_ms;
    return least_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)least_ms;
}

/* ---- answers on their way to a qube ---- */
/* Both addresses of a qube come of its number (spec/network.md, Address
 * plan): 10.137.a.b and fd09:24ef:4179::a89:N, disposables 10.138 and a8a.
 * @return false for an address that is none of the plan */
bool names_pair(const struct ipaddr *a, struct ipaddr *ret)
{
    static const uint8_t prefix[12] = {0xfd, 0x09, 0x24, 0xef, 0x41, 0x79};
    struct ipaddr other = {.family = AF_INET6};
    unsigned number;

    if (a->family == AF_INET) {
        if (a->b[0] != 10 || (a->b[1] != 137 && a->b[1] != 138))
            return false;
        number = a->b[2] * 254u + a->b[3];
        memcpy(other.b, prefix, sizeof(prefix));
        other.b[12] = 0x0a;
        other.b[13] = a->b[1] == 137 ? 0x89 : 0x8a;
        other.b[14] = (uint8_t)(number >> 8);
        other.b[15] = (uint8_t)number;
    } else {
        if (memcmp(a->b, prefix, sizeof(prefix)) != 0 || a->b[12] != 0x0a ||
            (a->b[13] != 0x89 && a->b[13] != 0x8a))
            return false;
        number = (unsigned)a->b[14] << 8 | a->b[15];
        if (number == 0 || (number - 1) / 254 > 255)
            return false;
        other = (struct ipaddr){.family = AF_INET};
        other.b[0] = 10;
        other.b[1] = a->b[13] == 0x89 ? 137 : 138;
        other.b[2] = (uint8_t)((number - 1) / 254);
        other.b[3] = (uint8_t)((number - 1) % 254 + 1);
    }
    *ret = other;
    return true;
}

static bool is_owner(const struct names_entry *e, const struct ipaddr *client)
{
    struct ipaddr other;

    return ipaddr_eq(&e->owner, client) ||
           (names_pair(client, &other) && ipaddr_eq(&e->owner, &other));
}

/* Is @p name below the wildcard's name? */
static bool is_below(const char *name, const char *top)
{
    size_t len = strlen(name), tail = strlen(top);

    return len > tail + 1 && name[len - tail - 1] == '.' &&
           strcmp(name + len - tail, top) == 0;
}

/* @return true if the set must be told of it */
static bool see_addr(const struct names_config *c, struct names_family *f,
                     const struct dns_addr *seen, uint64_t now_ms)
{
    uint32_t ttl_s = clamp(seen->ttl_s, c->floor_s, c->wild_ceiling_s);
    struct names_addr *a = find_addr(f, &seen->addr);
    bool is_new = !a;

    /* What is there already long enough for this answer is left alone: no
     * transaction for each packet. */
    if (a && a->until_ms >= now_ms + ms(ttl_s) + ms(c->grace_s) / 2)
        return false;
    if (!a)
        a = room(f, NAME_ADDRS_MAX);
    if (!a)
        return false;
    if (is_new)
        *a = (struct names_addr){.a = seen->addr};
    a->until_ms = now_ms + ms((uint64_t)ttl_s + c->grace_s);
    return true;
}

bool names_seen(struct names *n, const struct ipaddr *client,
                const struct dns_answer *untrusted, uint64_t now_ms)
{
    unsigned k = names_index(untrusted->family), j;
    bool changed = false;
    size_t i;

    names_tick(n, now_ms);
    for (i = 0; i < n->top; i++) {
        struct names_entry *e = &n->v[i];
        struct names_family *f = &e->f[k];
        bool news = false;

        if (!e->used || !e->wild || f->uses[NAMES_ACCEPT] == 0 ||
            !is_owner(e, client) || !is_below(untrusted->name, e->text))
            continue;
        for (j = 0; j < untrusted->n; j++)
            if (see_addr(&n->config, f, &untrusted->v[j], now_ms))
                news = true;
        if (!news)
            continue;
        f->dirty[NAMES_ACCEPT] = true;
        names_mark(n, f, false);
        changed = true;
    }
    return changed;
}

bool names_has_wild(const struct names *n, const struct ipaddr *client)
{
    size_t i;

    for (i = 0; i < n->top; i++)
        if (n->v[i].used && n->v[i].wild && is_owner(&n->v[i], client))
            return true;
    return false;
}
