/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The uplink's interface in the kernel: finding it, hearing of its coming
 * and going, giving it the static settings. effect (route netlink by
 * libnl-route-3). Fed by the kernel and by dom0's checked settings. Touches
 * neither vifs nor what dhcpcd configures. */
#ifndef SQ_NETVM_UPLINK_LINK_H
#define SQ_NETVM_UPLINK_LINK_H

#include "netvm/uplink_conf.h"
#include "netvm/uplink_name.h"

struct uplink_link;

/** Open both sockets (requests; events of links).
 *  @param ret  freed by uplink_link_free()
 *  @return 0; -errno */
int uplink_link_new(struct uplink_link **ret);
void uplink_link_free(struct uplink_link *l);

/** Descriptor to watch for reading: links came, went or changed. */
int uplink_link_fd(const struct uplink_link *l);
/** Read the waiting events away; the caller then looks again.
 *  @return 0; -errno of the socket */
int uplink_link_drain(struct uplink_link *l);

/** The uplink: the Ethernet interface of lowest index that is neither lo
 *  nor vif* and has a hardware address.
 *  @return 0; -ENODEV there is none; -errno */
int uplink_link_find(struct uplink_link *l, char ret_name[UPLINK_NAME_MAX]);

/** Put @p addr with full prefix length on lo (there already is fine).
 *  @return 0; -errno */
int uplink_link_add_lo(struct uplink_link *l, const struct ipaddr *addr);

/** Make @p ifname carry exactly the static settings of @p c: up, addresses,
 *  default routes; other global addresses and our other default routes are
 *  removed. Settings without address take all away.
 *  @return 0; -ENODEV the interface is gone; -errno, *ret_step says at what */
int uplink_link_apply(struct uplink_link *l, const char *ifname,
                      const struct uplink_conf *c, const char **ret_step);

#endif
