/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of firewallvm/log_packet.c and log_record.c: nflog messages to what
 * was blocked, with packets whole, cut and odd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <stdio.h>
#include <string.h>

#include "firewallvm/log_packet.h"
#include "firewallvm/log_record.h"
#include "lib/err.h"
#include "lib/mem.h"

/* ---- packets, as hexadecimal ---- */

#define V4 "450000140000000040"
#define V4_OPTIONS "460000180000000040"
#define V4_FRAGMENT "450000140000000540"
#define ADDR4 "0a890007c6336401" /* 10.137.0.7 -> 198.51.100.1 */
#define V6 "600000000000"
#define ADDR6                                                                  \
    "fd0924ef4179000000000000a8900007"                                         \
    "20010db8000000000000000000000001"

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = 0;

    for (; hex[0] && hex[1]; hex += 2) {
        unsigned v;

        assert_int_equal(sscanf(hex, "%2x", &v), 1);
        out[n++] = (uint8_t)v;
    }
    return n;
}

/* "PROTO PORT" of a packet, "bad" when it is refused. */
static const char *read_ip(const uint8_t *p, size_t len, char buf[32])
{
    struct fw_event e = {.reason = FW_REASON_POLICY};

    if (log_packet_ip(p, len, &e))
        return "bad";
    assert_int_equal(fw_event_check(&e), 0);
    if (e.has_port)
        snprintf(buf, 32, "%u %u", e.l4proto, e.port);
    else
        snprintf(buf, 32, "%u -", e.l4proto);
    return buf;
}

static void test_ip(void **state)
{
    static const struct {
        const char *hex, *want;
    } t[] = {
        {V4 "060000" ADDR4 "303901bb", "6 443"},
        {V4 "110000" ADDR4 "30390035", "17 53"},
        {V4 "010000" ADDR4 "08", "1 8"},
        {V4 "3a0000" ADDR4 "80", "58 -"}, /* ICMPv6 in IPv4 is none */
        {V4 "840000" ADDR4 "303901bb", "132 -"},
        {V4 "060000" ADDR4 "303901", "6 -"},
        {V4 "060000" ADDR4, "6 -"},
        {V4_OPTIONS "060000" ADDR4 "01010101303901bb", "6 443"},
        {V4_OPTIONS "060000" ADDR4 "0101", "6 -"},
        {V4_FRAGMENT "060000" ADDR4 "303901bb", "6 -"},
        {V6 "0640" ADDR6 "303901bb", "6 443"},
        {V6 "3a40" ADDR6 "80", "58 128"},
        {V6 "0140" ADDR6 "08", "1 -"},
        /* destination options, then UDP */
        {V6 "3c40" ADDR6 "1100000000000000"
            "30390035",
         "17 53"},
        /* first fragment, then a later one */
        {V6 "2c40" ADDR6 "1100000100000000"
            "30390035",
         "17 53"},
        {V6 "2c40" ADDR6 "1100000900000000"
            "30390035",
         "17 -"},
        /* routing header of 24 bytes */
        {V6 "2b40" ADDR6 "060200000000000000000000000000000000000000000000"
            "303901bb",
         "6 443"},
        /* an extension header that says more than there is */
        {V6 "3c40" ADDR6 "11ff000000000000"
            "30390035",
         "60 -"},
        {V6 "3c40" ADDR6 "11", "60 -"},
        {V6 "3b40" ADDR6, "59 -"},
        {V4 "0600", "bad"},
        {"4400001400000000400600000a890007c6336401", "bad"},
        {V6 "0640"
            "fd09",
         "bad"},
        {"5500", "bad"},
        {"", "bad"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        uint8_t p[256];
        char buf[32];
        const char *got = read_ip(p, unhex(t[i].hex, p), buf);

        if (strcmp(got, t[i].want))
            fail_msg("%s: %s, expected %s", t[i].hex, got, t[i].want);
    }
}

/* A chain of headers without an end is not followed for ever. */
static void test_long_chain(void **state)
{
    uint8_t p[40 + 8 * 40] = {0x60, 0, 0, 0, 0, 0, 60, 64};
    char buf[32];

    (void)state;
    for (size_t i = 40; i < sizeof(p); i += 8)
        p[i] = 60;
    assert_string_equal(read_ip(p, sizeof(p), buf), "60 -");
}

/* ---- messages ---- */

static struct nlmsghdr *message(uint8_t *buf, const char *prefix, uint32_t mark,
                                const char *hex)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    struct nfgenmsg *g;
    uint8_t p[128];

    h->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;
    g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
    g->nfgen_family = AF_INET;
    if (prefix)
        mnl_attr_put_strz(h, NFULA_PREFIX, prefix);
    if (mark)
        mnl_attr_put_u32(h, NFULA_MARK, htonl(mark));
    if (hex)
        mnl_attr_put(h, NFULA_PAYLOAD, unhex(hex, p), p);
    return h;
}

