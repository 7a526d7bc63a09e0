/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QubesDB says about this VM's clients, as one value: gateway addresses,
 * addresses behind clients, configured clients, firewall readiness. pure. Fed
 * by dom0's keys and firewallvmd's status keys (trusted, parsed strictly).
 * spec/network.md "Keys written by dom0". Reads nothing by itself. */
#ifndef SQ_VIF_VIF_FACTS_H
#define SQ_VIF_VIF_FACTS_H

#include <stdbool.h>

#include "vif/vif_plan.h"

#define VIF_FACTS_BEHIND_MAX 2048  /* over all clients */
#define VIF_FACTS_APPLIED_MAX 1024 /* addresses with rules in force */
#define VIF_FACTS_CLIENTS_MAX 4096 /* addresses no one else may send from */
#define VIF_FACTS_WATCHES 7

/** What to watch and to read; those that end in '/' are subtrees. */
extern const char *const vif_facts_keys[VIF_FACTS_WATCHES];

struct vif_behind {
    struct ipaddr client; /* IPv4 */
    struct ipaddr addr;
};

struct vif_facts {
    struct ipaddr gw4; /* family 0: absent */
    struct ipaddr gw6;
    bool gated; /* a vif waits for its firewall rules */
    unsigned n_behind;
    struct vif_behind behind[VIF_FACTS_BEHIND_MAX];
    unsigned n_applied;
    struct ipaddr applied[VIF_FACTS_APPLIED_MAX];
    unsigned n_clients;
    struct ipaddr clients[VIF_FACTS_CLIENTS_MAX]; /* sorted, no doubles */
};

/** Take in one key. An unknown path is ignored.
 *  @return 0; -EBADMSG not what this key holds; -ENOBUFS over a limit; what
 *  was taken in before stays */
int vif_facts_add(struct vif_facts *f, const char *path, struct text value);

/** One more address that belongs to a client.
 *  @return 0, also when it is there; -ENOBUFS */
int vif_facts_client(struct vif_facts *f, const struct ipaddr *a);

/** Everything that decides about one vif.
 *  @return 0; -ENOBUFS more than VIF_BEHIND_MAX behind it, the rest is left
 *  out (its packets count as forged) */
int vif_facts_want(const struct vif_facts *f, const struct vif_ident *id,
                   struct vif_want *ret);

/** May this vif be connected?
 *  @return NULL yes; else static text of what it waits for */
const char *vif_facts_waits_for(const struct vif_facts *f,
                                const struct vif_ident *id);

#endif
