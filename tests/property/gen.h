/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random rule lists and packets for the firewall's property test. pure: the
 * same seed gives the same lists and packets. Rules and packets are drawn
 * from one small world of addresses and ports, at and beside the borders of
 * rules, so that most packets meet a rule. */
#ifndef SQ_TEST_GEN_H
#define SQ_TEST_GEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/rule.h"
#include "rules/rule_eval.h"

#define GEN_EXTS_MAX 3

struct prng {
    uint64_t s;
};

/** 0..n-1. @param n  at least 1 */
uint32_t prng_below(struct prng *p, uint32_t n);
/** True in @p percent of 100 cases. */
bool prng_chance(struct prng *p, uint32_t percent);

struct gen_list {
    enum fw_action policy;
    size_t n;
    struct fw_rule v[FW_RULES_MAX];
};

/** A new list for a source of @p family: mostly up to 40 rules, some of
 *  hundreds, one in @p big_every of up to FW_RULES_MAX (0: none). */
void gen_list(struct prng *p, uint8_t family, unsigned big_every,
              struct gen_list *ret);
/** A few rules inserted, taken out, altered or moved. */
void gen_change(struct prng *p, uint8_t family, struct gen_list *l);
/** Up to FW_DNS_MAX resolvers, of both families. */
void gen_dns(struct prng *p, struct fw_dns *ret);

enum gen_shape {
    GEN_PLAIN,
    GEN_OPTIONS,   /* IPv4 header with options */
    GEN_FRAGMENTS, /* in two or three pieces */
};

/** A packet as a qube sends it. */
struct gen_packet {
    struct ipaddr src;
    struct fw_packet facts; /* as the evaluator sees it */
    uint16_t sport;         /* TCP, UDP; identifier of ICMP */
    bool tcp_ack;           /* in the middle of a connection */
    enum gen_shape shape;
    unsigned n_exts; /* IPv6 only, in order */
    uint8_t exts[GEN_EXTS_MAX];
};

/** A packet that a list of rules may mean.
 *  @param l  draw from its borders; NULL: anything
 *  @param src    of the packet
 *  @param sport  of the packet */
void gen_packet(struct prng *p, const struct gen_list *l,
                const struct fw_dns *dns, const struct ipaddr *src,
                uint16_t sport, struct gen_packet *ret);

/** May the kernel track the packet as the first of a flow? ICMP errors and
 *  answers are not sent by gen_packet(); neighbour discovery is, untracked. */
bool gen_is_tracked(const struct gen_packet *k);
/** Is it one that no list can let pass: extension headers that are routing,
 *  unknown or repeated ones, or ICMP of the other family, which the kernel's
 *  flow tracking calls invalid? */
bool gen_is_odd(const struct gen_packet *k);

/** "2001:db8::1 udp 53 from 4711 exts 0 60 fragments". @return buf */
const char *gen_packet_text(const struct gen_packet *k, char *buf, size_t cap);

#endif