static void test_message(void **state)
{
    static const char packet[] = V4 "060000" ADDR4 "303901bb";
    static const struct {
        const char *prefix;
        uint32_t mark;
        int reason; /* 0: refused */
        unsigned number;
    } t[] = {
        {"spoof", 0, FW_REASON_SPOOF, 0},
        {"limit", 7, FW_REASON_LIMIT, 0},
        {"quota", 0, FW_REASON_QUOTA, 0},
        {"extension-header", 0, FW_REASON_EXTHDR, 0},
        {"to-qube", 0, FW_REASON_TO_QUBE, 0},
        {"from-uplink", 0, FW_REASON_UPLINK, 0},
        {"no-list", 0, FW_REASON_NO_LIST, 0},
        {"list", 17, FW_REASON_RULE, 17},
        {"list", 9999, FW_REASON_RULE, 9999},
        {"list", 0x10000, FW_REASON_POLICY, 0},
        {"list", 0x20000 + 5, FW_REASON_NAME, 5},
        {"list", 10000, 0, 0},
        {"list", 0x10001, 0, 0},
        {"list", 0x20000 + 10000, 0, 0},
        {"rule", 0, 0, 0}, /* its number is missing */
        {"policy", 0, FW_REASON_POLICY, 0},
        {"something else", 0, 0, 0},
        {"a prefix that is longer than any of ours is", 0, 0, 0},
        {NULL, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        uint8_t buf[512] __attribute__((aligned(8)));
        struct fw_event e = {0};
        int r =
            log_packet_parse(message(buf, t[i].prefix, t[i].mark, packet), &e);

        if ((r == 0) != (t[i].reason != 0) || (int)e.reason != t[i].reason)
            fail_msg("%s %u: %d, reason %d", t[i].prefix, t[i].mark, r,
                     (int)e.reason);
        assert_int_equal(e.number, t[i].number);
        if (r == 0)
            assert_int_equal(e.port, 443);
    }
}

/* The first rule has number 0, and the kernel tells no mark of 0. */
static void test_message_parts(void **state)
{
    uint8_t buf[512] __attribute__((aligned(8)));
    struct nlmsghdr *h;
    struct fw_event e;

    (void)state;
    h = message(buf, "list", 0, V4 "060000" ADDR4 "303901bb");
    assert_int_equal(log_packet_parse(h, &e), 0);
    assert_int_equal(e.reason, FW_REASON_RULE);
    assert_int_equal(e.number, 0);
    h = message(buf, "limit", 0, NULL);
    assert_int_equal(log_packet_parse(h, &e), -EBADMSG);
    h = message(buf, "limit", 0, V4);
    assert_int_equal(log_packet_parse(h, &e), -EBADMSG);
    h = message(buf, "limit", 0, V4 "060000" ADDR4);
    h->nlmsg_type++;
    assert_int_equal(log_packet_parse(h, &e), -EBADMSG);
    h = message(buf, NULL, 0, V4 "060000" ADDR4);
    mnl_attr_put(h, NFULA_PREFIX, 0, NULL);
    assert_int_equal(log_packet_parse(h, &e), -EBADMSG);
    h = message(buf, "list", 0, V4 "060000" ADDR4);
    mnl_attr_put_u8(h, NFULA_MARK, 1);
    assert_int_equal(log_packet_parse(h, &e), -EBADMSG);
    h->nlmsg_len = sizeof(*h);
    assert_int_equal(log_packet_parse(h, &e), -EBADMSG);
}

/* ---- records ---- */

static void test_record(void **state)
{
    struct fw_event e = {.reason = FW_REASON_NAME,
                         .number = 0x1234,
                         .l4proto = 17,
                         .has_port = true,
                         .port = 0xabcd};
    uint8_t rec[LOG_RECORD_BYTES], bad[LOG_RECORD_BYTES];
    struct fw_event back;

    (void)state;
    assert_int_equal(ipaddr_parse(text_of("10.137.0.7"), &e.src), 0);
    assert_int_equal(ipaddr_parse(text_of("198.51.100.1"), &e.dst), 0);
    log_record_encode(&e, rec);
    assert_int_equal(log_record_decode(rec, &back), 0);
    assert_int_equal(back.port, e.port);
    assert_int_equal(back.number, e.number);
    assert_true(ipaddr_eq(&back.src, &e.src) && ipaddr_eq(&back.dst, &e.dst));
    /* every byte has to be right: unused ones are zero */
    for (size_t i = 0; i < sizeof(rec); i++) {
        static const uint8_t free_bytes[] = {2, 4, 5, 7};
        bool is_free = (i >= 8 && i < 12) || (i >= 24 && i < 28);

        for (size_t k = 0; k < sizeof(free_bytes); k++)
            is_free |= free_bytes[k] == i;
        memcpy(bad, rec, sizeof(bad));
        bad[i] = (uint8_t)(bad[i] ^ 0xc0);
        if ((log_record_decode(bad, &back) == 0) != is_free)
            fail_msg("byte %zu", i);
    }
    memset(bad, 0, sizeof(bad));
    assert_int_equal(log_record_decode(bad, &back), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ip),      cmocka_unit_test(test_long_chain),
        cmocka_unit_test(test_message), cmocka_unit_test(test_message_parts),
        cmocka_unit_test(test_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
