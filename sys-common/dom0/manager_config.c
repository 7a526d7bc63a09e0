/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking in a configuration, the first one and each later one. glue. See
 * manager.h, manager_reload(). */
#include <stdlib.h>
#include <string.h>

#include "dom0/config_load.h"
#include "dom0/manager_impl.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/mem.h"

/* What a qube keeps as long as it runs. */
static bool same_identity(const struct config_qube *a,
                          const struct config_qube *b)
{
    return a->kind == b->kind && ipaddr_eq(&a->ip4, &b->ip4) &&
           (!a->has_ipv6 || !b->has_ipv6 || ipaddr_eq(&a->ip6, &b->ip6)) &&
           !memcmp(a->mac, b->mac, sizeof(a->mac));
}

static void check_running(const struct manager *m, const struct config *now,
                          struct problems *p)
{
    for (size_t i = 0; i < m->cfg.n; i++) {
        const struct config_qube *a = m->cfg.qubes[i];
        const struct config_qube *b = config_find(now, a->name);

        if (!manager_is_up(m->qubes[i]))
            continue;
        if (!b)
            problems_add(p, a->file, 0,
                         "the file is gone but the qube runs; expected "
                         "'sysqube down %s' first",
                         a->name);
        else if (!same_identity(a, b))
            problems_add(p, b->file, 0,
                         "Kind= or an address changed while the qube runs; "
                         "expected 'sysqube down %s' first",
                         a->name);
    }
}

/* Running qubes that are to be plugged in elsewhere, or with an address more
 * or less (IPv6= follows the netvm). */
static void detach_moved(struct manager *m, const struct config *now)
{
    for (size_t i = 0; i < m->cfg.n; i++) {
        const struct config_qube *a = m->cfg.qubes[i];
        const struct config_qube *b = config_find(now, a->name);

        if (b && manager_is_up(m->qubes[i]) &&
            (strcmp(a->netvm, b->netvm) || a->has_ipv6 != b->has_ipv6)) {
            manager_vif_detach(m, i);
            m->qubes[i]->vif_failed = false;
        }
    }
}

static int new_qubes(struct manager *m, const struct config *now,
                     struct qube ***ret)
{
    struct qube **v = calloc(now->n + 1, sizeof(*v));

    if (!v)
        return -ENOMEM;
    for (size_t i = 0; i < now->n; i++) {
        int old = manager_find(m, now->qubes[i]->name);

        if (old >= 0) {
            v[i] = m->qubes[old];
            m->qubes[old] = NULL;
            continue;
        }
        v[i] = calloc(1, sizeof(**v));
        if (!v[i])
            abort(); /* a daemon that lost track of its qubes is worse */
        v[i]->m = m;
    }
    *ret = v;
    return 0;
}

int manager_take_config(struct manager *m, struct config *now)
{
    struct qube **v;
    int r = new_qubes(m, now, &v);

    if (r)
        return r;
    for (size_t i = 0; i < m->cfg.n; i++)
        free(m->qubes[i]);
    free(m->qubes);
    config_free(&m->cfg);
    m->cfg = *now;
    m->qubes = v;
    *now = (struct config){0};
    return 0;
}

int manager_reload(struct manager *m, bool images, struct problems *p)
{
    struct config now;
    int r = config_load(
        m->cfg.dir, CONFIG_LOAD_SAVE_IDS | (images ? CONFIG_LOAD_IMAGES : 0),
        &now, p);

    if (!r) {
        /* what the daemon itself was started with stays */
        now.d = m->cfg.d;
        check_running(m, &now, p);
        r = problems_count(p) ? -EBADMSG : 0;
        if (!r) {
            detach_moved(m, &now);
            r = manager_take_config(m, &now);
        }
    }
    config_free(&now);
    if (!r) {
        manager_update(m);
        manager_vif_converge(m);
    }
    return r;
}

int manager_rewrite(struct manager *m, const char *file, manager_rewrite_fn fn,
                    const void *arg, struct problems *p)
{
    CLEANUP_FREE char *path = strdup(file); /* a reload frees the names */
    CLEANUP_FREE char *old = NULL;
    CLEANUP_FREE char *text = NULL;
    size_t old_len, len;
    int r =
        path ? io_read_file(path, CONFIG_FILE_MAX, &old, &old_len) : -ENOMEM;

    if (!r)
        r = fn((struct text){old, old_len}, arg, &text, &len);
    if (!r)
        r = io_write_file(path, text, len, 0644);
    if (r)
        return r;
    r = manager_reload(m, false, p);
    if (r)
        (void)io_write_file(path, old, old_len, 0644);
    return r;
}
