/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Order and address plan. pure. See plan.h. */
#include "dom0/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/err.h"
#include "lib/mem.h"

/* ---- saved numbers ---- */

static int ids_add(struct plan_ids *ids, struct text name, uint32_t qid)
{
    struct plan_id *v;

    if (ids->n == PLAN_IDS_MAX)
        return -ENOBUFS;
    v = realloc(ids->v, (ids->n + 1) * sizeof(*v));
    if (!v)
        return -ENOMEM;
    ids->v = v;
    v += ids->n;
    if (text_copy(name, v->name, sizeof(v->name)))
        return -EBADMSG;
    v->qid = qid;
    ids->n++;
    return 0;
}

static const struct plan_id *ids_by_name(const struct plan_ids *ids,
                                         const char *name)
{
    for (size_t i = 0; i < ids->n; i++) {
        if (!strcmp(ids->v[i].name, name))
            return &ids->v[i];
    }
    return NULL;
}

static bool ids_taken(const struct plan_ids *ids, uint32_t qid)
{
    for (size_t i = 0; i < ids->n; i++) {
        if (ids->v[i].qid == qid)
            return true;
    }
    return false;
}

static int ids_line(struct plan_ids *ids, struct text line)
{
    struct text name, number = line;
    char plain[CONFIG_NAME_MAX];
    uint32_t qid;

    if (!parse_split(&number, ' ', &name) || !number.p)
        return -EBADMSG;
    if (parse_qube_name(name) || text_copy(name, plain, sizeof(plain)) ||
        parse_u32(number, 1, CONFIG_QID_MAX, &qid))
        return -EBADMSG;
    if (ids_by_name(ids, plain) || ids_taken(ids, qid))
        return -EBADMSG;
    return ids_add(ids, name, qid);
}

int plan_ids_parse(struct text data, struct plan_ids *ret)
{
    struct plan_ids ids = {0};
    struct text line;
    int r;

    while (parse_split(&data, '\n', &line)) {
        if (!line.len)
            continue;
        r = ids_line(&ids, line);
        if (r) {
            plan_ids_free(&ids);
            return r;
        }
    }
    *ret = ids;
    return 0;
}

char *plan_ids_format(const struct plan_ids *ids)
{
    size_t cap = ids->n * (CONFIG_NAME_MAX + 8) + 1, n = 0;
    char *s = malloc(cap);

    if (!s)
        return NULL;
    s[0] = 0;
    for (size_t i = 0; i < ids->n; i++)
        n += (size_t)snprintf(s + n, cap - n, "%s %u\n", ids->v[i].name,
                              ids->v[i].qid);
    return s;
}

void plan_ids_free(struct plan_ids *ids)
{
    free(ids->v);
    *ids = (struct plan_ids){0};
}

/* ---- addresses ---- */

struct ipaddr plan_ip4(uint32_t qid)
{
    struct ipaddr a = {.family = AF_INET, .b = {10, 137}};

    if (qid < 255) {
        a.b[3] = (uint8_t)qid;
    } else {
        /* never .0 or .255 */
        a.b[2] = (uint8_t)((qid - 1) / 254);
        a.b[3] = (uint8_t)((qid - 1) % 254 + 1);
    }
    return a;
}

struct ipaddr plan_ip6(uint32_t qid)
{
    struct ipaddr a = {.family = AF_INET6,
                       .b = {0xfd, 0x09, 0x24, 0xef, 0x41, 0x79, 0, 0, 0, 0, 0,
                             0, 0x0a, 0x89}};

    a.b[14] = (uint8_t)(qid >> 8);
    a.b[15] = (uint8_t)qid;
    return a;
}

/* Numbers of the files win over saved ones; the rest take the lowest free. */
static int assign_qids(struct config *c, struct plan_ids *ids, bool *changed)
{
    bool used[CONFIG_QID_MAX + 1] = {false};
    uint32_t next = 1;

    for (size_t i = 0; i < c->n; i++)
        used[c->qubes[i]->qid] = true;
    for (size_t i = 0; i < c->n; i++) {
        struct config_qube *q = c->qubes[i];
        const struct plan_id *id = q->qid ? NULL : ids_by_name(ids, q->name);

        if (id && !used[id->qid]) {
            q->qid = id->qid;
            used[id->qid] = true;
        }
    }
    for (size_t i = 0; i < c->n; i++) {
        struct config_qube *q = c->qubes[i];
        int r;

        if (q->qid)
            continue;
        while (next <= CONFIG_QID_MAX && (used[next] || ids_taken(ids, next)))
            next++;
        if (next > CONFIG_QID_MAX)
            return -ENOBUFS;
        q->qid = next;
        used[next] = true;
        if (ids_by_name(ids, q->name))
            continue; /* its saved number was taken by a file's QID= */
        r = ids_add(ids, text_of(q->name), next);
        if (r)
            return r;
        *changed = true;
    }
    return 0;
}

