/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One firewall rule as a value, and the limits of the rule language. pure.
 * Shared by dom0 and the firewall VM (spec/firewall-rules.md, Rule grammar).
 * Filled by rule_parse.h, written by rule_format.h, judged by rule_eval.h. */
#ifndef SQ_RULES_RULE_H
#define SQ_RULES_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/ipaddr.h"

#define FW_RULES_MAX 4096  /* rules in one list */
#define FW_NUMBER_MAX 9999 /* highest NNNN of /qubes-firewall/<ip>/NNNN */
#define FW_NAME_MAX 254    /* 253 characters of a DNS name and a NUL */
#define FW_COMMENT_MAX 256 /* with its NUL */
#define FW_DNS_MAX 3       /* resolvers behind specialtarget=dns */
#define FW_DNS_PORT 53
#define FW_EXPIRE_MAX 99999999999u /* seconds since 1970 */
/* Longest canonical text: every key with its longest value, and a NUL. */
#define FW_TEXT_MAX 896
#define FW_PORTS_MAX 16 /* ranges of one rule's dstports */

/* What else dom0 and its VMs agree on: shares of a qube, declared paths. */
#define FW_FLOWS_MAX 1000000
#define FW_RATE_MAX 1000000
#define FW_BANDWIDTH_MAX 4000000000u /* the kernel's bucket is 32 bits */
#define FW_QUOTA_MAX 1000000000000000ull
#define FW_PATHS_MAX 1024 /* records of one tree of paths or forwards */

enum fw_action {
    FW_ACCEPT = 1,
    FW_DROP = 2, /* answered with ICMP administratively prohibited */
};

enum fw_dst {
    FW_DST_ANY = 0,
    FW_DST_NET = 1,  /* fw_match.dst; its family binds the rule to it */
    FW_DST_NAME = 2, /* fw_rule.name, perhaps "*." and a name */
};

enum fw_proto {
    FW_PROTO_ANY = 0,
    FW_PROTO_TCP = 1,
    FW_PROTO_UDP = 2,
    FW_PROTO_ICMP = 3, /* ICMPv6 for an IPv6 source */
};

/** What a rule does and which packets it means. Ports without a protocol
 *  mean TCP and UDP; so does `dns`, which is port 53 of the resolvers. */
struct fw_match {
    enum fw_action action;
    enum fw_dst dst_kind;
    enum fw_proto proto;
    bool dns; /* specialtarget=dns */
    bool has_ports;
    bool has_icmptype; /* only with FW_PROTO_ICMP */
    uint8_t icmptype;  /* the same number for both families */
    uint16_t name_set; /* FW_DST_NAME: whose addresses (a handle of the VM's
                        * names); 0: the name stands for nothing known */
    uint16_t port_first;
    uint16_t port_last; /* inclusive */
    struct ipnet dst;   /* host bits as given; zero unless FW_DST_NET */
};

struct fw_ports {
    uint16_t first;
    uint16_t last; /* inclusive */
};

/** A whole rule; holds no pointers, so it is copied by assignment. Unused
 *  fields are zero, so two equal rules are equal bytes but for padding
 *  (compare with rule_eq()). What the kernel's side knows is `m` alone: a
 *  rule with `more` ports or an ICMP name becomes such rules by
 *  rule_lower(). */
struct fw_rule {
    struct fw_match m;
    uint8_t n_more; /* port ranges behind that of `m`, ascending, apart */
    struct fw_ports more[FW_PORTS_MAX - 1];
    uint8_t icmp_name; /* rule_icmp_text(); 0: m.icmptype is meant */
    bool has_expire;
    uint64_t expire; /* seconds since 1970: the rule ends then */
    char name[FW_NAME_MAX];
    char comment[FW_COMMENT_MAX]; /* dom0 only; "" for none */
};

#endif
