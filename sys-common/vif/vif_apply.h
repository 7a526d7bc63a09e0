/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Carry out the steps of a plan that concern a link itself. effect (through
 * vif_link). Fed by vif_plan and agent_plan. ALLOW and CONNECT are the
 * caller's. */
#ifndef SQ_VIF_VIF_APPLY_H
#define SQ_VIF_VIF_APPLY_H

#include "vif/vif_link.h"
#include "vif/vif_plan.h"

/** Do (@p a->add) or undo one PREPARE, NEIGH, UP, ROUTE or ADDR step.
 *  @param client_side  PREPARE: false for a vif (backend MAC and its sysctls),
 *                      true for a qube's own interface
 *  @return 0; -errno; -EINVAL for the two other kinds */
int vif_apply_step(struct vif_link *l, int ifindex, const char *ifname,
                   bool client_side, const struct vif_action *a);

/** Take away from the link what is not in @p steps (NULL: everything). */
int vif_apply_prune(struct vif_link *l, int ifindex,
                    const struct vif_steps *steps);

#endif
