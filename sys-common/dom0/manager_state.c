/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the manager's qubes are, what each shall have, and what each says.
 * glue. See manager.h. Fed by the configuration and by the workers' checked
 * status. */
#include <string.h>
#include <time.h>

#include "dom0/manager_impl.h"
#include "dom0/usb_world.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"

bool manager_is_up(const struct qube *q)
{
    return q->state == QUBE_STARTING || q->state == QUBE_RUNNING ||
           q->state == QUBE_STOPPING;
}

const char *manager_state_name(enum qube_state s)
{
    static const char *const names[] = {
        [QUBE_OFF] = "off",         [QUBE_STARTING] = "starting",
        [QUBE_RUNNING] = "running", [QUBE_STOPPING] = "stopping",
        [QUBE_FAILED] = "failed",
    };

    return names[s];
}

int manager_find(const struct manager *m, const char *name)
{
    for (size_t i = 0; i < m->cfg.n; i++) {
        if (!strcmp(m->cfg.qubes[i]->name, name))
            return (int)i;
    }
    return -ENOENT;
}

int manager_netvm(const struct manager *m, size_t index)
{
    const struct config_qube *up = m->cfg.qubes[index]->up;

    return up ? manager_find(m, up->name) : -1;
}

/* ---- desired state ---- */

int manager_desired(const struct manager *m, size_t index, struct keyset *ret)
{
    struct keys_run run[CONFIG_QUBES_MAX];
    struct keys_world w = {.cfg = &m->cfg,
                           .run = run,
                           .netns = m->platform->ops->vif_keys,
                           .watch = m->watch_until_ms != 0,
                           .now_s = (uint64_t)time(NULL),
                           .usb = m->usb};

    for (size_t i = 0; i < m->cfg.n; i++) {
        const struct qube *q = m->qubes[i];

        run[i] = (struct keys_run){q->active, q->has_domid, q->domid, 0};
    }
    return keys_desired(&w, index, ret);
}

void manager_update(struct manager *m)
{
    m->next_expiry_s = keys_next_expiry(&m->cfg, (uint64_t)time(NULL));
    for (size_t i = 0; i < m->cfg.n; i++) {
        struct keyset set = {0};
        int r;

        if (!m->qubes[i]->worker)
            continue;
        r = manager_desired(m, i, &set);
        if (r) {
            log_err("%s: desired state: %s", m->cfg.qubes[i]->name,
                    err_text(r));
            keyset_free(&set);
            continue;
        }
        (void)worker_apply(m->qubes[i]->worker, &set);
    }
}

void manager_watch(struct manager *m)
{
    bool was = m->watch_until_ms != 0;

    m->watch_until_ms = io_now_ms() + MANAGER_WATCH_MS;
    if (!was)
        manager_update(m);
}

void manager_unwatch_due(struct manager *m)
{
    if (!m->watch_until_ms || io_now_ms() < m->watch_until_ms)
        return;
    m->watch_until_ms = 0;
    manager_update(m);
}

const char *manager_status(const struct manager *m, size_t index,
                           const char *path)
{
    const struct worker *w = m->qubes[index]->worker;

    return w ? keyset_get(worker_status(w), path) : NULL;
}

static bool says_up(const char *s)
{
    return s && !strncmp(s, "up", 2) && (s[2] == ' ' || !s[2]);
}

bool manager_ready(const struct manager *m, size_t index, const char **ret_what)
{
    const struct config_qube *c = m->cfg.qubes[index];

    if (m->qubes[index]->state != QUBE_RUNNING)
        *ret_what = "it is not running";
    else if (c->kind == KIND_NETVM &&
             !says_up(manager_status(m, index, "/sysqube-status/uplink")))
        *ret_what = "its uplink is not up";
    else if (c->up &&
             (!m->qubes[index]->vif || !says_up(manager_vif_status(m, index))))
        *ret_what = "its network interface is not up in its netvm";
    else if (c->up &&
             !says_up(manager_status(m, index, "/sysqube-status/agent")))
        *ret_what = "its agent has not configured eth0";
    else if (!usb_plan_has_required(m->usb, c->name, &c->usb))
        *ret_what = "a USB device that it requires is not attached";
    else
        return true;
    return false;
}
