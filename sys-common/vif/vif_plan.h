/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a link needs, in order: anti-spoof elements, MAC address and sysctls
 * (a new MAC address makes the kernel forget neighbours), neighbours, link
 * up, routes, addresses, connection; and the difference between two such plans.
 * pure. Fed by identities from dom0 (xenstore or QubesDB; trusted, parsed
 * strictly all the same). spec/network.md "vif hot-plug". vifd and
 * sysqube-agent share the steps; each has its own plan. Executes nothing. */
#ifndef SQ_VIF_VIF_PLAN_H
#define SQ_VIF_VIF_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ipaddr.h"
#include "lib/parse.h"

#define VIF_BEHIND_MAX 256 /* addresses behind one client */
#define VIF_STEPS_MAX (16 + 3 * VIF_BEHIND_MAX)
#define VIF_NAME_MAX 16      /* "vifD.N" */
#define VIF_DOMID_MAX 32751u /* the last domid of an ordinary Xen domain */
#define VIF_DEVID_MAX 999u   /* keeps the name within 15 bytes */

/** Who is at the other end of a vif, as dom0 says. */
struct vif_ident {
    uint32_t domid;
    uint32_t devid;
    uint8_t mac[6];
    struct ipaddr ip4; /* family 0: none (at least one of the two is set) */
    struct ipaddr ip6;
};

/** All that decides about one vif. */
struct vif_want {
    struct vif_ident id;
    struct ipaddr gw4; /* our own address towards clients; family 0: none */
    struct ipaddr gw6;
    unsigned n_behind;
    struct ipaddr behind[VIF_BEHIND_MAX];
};

enum vif_op {
    VIF_OP_ALLOW,   /* net.addr may come in by this vif */
    VIF_OP_PREPARE, /* own MAC address, sysctls */
    VIF_OP_NEIGH,   /* net.addr is at mac, permanently */
    VIF_OP_UP,      /* link up */
    VIF_OP_ROUTE,   /* net by this link, by way of via if that has a family */
    VIF_OP_ADDR,    /* net.addr is our own */
    VIF_OP_CONNECT, /* tell the toolstack */
};

struct vif_step {
    enum vif_op op;
    struct ipnet net;
    struct ipaddr via;
    uint8_t mac[6];
};

/** An ordered list; each step's reverse in reverse order undoes it. */
struct vif_steps {
    unsigned n;
    struct vif_step s[VIF_STEPS_MAX];
};

/** One step, done or undone. */
struct vif_action {
    bool add;
    struct vif_step step;
};

/** "vif<domid>.<devid>" without leading zeros, within the limits above.
 *  @return 0; -EBADMSG another link's name */
int vif_plan_name_parse(struct text t, uint32_t *ret_domid,
                        uint32_t *ret_devid);
void vif_plan_name(const struct vif_ident *id, char ret[VIF_NAME_MAX]);

/** Value of a /sysqube-vif/D.N key: "IP4 MAC[ IP6]".
 *  @param key  the part "D.N"
 *  @return 0; -EBADMSG */
int vif_plan_ident_parse(struct text key, struct text value,
                         struct vif_ident *ret);
/** The xenstore form: a list of one IPv4 and/or one IPv6 address separated
 *  by blanks, and a MAC. domid and devid are the caller's.
 *  @return 0; -EBADMSG */
int vif_plan_ident_xen(struct text ips, struct text mac, struct vif_ident *ret);

/** The plan of a client's vif. Behind addresses equal to the client's own
 *  are left out; IPv6 ones behind a client without IPv6 are pinned to its
 *  MAC and routed on-link. */
void vif_plan_build(const struct vif_want *want, struct vif_steps *ret);

bool vif_plan_step_eq(const struct vif_step *a, const struct vif_step *b);

/** Receives one action. A return < 0 stops. */
typedef int (*vif_plan_cb)(const struct vif_action *a, void *arg);
/** The actions that lead from @p old to @p new: first what is in old only,
 *  reversed, then what is in new only, in order.
 *  @return 0; the callback's error */
int vif_plan_diff(const struct vif_steps *old, const struct vif_steps *new,
                  vif_plan_cb cb, void *arg);

/** Is a step in the list (by value)? */
bool vif_plan_has(const struct vif_steps *steps, const struct vif_step *s);
/** Record that an action was carried out: adds or removes its step.
 *  @return 0; -ENOBUFS list full */
int vif_plan_record(struct vif_steps *steps, const struct vif_action *a);
/** The link is gone and has taken its own things along: only ALLOW steps
 *  remain in the list. */
void vif_plan_link_gone(struct vif_steps *steps);

/** The ALLOW steps of @p want replace those of @p steps, in front of what
 *  else was done: the sets were made anew. */
void vif_plan_take_allow(struct vif_steps *steps, const struct vif_steps *want);

/** Does a firewall status let its address through ("applied ...")? */
bool vif_plan_applied(struct text status);

#endif
