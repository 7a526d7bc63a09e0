/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table `inet sysqube-firewall` but for the lists of the sources. pure
 * (it appends to a batch of lib/nft.h; who commits it is monitor_kernel.c).
 * Fed by a state the monitor has checked. Layout and reasons:
 * docs/firewall-internals.md. */
#ifndef SQ_FIREWALLVM_TABLE_COMPILE_H
#define SQ_FIREWALLVM_TABLE_COMPILE_H

#include "firewallvm/fw_state.h"
#include "lib/nft.h"
#include "rules/fw_event.h"

#define FW_TABLE "sysqube-firewall"

/* Named counters of the table. */
#define FW_COUNT_INVALID "invalid"         /* no valid packet of a flow */
#define FW_COUNT_UPLINK "from-uplink"      /* new flow from outside */
#define FW_COUNT_TO_QUBE "to-qube"         /* qube to qube */
#define FW_COUNT_EXTHDR "extension-header" /* routing, repeated, unknown */
#define FW_COUNT_NO_LIST "no-list"         /* a source without a list */
#define FW_COUNT_LIMIT "over-limit"        /* more than a qube's share */
#define FW_COUNT_QUOTA "over-quota"        /* more than a qube's quota */

/* Maps and sets with an element for each source. Their plain names end with
 * the family: 4 or 6. */
#define FW_MAP_SOURCE "by_source" /* source -> its list, new flows */
#define FW_MAP_QUBE "qube"        /* a source as destination -> edges */
#define FW_MAP_KNOWN "known"      /* qube -> pass or metered, counts */
#define FW_SET_BLOCKED "blocked"  /* counts what was not let through */
#define FW_MAP_SHARE "share"      /* source -> its limits on new flows */
#define FW_SET_BANDWIDTH "bandwidth"
#define FW_SET_QUOTA "quota"
#define FW_SET_NAME_MAX 24

/* Where a list sends a packet that it blocks; what it accepts returns. */
#define FW_CHAIN_BLOCKED "blocked"
#define FW_CHAIN_REST "rest" /* no rule of the list: its policy blocks */
#define FW_CHAIN_TO_QUBE "to_qube" /* new flows from qube to qube */
/* Chains of the paths: what they allow returns, the rest is dropped. */
#define FW_CHAIN_INBOUND "inbound"
#define FW_CHAIN_EDGE "edge"

/* The prefix for nflog (fw_event.h), which is the reason but for "list":
 * then the packet's mark says which rule. The others are named as their
 * counters are, but for limit and quota, which are words of nft(8). */
#define FW_LOG_LIST "list"
#define FW_LOG_LIMIT "limit"
#define FW_LOG_QUOTA "quota"
#define FW_MARK_POLICY 0x10000u /* marks below are rule numbers */
#define FW_MARK_NAME 0x20000u   /* plus the number of the unresolved name */

/** Make sure nothing is forwarded before the first whole state: adds the
 *  table and its forward chain with policy drop, changes nothing if they
 *  are there. */
void compile_guard(struct nft *b);

/** The whole table anew, without sources and devices; the old one is gone
 *  in the same transaction. @param offload  the kernel has flowtables */
void compile_base(struct nft *b, const struct fw_state *st, bool offload);

/** Replace the resolver sets. */
void compile_dns(struct nft *b, const struct fw_dns *dns);

/** Replace the paths of one kind. */
void compile_paths(struct nft *b, enum fw_path_kind kind,
                   const struct fw_path *v, size_t n);

/** Devices join the flowtable or leave it; nothing else is touched.
 *  @param names  at most NFT_DEVICES_MAX, and a NULL */
void compile_devices(struct nft *b, const char *const *names, bool del);

/** The elements that each of @p n new sources has: the way to its list, its
 *  counters. Many together take few messages. */
void compile_elements(struct nft *b, const struct fw_source *v, size_t n);

/** The limits of a source.
 *  @param old  what is there, or NULL; equal limits keep their state */
void compile_share(struct nft *b, const struct fw_source *s,
                   const struct fw_source *old);
/** Its limits and the elements of compile_elements() go. */
void compile_share_del(struct nft *b, const struct fw_source *s);
/** The elements that its packets made, which may have gone by themselves:
 *  each is to be tried in a transaction of its own.
 *  @param i  0 to FW_TRACES - 1 */
#define FW_TRACES 3
void compile_trace_del(struct nft *b, const struct ipaddr *addr, unsigned i);

/** Name of a chain of one source: 'q' its list, 's' its limits:
 *  "q4-10.137.0.5", "s6-fd09__5". @return buf */
#define FW_CHAIN_MAX 64 /* with its NUL */
const char *compile_chain_name(char what, const struct ipaddr *addr,
                               char buf[FW_CHAIN_MAX]);

/** "known" and AF_INET6 to "known6". @return buf */
const char *compile_set_name(const char *plain, uint8_t family,
                             char buf[FW_SET_NAME_MAX]);

#endif
