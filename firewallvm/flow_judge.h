/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which tracked flows end: the state's meaning, asked for flows that began
 * before it. glue between rules/rule_eval, path.h and flow_cut.h. Fed by
 * the monitor's state and the kernel's flows. Source:
 * spec/firewall-rules.md, must 2, 9 and 10. */
#ifndef SQ_FIREWALLVM_FLOW_JUDGE_H
#define SQ_FIREWALLVM_FLOW_JUDGE_H

#include "firewallvm/flow_msg.h"
#include "firewallvm/fw_state.h"
#include "lib/nl.h"

/** Does the state allow a flow to begin like this? Pure.
 *  @param s  the source's list as it is to be judged, or NULL if its address
 *            has none
 *  @param names  what names stand for */
bool flow_judge_allows(const struct fw_state *st, const struct fw_source *s,
                       const struct fw_names *names, const struct flow *f);

/** End the flows nothing allows: of all; of one source (with @p s as its
 *  list); those that only paths may allow; of the sources whose list
 *  looks up a set; those to an address that is a source from now on
 *  and that no path allows; all from and to an address.
 *  @param ret_cut  how many. @return 0; as flow_cut() */
int flow_judge_all(struct nl *nl, const struct fw_state *st, unsigned *ret_cut);
int flow_judge_source(struct nl *nl, const struct fw_state *st,
                      const struct fw_source *s, unsigned *ret_cut);
int flow_judge_paths(struct nl *nl, const struct fw_state *st,
                     unsigned *ret_cut);
int flow_judge_set(struct nl *nl, const struct fw_state *st, unsigned set,
                   unsigned *ret_cut);
int flow_judge_new(struct nl *nl, const struct fw_state *st,
                   const struct ipaddr *addr, unsigned *ret_cut);
int flow_judge_gone(struct nl *nl, const struct ipaddr *addr,
                    unsigned *ret_cut);

#endif
