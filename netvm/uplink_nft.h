/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NetVM's own nftables table, inet sysqube-uplink: closed input, forwarding
 * from clients to the uplink, masquerade where it leaves, and declared port
 * forwards the other way. pure (builds the batch; sending it is
 * nft_commit()). Fed by the checked list of forwards; the rest is the same in
 * every NetVM, whatever the uplink is called. Does not do anti-spoofing
 * (vifd's table does, before connection tracking). */
#ifndef SQ_NETVM_UPLINK_NFT_H
#define SQ_NETVM_UPLINK_NFT_H

#include "lib/nft.h"
#include "netvm/uplink_forward.h"

#define UPLINK_NFT_TABLE "sysqube-uplink"
#define UPLINK_DNS1 "10.139.1.1" /* spec: virtual DNS, IPv4 only */
#define UPLINK_DNS2 "10.139.1.2"
#define UPLINK_DNS6 "fd09:24ef:4179::a8b:101" /* ours, of the same plan */

/** Add the whole table to a batch made for UPLINK_NFT_TABLE: whatever the
 *  table held before is gone in the same transaction. Errors stay in the
 *  batch, see nft_error().
 *  @param l  forwards in the order of their keys: the first that fits a
 *            packet counts */
void uplink_nft_build(struct nft *b, const struct uplink_forwards *l);

/** Replaces what becomes of packets from clients to an uplink: all go, or
 *  those of IPv6 are rejected at once, as the uplink has none. The table as
 *  built knows of none. */
void uplink_nft_outward(struct nft *b, bool have_ipv6);

/** Replaces the forwards of a table that is there already, and nothing else. */
void uplink_nft_forwards(struct nft *b, const struct uplink_forwards *l);

#endif
