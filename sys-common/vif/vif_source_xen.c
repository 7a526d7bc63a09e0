/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Identities of vifs under Xen: our own xenstore folder backend/vif. effect
 * (libxenstore). See vif_source.h; spec/xen-toolstack.md, section 3. Does
 * what the toolstack expects of a driver domain: hotplug-status when a vif
 * is ready, and the removal of the backend's nodes when it is closed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "vif/vif_source.h"

#define DIR_VIF "backend/vif" /* relative: our own domain's folder */
#define NODE_MAX 96
#define FRONTENDS_MAX 1024 /* entries looked at; more than xenstore's quota */
#define CLOSED_MAX 32      /* at a time; the others have their turn later */
#define STATE_CLOSED 6u    /* XenbusStateClosed */

struct xen_source {
    struct vif_source base; /* first: the bodies share the pointer */
    struct xs_handle *xs;
    struct loop_io *io;
    loop_cb changed;
    void *arg;
    unsigned n_closed; /* seen by the last list, nodes to be removed */
    struct vif_ident closed[CLOSED_MAX];
};

static struct xen_source *self(struct vif_source *s)
{
    union {
        struct vif_source *base;
        struct xen_source *whole;
    } u = {.base = s};

    return u.whole;
}

static void on_watch(int fd, unsigned events, void *arg)
{
    struct xen_source *s = arg;
    char **event;

    (void)fd;
    (void)events;
    while ((event = xs_check_watch(s->xs)) != NULL)
        free(event);
    s->changed(s->arg);
}

/* Text of one leaf of a vif's folder, malloc'ed; NULL when absent. */
static char *leaf(struct xen_source *s, const struct vif_ident *id,
                  const char *name)
{
    char path[NODE_MAX];
    unsigned len;

    (void)snprintf(path, sizeof(path), DIR_VIF "/%u/%u/%s", id->domid,
                   id->devid, name);
    return xs_read(s->xs, XBT_NULL, path, &len);
}

static uint32_t leaf_number(struct xen_source *s, const struct vif_ident *id,
                            const char *name, uint32_t otherwise)
{
    CLEANUP_FREE char *text = leaf(s, id, name);
    uint32_t v;

    if (text == NULL || parse_u32(text_of(text), 0, 1000, &v) < 0)
        return otherwise;
    return v;
}

/* Dom0 takes a vif away by online=0; the kernel's backend then closes. */
static bool is_online(struct xen_source *s, const struct vif_ident *id)
{
    return leaf_number(s, id, "online", 0) == 1;
}

static bool is_closed(struct xen_source *s, const struct vif_ident *id)
{
    return !is_online(s, id) && leaf_number(s, id, "state", 0) == STATE_CLOSED;
}

static void remove_nodes(struct xen_source *s, const struct vif_ident *id)
{
    CLEANUP_FREE char **left = NULL;
    char path[NODE_MAX];
    unsigned n = 0;

    (void)snprintf(path, sizeof(path), DIR_VIF "/%u/%u", id->domid, id->devid);
    if (!xs_rm(s->xs, XBT_NULL, path) && errno != ENOENT)
        log_warn("xenstore: %s: %s", path, err_text(err_last()));
    (void)snprintf(path, sizeof(path), DIR_VIF "/%u", id->domid);
    left = xs_directory(s->xs, XBT_NULL, path, &n);
    if (left != NULL && n == 0)
        (void)xs_rm(s->xs, XBT_NULL, path);
}

static int put(struct xen_source *s, const struct vif_ident *id,
               const char *name, const char *value)
{
    char path[NODE_MAX];

    (void)snprintf(path, sizeof(path), DIR_VIF "/%u/%u/%s", id->domid,
                   id->devid, name);
    return xs_write(s->xs, XBT_NULL, path, value, (unsigned)strlen(value))
               ? 0
               : err_last();
}

/* Said once: the node itself remembers. */
static void refuse(struct xen_source *s, const struct vif_ident *id)
{
    static const char why[] = "ip or mac in xenstore is malformed or absent";
    CLEANUP_FREE char *said = leaf(s, id, "hotplug-status");

    if (said != NULL && strcmp(said, "error") == 0)
        return;
    log_err("vif%u.%u: its %s", id->domid, id->devid, why);
    (void)put(s, id, "hotplug-error", why);
    (void)put(s, id, "hotplug-status", "error");
}

