/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which qube is plugged into which netvm: attaching, detaching, and the move
 * of a running qube. glue. Fed by the configuration and by the workers'
 * checked status. Never is a qube plugged in under an older list of it
 * (spec/firewall-rules.md, must 11): first the netvm has to say that it has
 * none, then the list is written, then the netvm has to report it. */
#include <stdio.h>
#include <string.h>

#include "dom0/manager_impl.h"
#include "lib/log.h"

const char *manager_vif_status(const struct manager *m, size_t index)
{
    int up = manager_netvm(m, index);
    char path[QDB_REC_PATH];

    if (up < 0 || !m->qubes[index]->has_domid)
        return NULL;
    snprintf(path, sizeof(path), "/sysqube-status/vif/%u.0",
             m->qubes[index]->domid);
    return manager_status(m, (size_t)up, path);
}

/* ---- one interface ---- */

static void vif_of(const struct manager *m, size_t index, size_t up,
                   struct platform_vif *v)
{
    const struct config_qube *c = m->cfg.qubes[index];
    char a[IPADDR_TEXT_MAX], b[IPADDR_TEXT_MAX];

    *v = (struct platform_vif){.client = m->qubes[index]->domid,
                               .backend = m->qubes[up]->domid};
    memcpy(v->mac, c->mac, sizeof(v->mac));
    snprintf(v->ips, sizeof(v->ips), "%s%s%s", ipaddr_format(&c->ip4, a),
             c->ip6.family ? " " : "",
             c->ip6.family ? ipaddr_format(&c->ip6, b) : "");
}

int manager_vif_attach(struct manager *m, size_t index)
{
    int up = manager_netvm(m, index);
    struct platform_vif v;
    int r;

    if (up < 0)
        return 0;
    vif_of(m, index, (size_t)up, &v);
    r = m->platform->ops->vif_attach(m->platform, &v);
    m->qubes[index]->vif = !r;
    return r;
}

void manager_vif_detach(struct manager *m, size_t index)
{
    int up = manager_netvm(m, index);
    struct platform_vif v;

    if (up < 0 || !m->qubes[index]->vif)
        return;
    vif_of(m, index, (size_t)up, &v);
    m->qubes[index]->vif = false;
    if (m->platform->ops->vif_detach(m->platform, &v))
        log_warn("%s: %s", m->cfg.qubes[index]->name, m->platform->why);
}

void manager_vif_detach_clients(struct manager *m, size_t index)
{
    for (size_t i = 0; i < m->cfg.n; i++) {
        if (manager_netvm(m, i) == (int)index) {
            manager_vif_detach(m, i);
            m->qubes[i]->vif_failed = false;
        }
    }
}

/* ---- what a firewall says of a qube's lists ---- */

enum lists { LISTS_NONE, LISTS_SOME, LISTS_ALL };

/* Counts one source: reported or not. */
static void count_source(const struct manager *m, size_t firewall,
                         const struct ipaddr *src, size_t *n, size_t *reported)
{
    char ip[IPADDR_TEXT_MAX], path[2 * QDB_REC_PATH];

    if (!src->family)
        return;
    snprintf(path, sizeof(path), "/sysqube-status/firewall/%s",
             ipaddr_format(src, ip));
    ++*n;
    *reported += manager_status(m, firewall, path) != NULL;
}

/* The lists of a qube, and of all that live behind it, in a firewall. */
static enum lists lists_of(const struct manager *m, size_t index,
                           size_t firewall)
{
    const struct config_qube *top = m->cfg.qubes[index];
    size_t n = 0, reported = 0;

    for (size_t i = 0; i < m->cfg.n; i++) {
        const struct config_qube *q = m->cfg.qubes[i];

        if (q != top && !(config_is_below(q, top) && m->qubes[i]->active))
            continue;
        count_source(m, firewall, &q->ip4, &n, &reported);
        count_source(m, firewall, &q->ip6, &n, &reported);
    }
    if (reported == n)
        return LISTS_ALL;
    return reported ? LISTS_SOME : LISTS_NONE;
}

static bool is_firewall(const struct manager *m, int up)
{
    return up >= 0 && m->cfg.qubes[up]->kind == KIND_FIREWALLVM;
}

/* ---- moving ---- */

bool manager_vif_must_wait(const struct manager *m, size_t index)
{
    int up = manager_netvm(m, index);

    return is_firewall(m, up) && lists_of(m, index, (size_t)up) != LISTS_NONE;
}

void manager_vif_hold(struct manager *m, size_t index)
{
    struct qube *q = m->qubes[index];

    manager_vif_detach(m, index);
    q->vif_failed = false;
    q->active = false;
    q->held = true;
}

static void release(struct manager *m)
{
    bool any = false;

    for (size_t i = 0; i < m->cfg.n; i++) {
        struct qube *q = m->qubes[i];

        if (!q->held || manager_vif_must_wait(m, i))
            continue;
        q->held = false;
        q->active = true;
        any = true;
    }
    if (any)
        manager_update(m);
}

static bool may_attach(const struct manager *m, size_t index)
{
    const struct qube *q = m->qubes[index];
    int up = manager_netvm(m, index);

    if (up < 0 || q->vif || q->vif_failed || q->held ||
        (q->state != QUBE_RUNNING && q->state != QUBE_STARTING) ||
        m->qubes[up]->state != QUBE_RUNNING)
        return false;
    return !is_firewall(m, up) || lists_of(m, index, (size_t)up) == LISTS_ALL;
}

void manager_vif_converge(struct manager *m)
{
    release(m);
    for (size_t i = 0; i < m->cfg.n; i++) {
        if (may_attach(m, i) && manager_vif_attach(m, i)) {
            m->qubes[i]->vif_failed = true;
            log_err("%s: %s", m->cfg.qubes[i]->name, m->platform->why);
        }
    }
}
