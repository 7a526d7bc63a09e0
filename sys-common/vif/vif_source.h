/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the identities of vifs come from, and where the answer goes. effect,
 * with two bodies chosen at run time: xenstore's own backend/vif folder
 * (vif_source_xen.c, written by dom0's toolstack: the trusted copy, never
 * the frontend's), and the keys /sysqube-vif/D.N (vif_source_netns.c).
 * Fed by dom0 (trusted, parsed strictly). */
#ifndef SQ_VIF_VIF_SOURCE_H
#define SQ_VIF_VIF_SOURCE_H

#include <stdbool.h>

#include "lib/loop.h"
#include "qubesdb/qdb_client.h"
#include "vif/vif_plan.h"

#define VIF_SOURCE_KEYS "/sysqube-vif/"

struct vif_source;

struct vif_source_ops {
    /** Give every identity that is there now. A malformed one is logged and
     *  left out. @return 0; -errno; the callback's error */
    int (*list)(struct vif_source *s,
                int (*cb)(const struct vif_ident *id, void *arg), void *arg);
    /** The vif is ready (@p ok), or is not (any more), because of @p why.
     *  @return 0; -errno */
    int (*report)(struct vif_source *s, const struct vif_ident *id, bool ok,
                  const char *why);
    /** Everything that was absent from the last list has been undone: the
     *  toolstack may know. */
    void (*settle)(struct vif_source *s);
    void (*free)(struct vif_source *s);
};

struct vif_source {
    const struct vif_source_ops *ops;
};

/** @param changed  called from the loop when list() may differ
 *  @param ret      freed by ret->ops->free(ret)
 *  @return 0; -errno: no xenstore */
int vif_source_xen_new(struct loop *loop, loop_cb changed, void *arg,
                       struct vif_source **ret);
/** The caller watches the keys VIF_SOURCE_KEYS itself.
 *  @param qdb  borrowed */
int vif_source_netns_new(struct qdb *qdb, struct vif_source **ret);

#endif