static int list_one(struct xen_source *s, struct vif_ident id,
                    int (*cb)(const struct vif_ident *id, void *arg), void *arg)
{
    CLEANUP_FREE char *ip = NULL;
    CLEANUP_FREE char *mac = NULL;

    if (!is_online(s, &id)) {
        if (is_closed(s, &id) && s->n_closed < CLOSED_MAX)
            s->closed[s->n_closed++] = id;
        return 0;
    }
    ip = leaf(s, &id, "ip");
    mac = leaf(s, &id, "mac");
    if (mac == NULL)
        return 0; /* just being written: the watch fires again */
    if (vif_plan_ident_xen(text_of(ip != NULL ? ip : ""), text_of(mac), &id) <
        0) {
        refuse(s, &id);
        return 0;
    }
    return cb(&id, arg);
}

static int list_domain(struct xen_source *s, const char *domid,
                       int (*cb)(const struct vif_ident *id, void *arg),
                       void *arg)
{
    CLEANUP_FREE char **devs = NULL;
    struct vif_ident id = {.domid = 0};
    char path[NODE_MAX];
    unsigned n = 0;
    int r = 0;

    if (parse_u32(text_of(domid), 0, VIF_DOMID_MAX, &id.domid) < 0)
        return 0;
    (void)snprintf(path, sizeof(path), DIR_VIF "/%u", id.domid);
    devs = xs_directory(s->xs, XBT_NULL, path, &n);
    for (unsigned i = 0; devs != NULL && i < n && r >= 0; i++)
        if (parse_u32(text_of(devs[i]), 0, VIF_DEVID_MAX, &id.devid) == 0)
            r = list_one(s, id, cb, arg);
    return r;
}

static int xen_list(struct vif_source *base,
                    int (*cb)(const struct vif_ident *id, void *arg), void *arg)
{
    struct xen_source *s = self(base);
    CLEANUP_FREE char **doms = NULL;
    unsigned n = 0;
    int r = 0;

    s->n_closed = 0;
    doms = xs_directory(s->xs, XBT_NULL, DIR_VIF, &n);
    if (doms == NULL)
        return errno == ENOENT ? 0 : err_last();
    for (unsigned i = 0; i < n && i < FRONTENDS_MAX && r >= 0; i++)
        r = list_domain(s, doms[i], cb, arg);
    return r;
}

static int xen_report(struct vif_source *base, const struct vif_ident *id,
                      bool ok, const char *why)
{
    struct xen_source *s = self(base);
    int r;

    /* Not for a vif that dom0 is taking away: writing into its folder could
     * bring back what dom0 has just removed. */
    if (!is_online(s, id))
        return 0;
    if (ok)
        return put(s, id, "hotplug-status", "connected");
    r = put(s, id, "hotplug-error", why);
    return r < 0 ? r : put(s, id, "hotplug-status", "error");
}

static void xen_settle(struct vif_source *base)
{
    struct xen_source *s = self(base);

    for (unsigned i = 0; i < s->n_closed; i++)
        remove_nodes(s, &s->closed[i]);
    s->n_closed = 0;
}

static void xen_free(struct vif_source *base)
{
    struct xen_source *s = self(base);

    loop_io_free(s->io);
    if (s->xs != NULL)
        xs_close(s->xs);
    free(s);
}

int vif_source_xen_new(struct loop *loop, loop_cb changed, void *arg,
                       struct vif_source **ret)
{
    static const struct vif_source_ops ops = {xen_list, xen_report, xen_settle,
                                              xen_free};
    struct xen_source *s = calloc(1, sizeof(*s));
    int r = 0;

    if (s == NULL)
        return -ENOMEM;
    s->base.ops = &ops;
    s->changed = changed;
    s->arg = arg;
    s->xs = xs_open(0);
    if (s->xs == NULL || !xs_watch(s->xs, DIR_VIF, "v"))
        r = err_last();
    if (r == 0)
        r = loop_io_new(loop, xs_fileno(s->xs), LOOP_READ, on_watch, s, &s->io);
    if (r < 0) {
        xen_free(&s->base);
        return r;
    }
    *ret = &s->base;
    return 0;
}
