/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Firewall requests. effect. See rules_edit.h. */
#include "dom0/rules_edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/fw_profile.h"
#include "dom0/rules_list.h"
#include "dom0/section.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"

/* What the whole list would be wrong in. */
static int try_list(const struct manager *m, const struct request *r,
                    const struct fw_items *items, struct manager_error *e,
                    struct problems *p)
{
    int k =
        fw_profile_try(&m->cfg, items, r->file ? r->file : "the list", NULL, p);

    if (k == -EBADMSG)
        (void)manager_error_set(
            e, r->qube, "read the rules",
            "nothing was changed; mend the list and try again", "%s",
            "the list is not right");
    return k;
}

static int rewrite(struct text file, const void *arg, char **ret,
                   size_t *ret_len)
{
    return section_rewrite(file, arg, ret, ret_len);
}

static int store(struct manager *m, const char *file, const struct fw_items *l,
                 struct manager_error *e, const char *qube, struct problems *p)
{
    int r = manager_rewrite(m, file, rewrite, l, p);

    if (r && !problems_count(p))
        (void)manager_error_set(e, qube, "store the rules", "look at the file",
                                "%s: %s", file, err_text(r));
    return r;
}

/* ---- what changed for which firewall ---- */

/* Desired keys of the running firewalls before a change. */
struct before {
    struct {
        char name[CONFIG_NAME_MAX];
        struct keyset keys;
    } * v; /* owned */
    size_t n;
};

static void before_free(struct before *b)
{
    for (size_t i = 0; i < b->n; i++)
        keyset_free(&b->v[i].keys);
    free(b->v);
}

static int before_take(const struct manager *m, struct before *ret)
{
    int r = 0;

    ret->v = calloc(m->cfg.n + 1, sizeof(*ret->v));
    if (!ret->v)
        return -ENOMEM;
    for (size_t i = 0; !r && i < m->cfg.n; i++) {
        const struct config_qube *q = m->cfg.qubes[i];

        if (q->kind != KIND_FIREWALLVM || m->qubes[i]->state != QUBE_RUNNING)
            continue;
        memcpy(ret->v[ret->n].name, q->name, sizeof(q->name));
        r = manager_desired(m, i, &ret->v[ret->n++].keys);
    }
    return r;
}

static void note_source(const struct manager *m, size_t up, const char *ip,
                        struct rules_edit *ret)
{
    struct job_source *s = &ret->src[ret->n_src++];

    *s = (struct job_source){.push = worker_pushed(m->qubes[up]->worker, ip)};
    memcpy(s->netvm, m->cfg.qubes[up]->name, sizeof(s->netvm));
    snprintf(s->ip, sizeof(s->ip), "%.45s", ip);
}

static int note_firewall(const struct manager *m, const char *name,
                         const struct keyset *old, struct rules_edit *ret)
{
    char(*ips)[IPADDR_TEXT_MAX] = NULL;
    struct job_source *v = NULL;
    struct keyset now = {0};
    int up = manager_find(m, name), r = -ENOENT;
    size_t n, cap = 2 * CONFIG_QUBES_MAX;

    if (up >= 0)
        r = manager_desired(m, (size_t)up, &now);
    if (!r) {
        ips = calloc(cap, sizeof(*ips));
        v = reallocarray(ret->src, ret->n_src + cap, sizeof(*v));
        ret->src = v ? v : ret->src;
        r = ips && v ? 0 : -ENOMEM;
    }
    if (!r) {
        n = keys_changed_sources(old, &now, ips, cap);
        for (size_t i = 0; i < n; i++)
            note_source(m, (size_t)up, ips[i], ret);
        ret->limit_ms += n ? JOB_RULES_KEY_MS * now.n : 0;
    }
    free(ips);
    keyset_free(&now);
    return r;
}

/* The change is made; forgetting what to wait for would not undo it. */
static void note_changes(const struct manager *m, const struct before *b,
                         struct rules_edit *ret)
{
    ret->limit_ms = JOB_RULES_MS;
    for (size_t i = 0; i < b->n; i++) {
        int r = note_firewall(m, b->v[i].name, &b->v[i].keys, ret);

        if (r)
            log_warn("%s: cannot wait for its rules: %s", b->v[i].name,
                     err_text(r));
    }
}

/* ---- requests ---- */

static int find_qube(const struct manager *m, const char *name,
                     struct manager_error *err, size_t *ret)
{
    int i = manager_find(m, name), up;

