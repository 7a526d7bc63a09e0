/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of netvm/uplink_nft.c: the batch is whole and always the same. What
 * the rules do is shown against the kernel in tests/netns/40-netvm.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>

#include "lib/ipaddr.h"
#include "netvm/uplink_nft.h"

struct count {
    unsigned chains;
    unsigned rules;
    unsigned objects;
    unsigned begin;
    unsigned end;
};

static struct count count(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    struct count c = {0};

    while (len >= sizeof(struct nlmsghdr)) {
        struct nlmsghdr h;

        memcpy(&h, p, sizeof(h));
        assert_in_range(h.nlmsg_len, sizeof(h), len);
        size_t step = NLMSG_ALIGN(h.nlmsg_len);
        unsigned nft = (unsigned)NFNL_SUBSYS_NFTABLES << 8;

        c.begin += h.nlmsg_type == NFNL_MSG_BATCH_BEGIN;
        c.end += h.nlmsg_type == NFNL_MSG_BATCH_END;
        c.chains += h.nlmsg_type == (nft | NFT_MSG_NEWCHAIN);
        c.rules += h.nlmsg_type == (nft | NFT_MSG_NEWRULE);
        c.objects += h.nlmsg_type == (nft | NFT_MSG_NEWOBJ);
        p += step < len ? step : len;
        len -= step < len ? step : len;
    }
    return c;
}

static void test_batch(void **state)
{
    static const struct uplink_forwards none;
    struct nft *a = NULL;
    struct nft *b = NULL;
    size_t len_a;
    size_t len_b;

    (void)state;
    assert_int_equal(nft_new(UPLINK_NFT_TABLE, &a), 0);
    assert_int_equal(nft_new(UPLINK_NFT_TABLE, &b), 0);
    uplink_nft_build(a, &none);
    uplink_nft_build(b, &none);
    assert_int_equal(nft_error(a), 0);
    const void *bytes_a = nft_bytes(a, &len_a);
    const void *bytes_b = nft_bytes(b, &len_b);
    assert_int_equal(len_a, len_b);
    assert_true(len_a > 1000);
    assert_memory_equal(bytes_a, bytes_b, len_a);
    struct count c = count(bytes_a, len_a);
    assert_int_equal(c.chains, 7);
    assert_int_equal(c.objects, 2);
    assert_int_equal(c.rules, 30);
    nft_free(a);
    nft_free(b);
}

/* Without IPv6 one rule more, before the accept. */
static void test_outward(void **state)
{
    (void)state;
    for (unsigned have = 0; have < 2; have++) {
        struct nft *b = NULL;
        size_t len;

        assert_int_equal(nft_new(UPLINK_NFT_TABLE, &b), 0);
        uplink_nft_outward(b, have != 0);
        assert_int_equal(nft_error(b), 0);
        const void *bytes = nft_bytes(b, &len);
        assert_int_equal(count(bytes, len).rules, have ? 1 : 2);
        nft_free(b);
    }
}

/* A change of the forwards names their two chains only, and adds two rules
 * for each. */
static void test_forwards(void **state)
{
    static struct uplink_forwards l;
    struct nft *b = NULL;
    size_t len;

    (void)state;
    uplink_forwards_add(&l, text_of("0000"),
                        text_of("tcp 80 10.0.0.1 8080 192.0.2.0/24"));
    uplink_forwards_add(&l, text_of("0001"), text_of("udp 53 fd00::5 53"));
    assert_int_equal(l.n, 2);
    assert_int_equal(nft_new(UPLINK_NFT_TABLE, &b), 0);
    uplink_nft_forwards(b, &l);
    assert_int_equal(nft_error(b), 0);
    const void *bytes = nft_bytes(b, &len);
    struct count c = count(bytes, len);
    assert_int_equal(c.chains, 0);
    assert_int_equal(c.objects, 0);
    assert_int_equal(c.rules, 6);
    nft_free(b);
}

/* The constants that uplink_nft.c reads without looking at the result. */
static void test_constants(void **state)
{
    static const char *const texts[] = {UPLINK_DNS1, UPLINK_DNS2, UPLINK_DNS6,
                                        "fe80::/10"};
    struct ipnet n;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(ipnet_parse(text_of(texts[i]), &n), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_outward),
        cmocka_unit_test(test_forwards),
        cmocka_unit_test(test_constants),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
