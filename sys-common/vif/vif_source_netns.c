/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Identities of vifs on the netns platform: QubesDB keys. effect. See
 * vif_source.h. There is no toolstack node to answer to: the status key that
 * vifd writes in any case is the answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "vif/vif_source.h"

struct netns_source {
    struct vif_source base; /* first: the bodies share the pointer */
    struct qdb *qdb;
    int (*cb)(const struct vif_ident *id, void *arg);
    void *arg;
};

static struct netns_source *self(struct vif_source *s)
{
    union {
        struct vif_source *base;
        struct netns_source *whole;
    } u = {.base = s};

    return u.whole;
}

static int entry(const char *path, const char *val, size_t len, void *arg)
{
    struct netns_source *s = arg;
    struct text key = text_of(path + strlen(VIF_SOURCE_KEYS));
    struct text value = {val, len};
    struct vif_ident id;

    if (vif_plan_ident_parse(key, value, &id) < 0) {
        log_err("%s: expected \"IP4 MAC[ IP6]\"", path);
        return 0;
    }
    return s->cb(&id, s->arg);
}

static int netns_list(struct vif_source *base,
                      int (*cb)(const struct vif_ident *id, void *arg),
                      void *arg)
{
    struct netns_source *s = self(base);

    s->cb = cb;
    s->arg = arg;
    return qdb_multiread(s->qdb, VIF_SOURCE_KEYS, entry, s);
}

static int netns_report(struct vif_source *base, const struct vif_ident *id,
                        bool ok, const char *why)
{
    (void)base;
    (void)id;
    (void)ok;
    (void)why;
    return 0;
}

static void netns_settle(struct vif_source *base)
{
    (void)base;
}

static void netns_free(struct vif_source *base)
{
    free(base);
}

int vif_source_netns_new(struct qdb *qdb, struct vif_source **ret)
{
    static const struct vif_source_ops ops = {netns_list, netns_report,
                                              netns_settle, netns_free};
    struct netns_source *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return -ENOMEM;
    s->base.ops = &ops;
    s->qdb = qdb;
    *ret = &s->base;
    return 0;
}
