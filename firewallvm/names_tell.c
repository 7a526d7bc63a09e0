/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names: what sets hold, what has changed, what people read. pure. See
 * names.h. */
#include "firewallvm/names.h"

#include <sys/socket.h>

#include "firewallvm/names_impl.h"
#include "lib/buf.h"
#include "lib/err.h"

/* ---- what a set holds ---- */
static bool holds(const struct names_addr *a, unsigned action, uint64_t now_ms)
{
    return action == NAMES_DROP || a->until_ms > now_ms;
}

size_t names_set_addrs(struct names *n, unsigned set, uint64_t now_ms,
                       struct names_elem ret[NAME_ADDRS_MAX])
{
    unsigned action, i;
    bool wild;
    struct names_family *f = names_of_set(n, set, &action, &wild);
    size_t k = 0;

    if (!f)
        return 0;
    if (action == NAMES_ACCEPT)
        for (i = 0; i < f->n; i++)
            f->v[i].held = holds(&f->v[i], action, now_ms);
    for (i = 0; i < f->n; i++) {
        uint64_t left_ms = f->v[i].until_ms - now_ms;

        if (!holds(&f->v[i], action, now_ms))
            continue;
        ret[k++] = (struct names_elem){
            .addr = f->v[i].a,
            .timeout_s =
                action == NAMES_DROP ? 0 : (uint32_t)((left_ms + 999) / 1000),
        };
    }
    f->dirty[action] = false;
    return k;
}

bool names_set_used(const struct names *n, unsigned set)
{
    unsigned action;
    bool wild;

    return names_of_set(n, set, &action, &wild) != NULL;
}

bool names_set_changed(const struct names *n, unsigned set)
{
    unsigned action;
    bool wild;
    const struct names_family *f = names_of_set(n, set, &action, &wild);

    return f && f->dirty[action];
}

bool names_set_has(const struct names *n, unsigned set, const struct ipaddr *a,
                   uint64_t now_ms)
{
    unsigned action, i;
    bool wild;
    const struct names_family *f = names_of_set(n, set, &action, &wild);

    for (i = 0; f && i < f->n; i++)
        if (ipaddr_eq(&f->v[i].a, a))
            return holds(&f->v[i], action, now_ms);
    return false;
}

/* ---- changes ---- */
static bool next_list(struct names *n, struct names_change *ret)
{
    size_t i, k;

    for (i = 0; i < n->n_uses; i++) {
        if (!n->uses[i].relist)
            continue;
        *ret = (struct names_change){
            .kind = NAMES_LIST,
            .source = n->uses[i].source,
        };
        for (k = i; k < n->n_uses; k++)
            if (ipaddr_eq(&n->uses[k].source, &ret->source))
                n->uses[k].relist = false;
        return true;
    }
    return false;
}

static bool next_set(struct names *n, struct names_change *ret)
{
    unsigned set;

    for (set = 1; set <= n->top * 4; set++) {
        unsigned action;
        bool wild;
        struct names_family *f = names_of_set(n, set, &action, &wild);

        if (!f || !f->dirty[action])
            continue;
        f->dirty[action] = false;
        *ret = (struct names_change){
            .kind = NAMES_SET,
            .set = set,
            .is_drop = action == NAMES_DROP,
        };
        return true;
    }
    return false;
}

static bool next_status(struct names *n, struct names_change *ret)
{
    size_t i;

    for (i = 0; i < n->n_uses; i++) {
        if (!n->uses[i].tell)
            continue;
        n->uses[i].tell = false;
        *ret = (struct names_change){
            .kind = NAMES_STATUS,
            .source = n->uses[i].source,
            .number = n->uses[i].number,
        };
        return true;
    }
    return false;
}

bool names_next(struct names *n, uint64_t now_ms, struct names_change *ret)
{
    names_tick(n, now_ms);
    return next_list(n, ret) || next_set(n, ret) || next_status(n, ret);
}

/* ---- status ---- */
enum state { STATE_OK, STATE_STALE, STATE_UNRESOLVED };

static enum state state_of(const struct names *n, const struct names_one_use *u,
                           uint64_t now_ms)
{
    const struct names_family *f = names_family_of(n, u);
    unsigned i;

    if (!f->known || (n->v[u->name].wild && n->blind))
        return STATE_UNRESOLVED;
    if (!f->failing)
        return STATE_OK;
    if (u->action == NAMES_DROP)
        return STATE_STALE;
    for (i = 0; i < f->n; i++)
        if (holds(&f->v[i], u->action, now_ms))
            return STATE_STALE;
    return STATE_UNRESOLVED;
}

const char *names_status(const struct names *n, const struct ipaddr *source,
                         unsigned number, uint64_t now_ms,
                         char buf[NAMES_STATUS_MAX])
{
    static const char *const words[] = {"ok", "stale", "unresolved"};
    const struct names_one_use *u = names_find_use(n, source, number);
    const struct names_family *f;
    char text[IPADDR_TEXT_MAX];
    struct wbuf w = wbuf_of(buf, NAMES_STATUS_MAX - 1);
    unsigned i;

    buf[0] = '\0';
    if (!u)
        return buf;
    f = names_family_of(n, u);
    wbuf_printf(&w, "%s", words[state_of(n, u, now_ms)]);
    for (i = 0; i < f->n; i++) {
        size_t before = w.len;

        if (!holds(&f->v[i], u->action, now_ms))
            continue;
        wbuf_printf(&w, " %s", ipaddr_format(&f->v[i].a, text));
        if (wbuf_done(&w) < 0) {
            w.len = before;
            break;
        }
    }
    buf[w.len] = '\0';
    return buf;
}

int names_unresolved(const struct names *n, const struct ipaddr *source,
                     uint64_t now_ms)
{
    size_t i;

    for (i = 0; i < n->n_uses; i++)
        if (ipaddr_eq(&n->uses[i].source, source) &&
            state_of(n, &n->uses[i], now_ms) == STATE_UNRESOLVED)
            return (int)n->uses[i].number;
    return -ENOENT;
}
