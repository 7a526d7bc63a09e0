/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tracked flows by ctnetlink. effect. See flows.h. */
#include "tests/property/flows.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/err.h"

struct list {
    struct flow_seen *v;
    size_t n, cap;
};

static uint16_t be16(const struct nlattr *a)
{
    return ntohs(mnl_attr_get_u16(a));
}

static int read_ip(const struct nlattr *a, void *arg)
{
    size_t len = mnl_attr_get_payload_len(a);
    const void *p = mnl_attr_get_payload(a);
    struct flow_seen *f = arg;

    switch (mnl_attr_get_type(a)) {
    case CTA_IP_V4_SRC:
    case CTA_IP_V6_SRC:
        memcpy(f->src.b, p, len);
        f->src.family = len == 4 ? AF_INET : AF_INET6;
        break;
    case CTA_IP_V4_DST:
    case CTA_IP_V6_DST:
        memcpy(f->dst.b, p, len);
        f->dst.family = len == 4 ? AF_INET : AF_INET6;
        break;
    default:
        break;
    }
    return MNL_CB_OK;
}

static int read_proto(const struct nlattr *a, void *arg)
{
    struct flow_seen *f = arg;

    switch (mnl_attr_get_type(a)) {
    case CTA_PROTO_NUM:
        f->l4proto = mnl_attr_get_u8(a);
        break;
    case CTA_PROTO_SRC_PORT:
    case CTA_PROTO_ICMP_ID:
    case CTA_PROTO_ICMPV6_ID:
        f->sport = be16(a);
        break;
    case CTA_PROTO_DST_PORT:
        f->dport = be16(a);
        break;
    case CTA_PROTO_ICMP_TYPE:
    case CTA_PROTO_ICMPV6_TYPE:
        f->icmp_type = mnl_attr_get_u8(a);
        break;
    default:
        break;
    }
    return MNL_CB_OK;
}

static int read_tuple(const struct nlattr *a, void *arg)
{
    if (mnl_attr_get_type(a) == CTA_TUPLE_IP)
        return mnl_attr_parse_nested(a, read_ip, arg);
    if (mnl_attr_get_type(a) == CTA_TUPLE_PROTO)
        return mnl_attr_parse_nested(a, read_proto, arg);
    return MNL_CB_OK;
}

static int read_flow(const struct nlattr *a, void *arg)
{
    if (mnl_attr_get_type(a) == CTA_TUPLE_ORIG)
        return mnl_attr_parse_nested(a, read_tuple, arg);
    return MNL_CB_OK;
}

static int each(const struct nlmsghdr *h, void *arg)
{
    struct flow_seen f = {0};
    struct list *l = arg;

    if (mnl_attr_parse(h, sizeof(struct nfgenmsg), read_flow, &f) < 0)
        abort();
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 256;
        l->v = reallocarray(l->v, l->cap, sizeof(*l->v));
        if (!l->v)
            abort();
    }
    l->v[l->n++] = f;
    return MNL_CB_OK;
}

int flows_read(struct nl *nl, struct flow_seen **ret)
{
    char buf[64];
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    struct nfgenmsg *g;
    struct list l = {0};
    int r;

    h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    h->nlmsg_seq = nl_next_seq(nl);
    g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
    *g = (struct nfgenmsg){.nfgen_family = AF_UNSPEC};
    r = nl_talk(nl, h, h->nlmsg_len, each, &l);
    if (r < 0) {
        free(l.v);
        return r;
    }
    *ret = l.v;
    return (int)l.n;
}
