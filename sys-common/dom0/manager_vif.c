/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which qube is plugged into which netvm: attaching, detaching, and the move
 * of a running qube. glue. Fed by the configuration and by the workers'
 * checked status. Never is a qube plugged in under an older list of it
 * (spec/firewall-rules.md, must 11): the netvm has to report the list that
 * was written last. Only where nothing at all is reported of a qube that
 * starts its interface may come before its list: vifd waits for that. */
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

/* Of the addresses of a qube, and of all that live behind it. */
struct lists {
    size_t n;
    size_t told;     /* something is reported, perhaps an older list */
    size_t in_force; /* the last one that was written is */
};

static void count_list(const struct worker *w, const struct ipaddr *src,
                       struct lists *l)
{
    char ip[IPADDR_TEXT_MAX];

    if (!src->family)
        return;
    ipaddr_format(src, ip);
    l->n++;
    l->told += worker_handled(w, ip, 0);
    l->in_force += worker_handled(w, ip, worker_pushed(w, ip));
}

static struct lists lists_of(const struct manager *m, size_t index, int up)
{
    const struct config_qube *top = m->cfg.qubes[index];
    struct lists l = {0};

    if (up < 0 || m->cfg.qubes[up]->kind != KIND_FIREWALLVM ||
        !m->qubes[up]->worker)
        return l;
    for (size_t i = 0; i < m->cfg.n; i++) {
        const struct config_qube *q = m->cfg.qubes[i];

        if (q != top && !(config_is_below(q, top) && m->qubes[i]->active))
            continue;
        count_list(m->qubes[up]->worker, &q->ip4, &l);
        count_list(m->qubes[up]->worker, &q->ip6, &l);
    }
    return l;
}

bool manager_vif_must_wait(const struct manager *m, size_t index)
{
    struct lists l = lists_of(m, index, manager_netvm(m, index));

    return l.told > 0 && l.in_force < l.n;
}

/* ---- all of them ---- */

static bool may_attach(const struct manager *m, size_t index)
{
    const struct qube *q = m->qubes[index];
    int up = manager_netvm(m, index);
    struct lists l;

    if (up < 0 || q->vif || q->vif_failed ||
        (q->state != QUBE_RUNNING && q->state != QUBE_STARTING) ||
        m->qubes[up]->state != QUBE_RUNNING)
        return false;
    l = lists_of(m, index, up);
    return l.in_force == l.n;
}

void manager_vif_converge(struct manager *m)
{
    for (size_t i = 0; i < m->cfg.n; i++) {
        if (may_attach(m, i) && manager_vif_attach(m, i)) {
            m->qubes[i]->vif_failed = true;
            log_err("%s: %s", m->cfg.qubes[i]->name, m->platform->why);
        }
    }
}
