/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A qube's own interface: QubesDB values to a plan. pure. Fed by dom0's keys
 * (trusted, parsed strictly). spec/network.md "Keys written by dom0" and
 * "Uplink and DNS". Executes nothing. */
#ifndef SQ_VIF_AGENT_PLAN_H
#define SQ_VIF_AGENT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ipaddr.h"
#include "lib/parse.h"
#include "vif/vif_link.h"
#include "vif/vif_plan.h"

#define AGENT_KEYS 8
#define AGENT_DNS 3 /* as many as resolv.conf(5) heeds */
#define AGENT_RESOLV_MAX 192

/** The keys, in the order of agent_plan_set()'s @p i. */
extern const char *const agent_plan_keys[AGENT_KEYS];

struct agent_conf {
    bool have_mac;
    uint8_t mac[6];
    struct ipaddr ip4; /* family 0: not given */
    struct ipaddr gw4;
    struct ipaddr ip6;
    struct ipaddr gw6;
    struct ipaddr dns[AGENT_DNS];
};

/** Take in the value of key number @p i; an empty one counts as absent.
 *  @return 0; -EBADMSG not what this key holds, nothing is changed */
int agent_plan_set(struct agent_conf *c, unsigned i, struct text value);

/** The interface to configure: the one with the MAC given by dom0, or with
 *  none given the first Ethernet link that is not a vif.
 *  @return index in @p links; -ENOENT */
int agent_plan_choose(const struct agent_conf *c,
                      const struct vif_link_info *links, unsigned n);

/** Steps: sysctls, neighbours of the gateways pinned to fe:ff:ff:ff:ff:ff,
 * addresses, link up, on-link route to each gateway, default routes. No address
 * at all gives no step. */
void agent_plan_build(const struct agent_conf *c, struct vif_steps *ret);

/** Text of resolv.conf. @return its length */
size_t agent_plan_resolv(const struct agent_conf *c,
                         char ret[AGENT_RESOLV_MAX]);

#endif