static bool wants_ipv6(const struct config_qube *q)
{
    for (; q; q = q->up) {
        if (q->ipv6 != CONFIG_UNSET)
            return q->ipv6 == CONFIG_YES;
    }
    return false;
}

/* ---- the chain ---- */

static void find_netvm(struct config *c, struct config_qube *q,
                       struct problems *p)
{
    struct config_qube *up;

    q->up = NULL;
    if (!q->netvm[0])
        return;
    up = config_find(c, q->netvm);
    if (!up)
        problems_add(p, q->file, q->line[KEY_NETVM],
                     "NetVM=%s: there is no such qube; expected one that has "
                     "a file in the configuration",
                     q->netvm);
    else if (!config_provides(up))
        problems_add(p, q->file, q->line[KEY_NETVM],
                     "NetVM=%s: that qube is of kind %s; expected one of "
                     "kind netvm or firewallvm",
                     q->netvm, config_kind_name(up->kind));
    else
        q->up = up;
}

/* Steps upwards until the end, the start or too many; true for a loop
 * through q itself. */
static bool in_loop(const struct config *c, const struct config_qube *q)
{
    const struct config_qube *at = q->up;

    for (size_t i = 0; at && i <= c->n; i++) {
        if (at == q)
            return true;
        at = at->up;
    }
    return false;
}

static void refuse_loops(struct config *c, struct problems *p)
{
    bool loop[CONFIG_QUBES_MAX] = {false};
    char way[PROBLEM_TEXT_MAX];

    for (size_t i = 0; i < c->n; i++)
        loop[i] = in_loop(c, c->qubes[i]);
    for (size_t i = 0; i < c->n; i++) {
        const struct config_qube *q = c->qubes[i], *at = q;
        size_t n = 0;

        if (!loop[i])
            continue;
        do {
            n += (size_t)snprintf(way + n, sizeof(way) - n, "%s -> ", at->name);
            at = at->up;
        } while (at != q && n < sizeof(way) - 80);
        problems_add(p, q->file, q->line[KEY_NETVM],
                     "NetVM=%s: the netvms form a loop (%s%s); expected a "
                     "chain that ends at a qube with NetVM=none",
                     q->netvm, way, at == q ? q->name : "...");
    }
    for (size_t i = 0; i < c->n; i++) {
        if (loop[i])
            c->qubes[i]->up = NULL;
    }
}

int plan_resolve(struct config *c, struct plan_ids *ids, bool *ret_changed,
                 struct problems *p)
{
    size_t before = problems_count(p);
    bool changed = false;
    int r;

    for (size_t i = 0; i < c->n; i++)
        find_netvm(c, c->qubes[i], p);
    refuse_loops(c, p);
    r = assign_qids(c, ids, &changed);
    if (r == -ENOMEM)
        return r;
    if (r)
        problems_add(p, NULL, 0, "no qube number from 1 to %d is free",
                     CONFIG_QID_MAX);
    for (size_t i = 0; i < c->n; i++) {
        struct config_qube *q = c->qubes[i];

        q->level = 0;
        for (const struct config_qube *u = q->up; u; u = u->up)
            q->level++;
        q->has_ipv6 = wants_ipv6(q);
        if (!q->ip4.family && q->qid)
            q->ip4 = plan_ip4(q->qid);
        if (!q->has_ipv6)
            q->ip6 = (struct ipaddr){0};
        else if (!q->ip6.family && q->qid)
            q->ip6 = plan_ip6(q->qid);
    }
    *ret_changed = changed;
    return problems_count(p) > before ? -EBADMSG : 0;
}

/* ---- order ---- */

static bool contains(struct config_qube *const *v, size_t n,
                     const struct config_qube *q)
{
    for (size_t i = 0; i < n; i++) {
        if (v[i] == q)
            return true;
    }
    return false;
}

static int by_level(const void *a, const void *b)
{
    const struct config_qube *const *qa = a, *const *qb = b;

    if ((*qa)->level != (*qb)->level)
        return (*qa)->level < (*qb)->level ? -1 : 1;
    return strcmp((*qa)->name, (*qb)->name);
}

static int by_level_down(const void *a, const void *b)
{
    return by_level(b, a);
}

size_t plan_up(const struct config *c, struct config_qube *const *want,
               size_t n_want, struct config_qube **ret)
{
    size_t n = 0;

    for (size_t i = 0; i < n_want; i++) {
        for (struct config_qube *q = want[i]; q && n < c->n; q = q->up) {
            if (!contains(ret, n, q))
                ret[n++] = q;
        }
    }
    qsort(ret, n, sizeof(*ret), by_level);
    return n;
}

size_t plan_down(const struct config *c, struct config_qube *const *want,
                 size_t n_want, struct config_qube **ret)
{
    size_t n = 0;

    for (size_t i = 0; i < n_want && n < c->n; i++) {
        if (want[i] && !contains(ret, n, want[i]))
            ret[n++] = want[i];
    }
    qsort(ret, n, sizeof(*ret), by_level_down);
    return n;
}
