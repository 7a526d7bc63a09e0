/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a list becomes kernel rules and sets: runs of rules with one verdict,
 * and within a run the rules of one shape, which one lookup can stand for.
 * pure. Fed by rules the monitor has checked. Source: spec/measurements.md,
 * Structure for O(1) dispatch. Decides nothing about meaning: rules of one
 * verdict may be asked in any order, rules of different ones that a packet can
 * match both keep theirs. */
#ifndef SQ_FIREWALLVM_RULE_GROUP_H
#define SQ_FIREWALLVM_RULE_GROUP_H

#include <stddef.h>
#include <stdint.h>

#include "rules/rule.h"

/* So many rules of one shape are worth a set; fewer are faster as rules. The
 * kernel finds sets by walking all of a table, so a long list must not make
 * many small ones. */
#define FW_SET_MIN 3
#define FW_SET_MIN_LONG 8
#define FW_LIST_LONG 100 /* rules */

/** What a rule is about, as the key of a set. */
enum fw_shape {
    FW_SHAPE_RULE = 0,   /* no set: one kernel rule each */
    FW_SHAPE_HOST_PORT,  /* hash: destination . protocol . port */
    FW_SHAPE_HOST_PROTO, /* hash: destination . protocol */
    FW_SHAPE_HOST_ICMP,  /* hash: destination . ICMP type */
    FW_SHAPE_HOST,       /* hash: destination */
    FW_SHAPE_PORT,       /* hash: protocol . port */
    FW_SHAPE_NET,        /* intervals of destinations */
    FW_SHAPE_TCP_RANGE,  /* intervals of TCP ports */
    FW_SHAPE_UDP_RANGE,  /* intervals of UDP ports */
    FW_SHAPE_BOX,        /* intervals: destination . protocol . port */
    FW_SHAPES,
};

/** One kernel rule, or one element of a set. */
struct fw_entry {
    uint16_t rule;   /* index in the list */
    uint8_t l4proto; /* 0: any */
    uint8_t shape;   /* enum fw_shape */
};

/** Entries that follow one another and have one verdict: each a kernel
 *  rule, or all together one set. */
struct fw_group {
    enum fw_shape shape;
    enum fw_action action;
    size_t first; /* of fw_plan.entries */
    size_t n;
};

struct fw_plan {
    struct fw_entry *entries; /* owned, as groups */
    struct fw_group *groups;
    size_t n_groups;
    size_t n_sets; /* groups that are sets */
};

/** Plan a list. Rules whose name stands for nothing are left out.
 *  @param family  of the source
 *  @param v       @p n rules in order, n up to FW_RULES_MAX
 *  @param ret     freed by fw_plan_free(); written on success only
 *  @return 0; -ENOMEM */
int fw_plan_make(uint8_t family, const struct fw_match *v, size_t n,
                 struct fw_plan *ret);
void fw_plan_free(struct fw_plan *p);

/** First and last port an entry means; 0 to 65535 when it has none. */
void fw_match_ports(const struct fw_match *m, uint16_t *ret_first,
                    uint16_t *ret_last);

#endif
