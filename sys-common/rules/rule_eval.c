/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a rule list says about one packet. pure. Fed by checked rules and
 * packet facts. Source: spec/firewall-rules.md, Matching semantics. */
#include "rules/rule_eval.h"

#include <netinet/in.h>

static bool is_l4(const struct fw_packet *p, enum fw_proto proto)
{
    switch (proto) {
    case FW_PROTO_TCP:
        return p->l4proto == IPPROTO_TCP;
    case FW_PROTO_UDP:
        return p->l4proto == IPPROTO_UDP;
    case FW_PROTO_ICMP:
        return p->l4proto ==
               (p->dst.family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    case FW_PROTO_ANY:
        break;
    }
    return true;
}

static bool is_resolver(const struct fw_dns *dns, const struct ipaddr *a)
{
    unsigned i;

    for (i = 0; i < dns->n; i++)
        if (ipaddr_eq(&dns->addr[i], a))
            return true;
    return false;
}

static bool is_unknown(const struct fw_match *m, const struct fw_names *names)
{
    return m->dst_kind == FW_DST_NAME && (m->name_set == 0 || !names);
}

bool rule_matches_names(const struct fw_match *m, const struct fw_dns *dns,
                        const struct fw_names *names, const struct fw_packet *p)
{
    bool has_port = p->l4proto == IPPROTO_TCP || p->l4proto == IPPROTO_UDP;

    if (is_unknown(m, names))
        return false;
    if (m->dst_kind == FW_DST_NAME &&
        !names->has(names->arg, m->name_set, &p->dst))
        return false;
    if (m->dst_kind == FW_DST_NET && !ipnet_has(&m->dst, &p->dst))
        return false;
    if (!is_l4(p, m->proto))
        return false;
    if (m->dns &&
        (!has_port || p->dport != FW_DNS_PORT || !is_resolver(dns, &p->dst)))
        return false;
    if (m->has_ports &&
        (!has_port || p->dport < m->port_first || p->dport > m->port_last))
        return false;
    return !m->has_icmptype || p->icmp_type == m->icmptype;
}

bool rule_matches(const struct fw_match *m, const struct fw_dns *dns,
                  const struct fw_packet *p)
{
    return rule_matches_names(m, dns, NULL, p);
}

enum fw_action rule_eval_names(const struct fw_match *v, size_t n,
                               enum fw_action policy, const struct fw_dns *dns,
                               const struct fw_names *names,
                               const struct fw_packet *p, size_t *ret_index)
{
    enum fw_action verdict = policy;
    size_t i;

    for (i = 0; i < n; i++) {
        bool shut = is_unknown(&v[i], names) && v[i].action == FW_DROP;

        if (shut || rule_matches_names(&v[i], dns, names, p)) {
            verdict = v[i].action;
            break;
        }
    }
    if (ret_index)
        *ret_index = i;
    return verdict;
}

enum fw_action rule_eval(const struct fw_match *v, size_t n,
                         enum fw_action policy, const struct fw_dns *dns,
                         const struct fw_packet *p, size_t *ret_index)
{
    return rule_eval_names(v, n, policy, dns, NULL, p, ret_index);
}
