/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of firewallvm/flow_msg.c: a flow as the kernel tells it, field by
 * field wrong, and the request to delete it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

#include "firewallvm/flow_msg.h"
#include "lib/err.h"
#include "lib/mem.h"

struct spec {
    uint8_t family;
    uint8_t proto;
    unsigned port_len, src_len, id_len;
    uint16_t type; /* of the netlink message */
    bool no_tuple, no_ip, no_proto;
};

static struct nlmsghdr *make(uint8_t *buf, const struct spec *s)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    bool v4 = s->family == AF_INET;
    static const uint8_t src[16] = {10, 137, 0, 5}, dst[16] = {1, 2, 3, 4},
                         number[8] = {1, 187};
    struct nfgenmsg *g;
    struct nlattr *outer, *inner;

    h->nlmsg_type = s->type;
    g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
    g->nfgen_family = s->family;
    if (!s->no_tuple) {
        outer = mnl_attr_nest_start(h, CTA_TUPLE_ORIG);
        if (!s->no_ip) {
            inner = mnl_attr_nest_start(h, CTA_TUPLE_IP);
            mnl_attr_put(h, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, s->src_len,
                         src);
            mnl_attr_put(h, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, s->src_len,
                         dst);
            mnl_attr_nest_end(h, inner);
        }
        if (!s->no_proto) {
            inner = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
            mnl_attr_put(h, CTA_PROTO_NUM, 1, &s->proto);
            if (s->proto == IPPROTO_ICMP)
                mnl_attr_put(h, CTA_PROTO_ICMP_TYPE, s->port_len, number);
            else if (s->proto == IPPROTO_ICMPV6)
                mnl_attr_put(h, CTA_PROTO_ICMPV6_TYPE, s->port_len, number);
            else
                mnl_attr_put(h, CTA_PROTO_DST_PORT, s->port_len, number);
            mnl_attr_nest_end(h, inner);
        }
        mnl_attr_nest_end(h, outer);
    }
    mnl_attr_put(h, CTA_ID, s->id_len, number);
    return h;
}

#define CT_NEW (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW)

static const struct {
    const char *name;
    struct spec s;
    int want;
} ROWS[] = {
    {"tcp", {AF_INET, IPPROTO_TCP, 2, 4, 4, CT_NEW, 0, 0, 0}, 0},
    {"udp", {AF_INET, IPPROTO_UDP, 2, 4, 4, CT_NEW, 0, 0, 0}, 0},
    {"icmp", {AF_INET, IPPROTO_ICMP, 1, 4, 4, CT_NEW, 0, 0, 0}, 0},
    {"gre", {AF_INET, IPPROTO_GRE, 2, 4, 4, CT_NEW, 0, 0, 0}, 0},
    {"tcp6", {AF_INET6, IPPROTO_TCP, 2, 16, 4, CT_NEW, 0, 0, 0}, 0},
    {"icmp6", {AF_INET6, IPPROTO_ICMPV6, 1, 16, 4, CT_NEW, 0, 0, 0}, 0},
    {"family", {AF_UNIX, IPPROTO_TCP, 2, 4, 4, CT_NEW, 0, 0, 0}, -EBADMSG},
    {"type", {AF_INET, IPPROTO_TCP, 2, 4, 4, 2, 0, 0, 0}, -EBADMSG},
    {"port of 1", {AF_INET, IPPROTO_TCP, 1, 4, 4, CT_NEW, 0, 0, 0}, -EBADMSG},
    {"port of 4", {AF_INET, IPPROTO_UDP, 4, 4, 4, CT_NEW, 0, 0, 0}, -EBADMSG},
    {"icmp of 2", {AF_INET, IPPROTO_ICMP, 2, 4, 4, CT_NEW, 0, 0, 0}, -EBADMSG},
    {"address of 3",
     {AF_INET, IPPROTO_TCP, 2, 3, 4, CT_NEW, 0, 0, 0},
     -EBADMSG},
    {"address of 4 in v6",
     {AF_INET6, IPPROTO_TCP, 2, 4, 4, CT_NEW, 0, 0, 0},
     -EBADMSG},
    {"id of 2", {AF_INET, IPPROTO_TCP, 2, 4, 2, CT_NEW, 0, 0, 0}, -EBADMSG},
    {"no tuple", {AF_INET, IPPROTO_TCP, 2, 4, 4, CT_NEW, 1, 0, 0}, -EBADMSG},
    {"no address", {AF_INET, IPPROTO_TCP, 2, 4, 4, CT_NEW, 0, 1, 0}, -EBADMSG},
    {"no protocol", {AF_INET, IPPROTO_TCP, 2, 4, 4, CT_NEW, 0, 0, 1}, -EBADMSG},
};

