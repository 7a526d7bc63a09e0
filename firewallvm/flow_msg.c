/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctnetlink messages. pure. Fed by the kernel. See flow_msg.h. */
#include "firewallvm/flow_msg.h"

#include <arpa/inet.h>
#include <assert.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/err.h"

/* Bit of CTA_FILTER_ORIG_FLAGS: compare the source address (the kernel
 * keeps these numbers in a header of its own). */
#define FILTER_IP_SRC 1u

static struct nlmsghdr *begin(void *buf, uint8_t type, uint16_t flags,
                              uint8_t family, uint32_t seq)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    struct nfgenmsg *g;

    h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
    h->nlmsg_flags = NLM_F_REQUEST | flags;
    h->nlmsg_seq = seq;
    g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
    g->nfgen_family = family;
    g->version = NFNETLINK_V0;
    g->res_id = 0;
    return h;
}

struct nlmsghdr *flow_msg_dump(void *buf, uint8_t family,
                               const struct ipaddr *src, uint32_t seq)
{
    struct nlmsghdr *h = begin(buf, IPCTNL_MSG_CT_GET, NLM_F_DUMP, family, seq);
    struct nlattr *outer, *inner;

    /* The kernel's filter takes IPv6 addresses that differ for equal ones
     * (seen with 6.18), so it is asked for IPv4 only. */
    if (!src || family != AF_INET)
        return h;
    outer = mnl_attr_nest_start(h, CTA_TUPLE_ORIG);
    inner = mnl_attr_nest_start(h, CTA_TUPLE_IP);
    mnl_attr_put(h, CTA_IP_V4_SRC, ipaddr_len(src), src->b);
    mnl_attr_nest_end(h, inner);
    mnl_attr_nest_end(h, outer);
    outer = mnl_attr_nest_start(h, CTA_FILTER);
    mnl_attr_put_u32(h, CTA_FILTER_ORIG_FLAGS, FILTER_IP_SRC);
    mnl_attr_nest_end(h, outer);
    return h;
}

struct nlmsghdr *flow_msg_count(void *buf, uint32_t seq)
{
    return begin(buf, IPCTNL_MSG_CT_GET_STATS, NLM_F_ACK, AF_UNSPEC, seq);
}

/* Attributes of one level by type; longest table is CTA_MAX. */
struct attrs {
    const struct nlattr *at[CTA_MAX + 1];
};

static int attr_cb(const struct nlattr *attr, void *arg)
{
    struct attrs *a = arg;
    uint16_t type = mnl_attr_get_type(attr);

    if (type <= CTA_MAX)
        a->at[type] = attr;
    return MNL_CB_OK;
}

static int parse_nested(const struct nlattr *attr, struct attrs *ret)
{
    *ret = (struct attrs){0};
    if (!attr || mnl_attr_parse_nested(attr, attr_cb, ret) < 0)
        return -EBADMSG;
    return 0;
}

static int get_bytes(const struct nlattr *attr, void *dst, size_t len)
{
    if (!attr || mnl_attr_get_payload_len(attr) != len)
        return -EBADMSG;
    memcpy(dst, mnl_attr_get_payload(attr), len);
    return 0;
}

static int get_addr(const struct attrs *ip, uint8_t family, uint16_t v4,
                    uint16_t v6, struct ipaddr *ret)
{
    struct ipaddr a = {.family = family};
    int r = get_bytes(ip->at[family == AF_INET ? v4 : v6], a.b,
                      family == AF_INET ? 4 : 16);

    if (r == 0)
        *ret = a;
    return r;
}

static int get_proto(const struct nlattr *attr, struct fw_packet *p)
{
    struct attrs a;
    uint16_t be;
    int r = parse_nested(attr, &a);

    if (r == 0)
        r = get_bytes(a.at[CTA_PROTO_NUM], &p->l4proto, 1);
    if (r < 0)
        return r;
    if (p->l4proto == IPPROTO_TCP || p->l4proto == IPPROTO_UDP) {
        r = get_bytes(a.at[CTA_PROTO_DST_PORT], &be, sizeof(be));
        if (r == 0)
            p->dport = ntohs(be);
    } else if (p->l4proto == IPPROTO_ICMP) {
        r = get_bytes(a.at[CTA_PROTO_ICMP_TYPE], &p->icmp_type, 1);
    } else if (p->l4proto == IPPROTO_ICMPV6) {
        r = get_bytes(a.at[CTA_PROTO_ICMPV6_TYPE], &p->icmp_type, 1);
    }
    return r;
}

