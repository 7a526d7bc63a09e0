/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules to keys. pure. See rule_lower.h. */
#include "rules/rule_lower.h"

#include <sys/socket.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "rules/rule_format.h"

#define NONE (-1)

static const struct {
    const char *name;
    int type4, type6;
} ICMP[] = {
    {"echo-request", 8, 128},
    {"echo-reply", 0, 129},
    {"destination-unreachable", 3, 1},
    {"packet-too-big", NONE, 2},
    {"time-exceeded", 11, 3},
    {"parameter-problem", 12, 4},
    {"redirect", 5, 137},
    {"router-solicitation", 10, 133},
    {"router-advertisement", 9, 134},
    {"neighbour-solicitation", NONE, 135},
    {"neighbour-advertisement", NONE, 136},
    {"timestamp-request", 13, NONE},
    {"timestamp-reply", 14, NONE},
};

unsigned rule_icmp_find(struct text name)
{
    unsigned i;

    for (i = 0; i < ARRAY_LEN(ICMP); i++)
        if (text_eq(name, ICMP[i].name))
            return i + 1;
    return 0;
}

const char *rule_icmp_text(unsigned name)
{
    return ICMP[name - 1].name;
}

int rule_icmp_type(unsigned name, unsigned family)
{
    int type = family == AF_INET6 ? ICMP[name - 1].type6 : ICMP[name - 1].type4;

    return type == NONE ? -ENOENT : type;
}

unsigned rule_span(const struct fw_rule *rule)
{
    return 1u + rule->n_more;
}

int rule_lower(const struct fw_rule *rule, unsigned family, unsigned i,
               struct fw_rule *ret)
{
    struct fw_rule out = *rule;
    int type;

    if (!rule_fits_family(rule, family))
        return -ENOENT;
    if (rule->icmp_name) {
        type = rule_icmp_type(rule->icmp_name, family);
        if (type < 0)
            return type;
        out.m.icmptype = (uint8_t)type;
        out.icmp_name = 0;
    }
    if (i > 0) {
        out.m.port_first = rule->more[i - 1].first;
        out.m.port_last = rule->more[i - 1].last;
    }
    out.n_more = 0;
    for (i = 0; i < FW_PORTS_MAX - 1; i++)
        out.more[i] = (struct fw_ports){0};
    *ret = out;
    return 0;
}