static void test_parse(void **state)
{
    uint8_t buf[512] __attribute__((aligned(8)));
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct flow f = {.id = 77};
        int r;

        memset(buf, 0, sizeof(buf));
        r = flow_msg_parse(make(buf, &ROWS[i].s), &f);
        if (r != ROWS[i].want)
            fail_msg("%s: %d", ROWS[i].name, r);
        if (r < 0) {
            assert_int_equal(f.id, 77);
            continue;
        }
        assert_int_equal(f.src.family, ROWS[i].s.family);
        assert_int_equal(f.src.b[1], 137);
        assert_int_equal(f.packet.dst.b[3], 4);
        assert_int_equal(f.packet.l4proto, ROWS[i].s.proto);
        if (ROWS[i].s.proto == IPPROTO_TCP)
            assert_int_equal(f.packet.dport, 443);
        if (ROWS[i].s.port_len == 1)
            assert_int_equal(f.packet.icmp_type, 1);
    }
}

/* What is deleted is what was read: the tuple comes back byte for byte. */
static void test_delete(void **state)
{
    uint8_t in[512] __attribute__((aligned(8))) = {0};
    uint8_t out[FLOW_MSG_MAX] __attribute__((aligned(8))) = {0};
    const struct nlattr *attr;
    struct nlmsghdr *h;
    unsigned seen = 0;
    struct flow f;

    (void)state;
    assert_int_equal(flow_msg_parse(make(in, &ROWS[4].s), &f), 0);
    h = flow_msg_delete(out, &f, 9, NLM_F_ACK);
    assert_int_equal(h->nlmsg_type,
                     NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE);
    assert_int_equal(h->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
    assert_int_equal(h->nlmsg_seq, 9);
    assert_true(h->nlmsg_len <= sizeof(out));
    for (attr = mnl_nlmsg_get_payload_offset(h, sizeof(struct nfgenmsg));
         mnl_attr_ok(attr, (int)((uint8_t *)mnl_nlmsg_get_payload_tail(h) -
                                 (const uint8_t *)attr));
         attr = mnl_attr_next(attr)) {
        if (mnl_attr_get_type(attr) == CTA_TUPLE_ORIG) {
            assert_int_equal(mnl_attr_get_payload_len(attr), f.tuple_len);
            assert_memory_equal(mnl_attr_get_payload(attr), f.tuple,
                                f.tuple_len);
            seen |= 1;
        } else if (mnl_attr_get_type(attr) == CTA_ID) {
            assert_memory_equal(mnl_attr_get_payload(attr), &f.id, 4);
            seen |= 2;
        } else {
            seen |= 4;
        }
    }
    assert_int_equal(seen, 3);
}

/* Only IPv4 sources are filtered by the kernel. */
static void test_dump(void **state)
{
    uint8_t buf[FLOW_MSG_MAX] __attribute__((aligned(8)));
    struct ipaddr v4 = {AF_INET, {10, 0, 0, 1}}, v6 = {AF_INET6, {0xfd}};
    uint32_t plain;

    (void)state;
    plain = flow_msg_dump(buf, AF_INET, NULL, 1)->nlmsg_len;
    assert_int_equal(plain, mnl_nlmsg_size(sizeof(struct nfgenmsg)));
    assert_true(flow_msg_dump(buf, AF_INET, &v4, 1)->nlmsg_len > plain);
    assert_int_equal(flow_msg_dump(buf, AF_INET6, &v6, 1)->nlmsg_len, plain);
    assert_true(flow_msg_dump(buf, AF_INET, &v4, 1)->nlmsg_flags & NLM_F_DUMP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_dump),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
