/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets of rules with a name, as the monitor holds them. pure (it allocates).
 * Fed by checked records. See name_sets.h. */
#include "firewallvm/name_sets.h"

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"

struct set {
    bool known, placed;
    uint32_t uses;
    uint32_t n;
    struct name_addr *v;
};

struct name_sets {
    size_t addrs; /* of all sets */
    unsigned top; /* highest handle ever told */
    struct set v[NAME_HANDLES + 1];
};

int name_sets_new(struct name_sets **ret)
{
    struct name_sets *ns = calloc(1, sizeof(*ns));

    if (!ns)
        return -ENOMEM;
    *ret = ns;
    return 0;
}

void name_sets_free(struct name_sets *ns)
{
    unsigned h;

    if (!ns)
        return;
    for (h = 1; h <= ns->top; h++)
        free(ns->v[h].v);
    free(ns);
}

/* ---- contents ---- */
static const struct name_addr *find(const struct name_addr *v, size_t n,
                                    const struct ipaddr *a)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (ipaddr_eq(&v[i].addr, a))
            return &v[i];
    return NULL;
}

static bool holds(const struct name_addr *v, size_t n, const struct ipaddr *a,
                  uint64_t now_ms)
{
    const struct name_addr *e = find(v, n, a);

    return e && e->until_ms > now_ms;
}

/* Is there an address of @p a that @p b does not have? One whose time is
 * over counts in a, as the flows it allowed may live. */
static bool has_more(const struct name_addr *a, size_t n_a,
                     const struct name_addr *b, size_t n_b, uint64_t now_ms)
{
    size_t i;

    for (i = 0; i < n_a; i++)
        if (!holds(b, n_b, &a[i].addr, now_ms))
            return true;
    return false;
}

static int check(unsigned handle, const struct name_addr *v, size_t n)
{
    size_t i;

    if (handle < 1 || handle > NAME_HANDLES || n > NAME_ADDRS_MAX)
        return -EBADMSG;
    for (i = 0; i < n; i++) {
        if (v[i].addr.family != name_handle_family(handle) ||
            (v[i].timeout_s == 0) != name_handle_drops(handle) ||
            find(v, i, &v[i].addr))
            return -EBADMSG;
    }
    return 0;
}

int name_sets_put(struct name_sets *ns, unsigned handle,
                  const struct name_addr *v, size_t n, uint64_t now_ms,
                  bool *ret_lost)
{
    struct name_addr *copy = NULL;
    struct set *s;
    size_t i;

    if (check(handle, v, n) < 0)
        return -EBADMSG;
    s = &ns->v[handle];
    if (ns->addrs - s->n + n > NAME_SETS_ADDRS_MAX)
        return -ENOBUFS;
    if (n > 0) {
        copy = calloc(n, sizeof(*copy));
        if (!copy)
            return -ENOMEM;
    }
    for (i = 0; i < n; i++) {
        copy[i] = v[i];
        copy[i].until_ms =
            v[i].timeout_s ? now_ms + v[i].timeout_s * 1000ull : UINT64_MAX;
    }
    *ret_lost = name_handle_drops(handle)
                    ? has_more(copy, n, s->v, s->n, now_ms)
                    : has_more(s->v, s->n, copy, n, now_ms);
    ns->addrs = ns->addrs - s->n + n;
    free(s->v);
    s->v = copy;
    s->n = (uint32_t)n;
    s->known = true;
    if (handle > ns->top)
        ns->top = handle;
    return 0;
}

bool name_sets_known(const struct name_sets *ns, unsigned handle)
{
    return handle <= ns->top && ns->v[handle].known;
}

size_t name_sets_get(const struct name_sets *ns, unsigned handle,
                     uint64_t now_ms, struct name_addr *ret)
{
    const struct set *s = &ns->v[handle];
    size_t i, n = 0;

    for (i = 0; i < s->n; i++)
        if (s->v[i].until_ms > now_ms)
            ret[n++] = s->v[i];
    return n;
}

static bool names_has(void *arg, unsigned set, const struct ipaddr *a)
{
    const struct name_sets_at *at = arg;
    const struct set *s = &at->ns->v[set];

    return holds(s->v, s->n, a, at->now_ms);
}

struct fw_names name_sets_names(const struct name_sets_at *at)
{
    return (struct fw_names){.has = names_has, .arg = (void *)(uintptr_t)at};
}

/* ---- uses ---- */
void name_sets_use(struct name_sets *ns, const struct fw_match *v, size_t n,
                   bool more)
{
    size_t i;

    for (i = 0; i < n; i++) {
        struct set *s = &ns->v[v[i].name_set];

        if (v[i].name_set == 0)
            continue;
        if (more)
            s->uses++;
        else
            s->uses--;
    }
}

unsigned name_sets_missing(const struct name_sets *ns, unsigned after)
{
    unsigned h;

    for (h = after + 1; h <= ns->top; h++)
        if (ns->v[h].uses > 0 && !ns->v[h].placed)
            return h;
    return 0;
}

unsigned name_sets_needless(const struct name_sets *ns, unsigned after)
{
    unsigned h;

    for (h = after + 1; h <= ns->top; h++)
        if (ns->v[h].uses == 0 && ns->v[h].placed)
            return h;
    return 0;
}

void name_sets_place(struct name_sets *ns)
{
    unsigned h;

    for (h = 1; h <= ns->top; h++)
        ns->v[h].placed = ns->v[h].uses > 0;
}

void name_sets_settle(struct name_sets *ns)
{
    unsigned h;

    name_sets_place(ns);
    for (h = 1; h <= ns->top; h++) {
        struct set *s = &ns->v[h];

        if (s->placed)
            continue;
        ns->addrs -= s->n;
        free(s->v);
        *s = (struct set){0};
    }
}

void name_sets_unsettle(struct name_sets *ns)
{
    unsigned h;

    for (h = 1; h <= ns->top; h++)
        ns->v[h].placed = false;
}

bool name_sets_placed(const struct name_sets *ns, unsigned handle)
{
    return handle <= ns->top && ns->v[handle].placed;
}
