/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What vif_link.c and vif_prune.c share; nobody else includes it. */
#ifndef SQ_VIF_VIF_LINK_IMPL_H
#define SQ_VIF_VIF_LINK_IMPL_H

struct nl_sock;

struct vif_link {
    struct nl_sock *req;
    struct nl_sock *events;
    int sys_net; /* O_PATH of /proc/sys/net: outlives the chroot */
};

/** libnl's error number (either sign) to 0 or -errno. */
int vif_link_error(int nle);

#endif