    if (i < 0)
        return manager_error_set(err, name, "find the qube", "sysqube status",
                                 "there is no qube of this name");
    up = manager_netvm(m, (size_t)i);
    if (up < 0 || m->cfg.qubes[up]->kind != KIND_FIREWALLVM)
        return manager_error_set(
            err, name, "find its firewall",
            "set NetVM= to a qube of kind firewallvm",
            "no firewall would enforce rules of this qube");
    *ret = (size_t)i;
    return 0;
}

int rules_edit(struct manager *m, const struct request *r, uint64_t now_s,
               struct rules_edit *ret, struct manager_error *err,
               struct problems *p)
{
    struct rules_edit out = {.hidden_by = -1};
    struct before before = {0};
    struct rules_list list = {0};
    size_t i = 0;
    int k = manager_reload(m, false, p);

    k = k ? k : find_qube(m, r->qube, err, &i);
    if (k)
        return k;
    k = rules_list_take(m->cfg.qubes[i], &list);
    k = k ? k : rules_list_edit(&list, r, now_s, &out.hidden_by, err, p);
    k = k ? k : try_list(m, r, &list.items, err, p);
    k = k ? k : before_take(m, &before);
    k = k ? k : store(m, list.q->file, &list.items, err, r->qube, p);
    rules_list_free(&list);
    if (!k) {
        note_changes(m, &before, &out);
        *ret = out;
    }
    before_free(&before);
    return k;
}

static bool is_named(const struct request *r, const char *name)
{
    for (size_t i = 0; i < r->n_names; i++) {
        if (!strcmp(r->names[i], name))
            return true;
    }
    return !r->n_names;
}

static bool is_noted(const struct rules_edit *e, const char *netvm,
                     const char *ip)
{
    for (size_t i = 0; i < e->n_src; i++) {
        if (!strcmp(e->src[i].netvm, netvm) && !strcmp(e->src[i].ip, ip))
            return true;
    }
    return false;
}

/* The unchanged list of one address: its signal key alone is written. */
static int signal_source(struct manager *m, size_t firewall,
                         const struct ipaddr *src, struct rules_edit *ret)
{
    char ip[IPADDR_TEXT_MAX], path[QDB_REC_PATH];
    struct job_source *v;
    int r;

    if (!src->family ||
        is_noted(ret, m->cfg.qubes[firewall]->name, ipaddr_format(src, ip)))
        return 0;
    v = reallocarray(ret->src, ret->n_src + 1, sizeof(*v));
    if (!v)
        return -ENOMEM;
    ret->src = v;
    snprintf(path, sizeof(path), "/qubes-firewall/%s", ip);
    r = worker_signal(m->qubes[firewall]->worker, path);
    note_source(m, firewall, ip, ret);
    return r;
}

/* A qube's list, and if it is a provider the same of all behind it. */
static int signal_qube(struct manager *m, size_t index, struct rules_edit *ret)
{
    const struct config_qube *top = m->cfg.qubes[index];
    int up = manager_netvm(m, index), r = 0;

    if (up < 0 || !m->qubes[index]->active ||
        m->cfg.qubes[up]->kind != KIND_FIREWALLVM ||
        m->qubes[up]->state != QUBE_RUNNING)
        return 0;
    for (size_t i = 0; !r && i < m->cfg.n; i++) {
        const struct config_qube *q = m->cfg.qubes[i];

        if (q != top && !(m->qubes[i]->active && config_is_below(q, top)))
            continue;
        r = signal_source(m, (size_t)up, &q->ip4, ret);
        r = r ? r : signal_source(m, (size_t)up, &q->ip6, ret);
    }
    return r;
}

int rules_reload(struct manager *m, const struct request *r,
                 struct rules_edit *ret, struct manager_error *err,
                 struct problems *p)
{
    struct rules_edit out = {.hidden_by = -1};
    struct before before = {0};
    int k = before_take(m, &before);

    k = k ? k : manager_reload(m, false, p);
    for (size_t i = 0; !k && i < r->n_names; i++) {
        size_t at;

        k = find_qube(m, r->names[i], err, &at);
    }
    if (!k)
        note_changes(m, &before, &out);
    for (size_t i = 0; !k && i < m->cfg.n; i++) {
        if (is_named(r, m->cfg.qubes[i]->name))
            k = signal_qube(m, i, &out);
    }
    before_free(&before);
    if (k) {
        free(out.src);
        return k;
    }
    *ret = out;
    return 0;
}
