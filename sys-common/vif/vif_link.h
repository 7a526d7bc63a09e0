/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links, addresses, neighbours, routes and the sysctls of a link. effect
 * (libnl-route-3, /proc/sys/net). Fed by our own plans; the kernel's answers
 * are parsed by libnl. Everything it needs is opened by vif_link_new(), so
 * it works in a chroot with CAP_NET_ADMIN alone. Knows no policy. */
#ifndef SQ_VIF_VIF_LINK_H
#define SQ_VIF_VIF_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/ipaddr.h"

#define VIF_IFNAME_MAX 16 /* IFNAMSIZ, NUL included */

struct vif_link;

struct vif_link_info {
    int ifindex;
    char name[VIF_IFNAME_MAX];
    bool up; /* administratively */
    bool loopback;
    bool ethernet;
    uint8_t mac[6];
};

/** Open the request and event sockets and /proc/sys/net.
 *  @param ret  freed by vif_link_free() (NULL is fine)
 *  @return 0; -errno */
int vif_link_new(struct vif_link **ret);
void vif_link_free(struct vif_link *l);

/** Readable when links may have changed: call vif_link_drain(), then
 *  vif_link_list(). Events are a hint only; the list is the truth. */
int vif_link_fd(const struct vif_link *l);
void vif_link_drain(struct vif_link *l);

/** @p info is borrowed for the call. A return < 0 ends the listing. */
typedef int (*vif_link_cb)(const struct vif_link_info *info, void *arg);
/** All links of this namespace. @return 0; -errno; the callback's error */
int vif_link_list(struct vif_link *l, vif_link_cb cb, void *arg);

/* The verbs below are idempotent: what is already so, or already gone
 * (also because its link is gone, when taking away), is success. All
 * return 0 or -errno (-ENODEV: no such link). */

int vif_link_set_up(struct vif_link *l, int ifindex, bool up);
/** Set the link's own MAC address. A change makes the kernel forget all of
 *  the link's neighbours, the permanent ones as well. */
int vif_link_set_mac(struct vif_link *l, int ifindex, const uint8_t mac[6]);
/** @p addr as /32 or /128, without duplicate detection and prefix route. */
int vif_link_addr(struct vif_link *l, bool add, int ifindex,
                  const struct ipaddr *addr);
/** A permanent neighbour entry (@p mac may be NULL to take it away). */
int vif_link_neigh(struct vif_link *l, bool add, int ifindex,
                   const struct ipaddr *addr, const uint8_t *mac);
/** A route of the main table by this link.
 *  @param via  gateway of the same family, NULL for an on-link route
 *  An existing route to the same @p dst is replaced. */
int vif_link_route(struct vif_link *l, bool add, int ifindex,
                   const struct ipnet *dst, const struct ipaddr *via);

/** Write /proc/sys/net/@p path. @return 0; -ENOENT no such switch in this
 *  kernel; -errno */
int vif_link_sysctl(struct vif_link *l, const char *value, const char *path,
                    ...) __attribute__((format(printf, 3, 4)));

enum vif_link_kind { VIF_LINK_ADDR, VIF_LINK_ROUTE, VIF_LINK_NEIGH };

/** Is this one wanted? (@p net->prefix is full but for routes) */
typedef bool (*vif_link_keep_cb)(enum vif_link_kind kind,
                                 const struct ipnet *net, void *arg);
/** Take away every address, every static route and every permanent
 *  neighbour of a link that @p keep (NULL: none) does not want: what an
 *  earlier life of the daemon left. Link-local addresses and what the
 *  kernel made itself stay. @return 0; -errno of the first failure */
int vif_link_prune(struct vif_link *l, int ifindex, vif_link_keep_cb keep,
                   void *arg);

#endif