static int get_tuple(const struct nlattr *attr, uint8_t family, struct flow *f)
{
    struct attrs tuple, ip;
    size_t len;
    int r = parse_nested(attr, &tuple);

    if (r == 0)
        r = parse_nested(tuple.at[CTA_TUPLE_IP], &ip);
    if (r == 0)
        r = get_addr(&ip, family, CTA_IP_V4_SRC, CTA_IP_V6_SRC, &f->src);
    if (r == 0)
        r = get_addr(&ip, family, CTA_IP_V4_DST, CTA_IP_V6_DST, &f->packet.dst);
    if (r == 0)
        r = get_proto(tuple.at[CTA_TUPLE_PROTO], &f->packet);
    if (r < 0)
        return r;
    len = mnl_attr_get_payload_len(attr);
    if (len > sizeof(f->tuple))
        return -EBADMSG;
    memcpy(f->tuple, mnl_attr_get_payload(attr), len);
    f->tuple_len = (uint16_t)len;
    return 0;
}

int flow_msg_parse_count(const struct nlmsghdr *h, uint32_t *ret)
{
    struct attrs top = {0};
    uint32_t be;

    static_assert(CTA_STATS_GLOBAL_MAX <= CTA_MAX, "one table size serves");
    if (h->nlmsg_type !=
            (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS) ||
        mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg) ||
        mnl_attr_parse(h, sizeof(struct nfgenmsg), attr_cb, &top) < 0 ||
        get_bytes(top.at[CTA_STATS_GLOBAL_ENTRIES], &be, sizeof(be)) < 0)
        return -EBADMSG;
    *ret = ntohl(be);
    return 0;
}

int flow_msg_parse(const struct nlmsghdr *h, struct flow *ret)
{
    const struct nfgenmsg *g;
    struct attrs top = {0};
    struct flow f = {0};
    int r;

    static_assert(CTA_TUPLE_MAX <= CTA_MAX && CTA_PROTO_MAX <= CTA_MAX &&
                      CTA_IP_MAX <= CTA_MAX,
                  "one table size serves every level");
    if (h->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
        mnl_nlmsg_get_payload_len(h) < sizeof(*g))
        return -EBADMSG;
    g = mnl_nlmsg_get_payload(h);
    if (g->nfgen_family != AF_INET && g->nfgen_family != AF_INET6)
        return -EBADMSG;
    if (mnl_attr_parse(h, sizeof(*g), attr_cb, &top) < 0)
        return -EBADMSG;
    r = get_tuple(top.at[CTA_TUPLE_ORIG], g->nfgen_family, &f);
    if (r == 0)
        r = get_bytes(top.at[CTA_ID], &f.id, sizeof(f.id));
    if (r == 0 && top.at[CTA_ZONE])
        r = get_bytes(top.at[CTA_ZONE], &f.zone, sizeof(f.zone));
    if (r == 0)
        *ret = f;
    return r;
}

struct nlmsghdr *flow_msg_delete(void *buf, const struct flow *flow,
                                 uint32_t seq, uint16_t flags)
{
    struct nlmsghdr *h =
        begin(buf, IPCTNL_MSG_CT_DELETE, flags, flow->src.family, seq);

    mnl_attr_put(h, CTA_TUPLE_ORIG | NLA_F_NESTED, flow->tuple_len,
                 flow->tuple);
    mnl_attr_put(h, CTA_ID, sizeof(flow->id), &flow->id);
    if (flow->zone != 0)
        mnl_attr_put(h, CTA_ZONE, sizeof(flow->zone), &flow->zone);
    return h;
}
