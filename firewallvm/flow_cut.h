/* SPDX-License-Identifier: GPL-2.0-or-later */
/* End the tracked flows that a list no longer allows. effect (ctnetlink).
 * Fed by the kernel's dump. Source: spec/firewall-rules.md, must 2 and 9. */
#ifndef SQ_FIREWALLVM_FLOW_CUT_H
#define SQ_FIREWALLVM_FLOW_CUT_H

#include <stdbool.h>

#include "firewallvm/flow_msg.h"
#include "lib/nl.h"

/** Must this flow end? */
typedef bool (*flow_cut_fn)(const struct flow *flow, void *arg);

/** Look at every flow in one pass (again while flows were found, as the
 *  kernel may reorder its table under a dump) and delete those @p must_end
 *  says.
 *  @param src      only flows begun by this address; NULL: of all
 *  @param ret_cut  flows deleted; NULL is fine
 *  @return 0: a last pass found nothing more to end; -EBUSY there were
 *  still some after 16 passes; -ENOMEM; -errno of the kernel */
int flow_cut(struct nl *nl, const struct ipaddr *src, flow_cut_fn must_end,
             void *arg, unsigned *ret_cut);

#endif
