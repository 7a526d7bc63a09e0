/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Table inet sysqube-vif: who may send from where. effect (nfnetlink through
 * lib/nft; building the batch is pure). Fed by vifd's plans. spec/network.md
 * "nftables structure", QSB-056. vifd owns the table: vif_nft_rebuild() makes
 * it anew in one batch, the rest are deltas.
 *
 *   set allowed4, allowed6   (iifname . saddr) of every connected vif
 *   set clients4, clients6   every client's address, running or not
 *   chain antispoof          prerouting, priority raw, so before conntrack:
 *     iifname vif*  -> goto vif
 *     iifname lo    -> accept
 *     saddr in clients -> counter uplink-spoofed, drop
 *   chain vif
 *     (iifname . saddr) in allowed -> accept
 *     ICMPv6 neighbour solicitation, advertisement from fe80::/10 -> accept
 *     other link-local, unspecified (what any host's stack sends) -> drop
 *     counter spoofed, drop */
#ifndef SQ_VIF_VIF_NFT_H
#define SQ_VIF_VIF_NFT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/ipaddr.h"
#include "lib/nft.h"

#define VIF_NFT_TABLE "sysqube-vif"

struct vif_nft;

/** @param ret  freed by vif_nft_free() (NULL is fine). @return 0; -errno */
int vif_nft_new(struct vif_nft **ret);
void vif_nft_free(struct vif_nft *n);

/** Begin a batch; the verbs below add to it, vif_nft_commit() sends it.
 *  @param whole  make the table anew (counters begin at 0)
 *  @return 0; -ENOMEM */
int vif_nft_begin(struct vif_nft *n, bool whole);
void vif_nft_allow(struct vif_nft *n, bool add, const char *ifname,
                   const struct ipaddr *a);
void vif_nft_client(struct vif_nft *n, bool add, const struct ipaddr *a);
/** @return 0; -errno, and nothing of the batch has happened. An empty batch
 *  is not sent. */
int vif_nft_commit(struct vif_nft *n);

/** Packets dropped for a forged source, from vifs and from elsewhere.
 *  @return 0; -errno */
int vif_nft_spoofed(struct vif_nft *n, uint64_t *ret_packets);

#endif
