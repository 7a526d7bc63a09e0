/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/rules/rule_eval.c: lists, packets, verdicts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "rules/rule_eval.h"
#include "rules/rule_parse.h"

#define LIST_MAX 6
#define ICMP4 IPPROTO_ICMP
#define ICMP6 IPPROTO_ICMPV6
#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP
#define GRE IPPROTO_GRE

/* Resolvers in every row: 10.139.1.1, 10.139.1.2, fd00::53. */
static const struct {
    const char *rules[LIST_MAX]; /* key form, NULL ended */
    enum fw_action policy;
    const char *dst;
    uint8_t l4proto;
    uint16_t port; /* or ICMP type */
    enum fw_action want;
    size_t index;
} ROWS[] = {
    {{NULL}, FW_DROP, "1.1.1.1", TCP, 80, FW_DROP, 0},
    {{NULL}, FW_ACCEPT, "1.1.1.1", TCP, 80, FW_ACCEPT, 0},
    {{"action=accept"}, FW_DROP, "1.1.1.1", GRE, 0, FW_ACCEPT, 0},
    {{"action=accept"}, FW_DROP, "2001::1", GRE, 0, FW_ACCEPT, 0},
    {{"action=drop"}, FW_ACCEPT, "1.1.1.1", TCP, 1, FW_DROP, 0},
    {{"action=drop dst4=1.1.1.1/32", "action=accept"},
     FW_DROP,
     "1.1.1.1",
     TCP,
     80,
     FW_DROP,
     0},
    {{"action=drop dst4=1.1.1.1/32", "action=accept"},
     FW_DROP,
     "1.1.1.2",
     TCP,
     80,
     FW_ACCEPT,
     1},
    {{"action=accept", "action=drop dst4=1.1.1.1/32"},
     FW_DROP,
     "1.1.1.1",
     TCP,
     80,
     FW_ACCEPT,
     0},
    /* networks */
    {{"action=accept dst4=10.9.9.9/8"},
     FW_DROP,
     "10.0.0.1",
     TCP,
     1,
     FW_ACCEPT,
     0},
    {{"action=accept dst4=10.9.9.9/8"},
     FW_DROP,
     "11.0.0.1",
     TCP,
     1,
     FW_DROP,
     1},
    {{"action=accept dst4=0.0.0.0/0"},
     FW_DROP,
     "8.8.8.8",
     TCP,
     1,
     FW_ACCEPT,
     0},
    {{"action=accept dst4=0.0.0.0/0"}, FW_DROP, "2001::8", TCP, 1, FW_DROP, 1},
    {{"action=accept dst6=::/0"}, FW_DROP, "2001::8", TCP, 1, FW_ACCEPT, 0},
    {{"action=accept dst6=::/0"}, FW_DROP, "8.8.8.8", TCP, 1, FW_DROP, 1},
    {{"action=accept dst6=2001:db8::/33"},
     FW_DROP,
     "2001:db8:7fff::1",
     UDP,
     1,
     FW_ACCEPT,
     0},
    {{"action=accept dst6=2001:db8::/33"},
     FW_DROP,
     "2001:db8:8000::1",
     UDP,
     1,
     FW_DROP,
     1},
    /* protocols */
    {{"action=accept proto=tcp"}, FW_DROP, "1.1.1.1", TCP, 1, FW_ACCEPT, 0},
    {{"action=accept proto=tcp"}, FW_DROP, "1.1.1.1", UDP, 1, FW_DROP, 1},
    {{"action=accept proto=udp"}, FW_DROP, "1.1.1.1", UDP, 1, FW_ACCEPT, 0},
    {{"action=accept proto=udp"}, FW_DROP, "1.1.1.1", TCP, 1, FW_DROP, 1},
    {{"action=accept proto=udp"},
     FW_DROP,
     "1.1.1.1",
     IPPROTO_UDPLITE,
     1,
     FW_DROP,
     1},
    {{"action=accept proto=icmp"}, FW_DROP, "1.1.1.1", ICMP4, 8, FW_ACCEPT, 0},
    {{"action=accept proto=icmp"}, FW_DROP, "1.1.1.1", ICMP6, 128, FW_DROP, 1},
    {{"action=accept proto=icmp"},
     FW_DROP,
     "2001::1",
     ICMP6,
     128,
     FW_ACCEPT,
     0},
    {{"action=accept proto=icmp"}, FW_DROP, "2001::1", ICMP4, 8, FW_DROP, 1},
    {{"action=accept proto=icmp icmptype=8"},
     FW_DROP,
     "1.1.1.1",
     ICMP4,
     8,
     FW_ACCEPT,
     0},
    {{"action=accept proto=icmp icmptype=8"},
     FW_DROP,
     "1.1.1.1",
     ICMP4,
     13,
     FW_DROP,
     1},
    {{"action=accept proto=icmp icmptype=8"},
     FW_DROP,
     "2001::1",
     ICMP6,
     128,
     FW_DROP,
     1},
    {{"action=accept proto=icmp icmptype=128"},
     FW_DROP,
     "2001::1",
     ICMP6,
     128,
     FW_ACCEPT,
     0},
    {{"action=drop proto=icmp icmptype=0", "action=accept"},
     FW_DROP,
     "1.1.1.1",
     TCP,
     0,
     FW_ACCEPT,
     1},
    /* ports are numbers, not text */
    {{"action=accept proto=tcp dstports=80-1000"},
     FW_DROP,
     "1.1.1.1",
     TCP,
     443,
     FW_ACCEPT,
     0},
    {{"action=accept proto=tcp dstports=80-1000"},
     FW_DROP,
     "1.1.1.1",
     TCP,
     79,
     FW_DROP,
     1},
    {{"action=accept proto=tcp dstports=80-1000"},
     FW_DROP,
     "1.1.1.1",
     TCP,
     80,
     FW_ACCEPT,
     0},
    {{"action=accept proto=tcp dstports=80-1000"},
     FW_DROP,
     "1.1.1.1",
     TCP,
     1000,
     FW_ACCEPT,
     0},
    {{"action=accept proto=tcp dstports=80-1000"},
     FW_DROP,
     "1.1.1.1",
     TCP,
     1001,
     FW_DROP,
     1},
    {{"action=drop proto=tcp dstports=1-1024", "action=accept"},
     FW_DROP,
     "1.1.1.1",
     TCP,
     443,
     FW_DROP,
     0},
    {{"action=accept dstports=53"}, FW_DROP, "1.1.1.1", TCP, 53, FW_ACCEPT, 0},
    {{"action=accept dstports=53"}, FW_DROP, "1.1.1.1", UDP, 53, FW_ACCEPT, 0},
    {{"action=accept dstports=0-65535"},
     FW_DROP,
     "1.1.1.1",
     ICMP4,
     8,
     FW_DROP,
     1},
    {{"action=accept dstports=0-65535"},
     FW_DROP,
     "1.1.1.1",
     GRE,
     0,
     FW_DROP,
     1},
    /* the resolvers */
    {{"action=accept specialtarget=dns"},
     FW_DROP,
     "10.139.1.1",
     UDP,
     53,
     FW_ACCEPT,
     0},
    {{"action=accept specialtarget=dns"},
     FW_DROP,
     "10.139.1.2",
     TCP,
     53,
     FW_ACCEPT,
     0},
    {{"action=accept specialtarget=dns"},
     FW_DROP,
     "fd00::53",
     UDP,
     53,
     FW_ACCEPT,
     0},
    {{"action=accept specialtarget=dns"},
     FW_DROP,
     "fd00::54",
     UDP,
     53,
     FW_DROP,
     1},
    {{"action=accept specialtarget=dns"},
     FW_DROP,
     "10.139.1.3",
     UDP,
     53,
     FW_DROP,
     1},
    {{"action=accept specialtarget=dns"},
     FW_DROP,
     "10.139.1.1",
     UDP,
     54,
     FW_DROP,
     1},
    {{"action=accept specialtarget=dns"},
     FW_DROP,
     "10.139.1.1",
     ICMP4,
     53,
     FW_DROP,
     1},
    {{"action=accept specialtarget=dns proto=udp"},
     FW_DROP,
     "10.139.1.1",
     TCP,
     53,
     FW_DROP,
     1},
    {{"action=accept specialtarget=dns proto=udp"},
     FW_DROP,
     "10.139.1.1",
     UDP,
     53,
     FW_ACCEPT,
     0},
    {{"action=accept specialtarget=dns dst4=10.139.1.2/32"},
     FW_DROP,
     "10.139.1.1",
     UDP,
     53,
     FW_DROP,
     1},
    /* names: an accept never matches, a drop shuts what follows */
    {{"action=accept dsthost=a.b"}, FW_DROP, "1.1.1.1", TCP, 80, FW_DROP, 1},
    {{"action=accept dsthost=a.b", "action=accept proto=tcp"},
     FW_DROP,
     "1.1.1.1",
     TCP,
     80,
     FW_ACCEPT,
     1},
    {{"action=drop dsthost=a.b", "action=accept"},
     FW_DROP,
     "1.1.1.1",
     TCP,
     80,
     FW_DROP,
     0},
    {{"action=accept proto=tcp", "action=drop dsthost=a.b proto=udp",
      "action=accept"},
     FW_DROP,
     "1.1.1.1",
     TCP,
     80,
     FW_ACCEPT,
     0},
    {{"action=accept proto=tcp", "action=drop dsthost=a.b proto=udp",
      "action=accept"},
     FW_DROP,
     "1.1.1.1",
     ICMP4,
     8,
     FW_DROP,
     1},
    {{"action=drop dsthost=a.b"}, FW_ACCEPT, "1.1.1.1", TCP, 80, FW_DROP, 0},
};

static void resolvers(struct fw_dns *dns)
{
    static const char *const text[] = {"10.139.1.1", "10.139.1.2", "fd00::53"};
    size_t i;

    for (i = 0; i < ARRAY_LEN(text); i++)
        assert_int_equal(ipaddr_parse(text_of(text[i]), &dns->addr[i]), 0);
    dns->n = ARRAY_LEN(text);
}

static void test_rows(void **state)
{
    struct fw_dns dns;
    size_t i, n;

    (void)state;
    resolvers(&dns);
    for (i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct fw_match v[LIST_MAX];
        struct fw_packet p = {.l4proto = ROWS[i].l4proto};
        bool ports = p.l4proto == TCP || p.l4proto == UDP;
        struct fw_rule rule;
        enum fw_action got;
        size_t at = 999;

        for (n = 0; n < LIST_MAX && ROWS[i].rules[n]; n++) {
            assert_int_equal(
                rule_parse_qdb(text_of(ROWS[i].rules[n]), &rule, NULL), 0);
            v[n] = rule.m;
        }
        assert_int_equal(ipaddr_parse(text_of(ROWS[i].dst), &p.dst), 0);
        p.dport = ports ? ROWS[i].port : 0;
        p.icmp_type = ports ? 0 : (uint8_t)ROWS[i].port;
        got = rule_eval(v, n, ROWS[i].policy, &dns, &p, &at);
        if (got != ROWS[i].want || at != ROWS[i].index)
            fail_msg("row %zu: verdict %d by %zu", i, got, at);
        assert_int_equal(rule_eval(v, n, ROWS[i].policy, &dns, &p, NULL), got);
    }
}

static void test_no_resolver(void **state)
{
    struct fw_dns none = {0};
    struct fw_packet p = {.l4proto = UDP, .dport = 53};
    struct fw_rule rule;

    (void)state;
    assert_int_equal(ipaddr_parse(text_of("10.139.1.1"), &p.dst), 0);
    assert_int_equal(
        rule_parse_qdb(text_of("action=accept specialtarget=dns"), &rule, NULL),
        0);
    assert_false(rule_matches(&rule.m, &none, &p));
}

/* Set 1 is 1.1.1.1 and fd00::1, set 2 is empty. */
static bool fake_has(void *arg, unsigned set, const struct ipaddr *a)
{
    static const struct ipaddr four = {AF_INET, {1, 1, 1, 1}},
                               six = {AF_INET6, {0xfd, [15] = 1}};

    assert_null(arg);
    assert_int_not_equal(set, 0);
    return set == 1 && (ipaddr_eq(a, &four) || ipaddr_eq(a, &six));
}

static void test_names(void **state)
{
    static const struct {
        const char *rule; /* before action=accept dst4 or dst6 of all */
        uint16_t set;
        const char *dst;
        enum fw_action want;
        size_t index;
    } rows[] = {
        {"action=accept dsthost=x.y", 1, "1.1.1.1", FW_ACCEPT, 0},
        {"action=accept dsthost=x.y", 1, "1.1.1.2", FW_ACCEPT, 1},
        {"action=accept dsthost=x.y", 2, "1.1.1.1", FW_ACCEPT, 1},
        {"action=accept dsthost=x.y", 0, "1.1.1.1", FW_ACCEPT, 1},
        {"action=drop dsthost=x.y", 1, "1.1.1.1", FW_DROP, 0},
        {"action=drop dsthost=x.y", 1, "1.1.1.2", FW_ACCEPT, 1},
        {"action=drop dsthost=x.y", 1, "fd00::1", FW_DROP, 0},
        {"action=drop dsthost=x.y", 1, "fd00::2", FW_ACCEPT, 1},
        {"action=drop dsthost=x.y", 2, "1.1.1.1", FW_ACCEPT, 1},
        {"action=drop dsthost=x.y", 0, "1.1.1.2", FW_DROP, 0},
        {"action=drop dsthost=x.y proto=udp", 1, "1.1.1.1", FW_ACCEPT, 1},
        /* not known: shut for all, not for its protocol only */
        {"action=drop dsthost=x.y proto=udp", 0, "1.1.1.1", FW_DROP, 0},
        {"action=drop dsthost=x.y dstports=80", 1, "1.1.1.1", FW_DROP, 0},
        {"action=drop dsthost=x.y dstports=81", 1, "1.1.1.1", FW_ACCEPT, 1},
        {"action=accept dsthost=*.x.y", 1, "1.1.1.1", FW_ACCEPT, 0},
    };
    struct fw_names names = {.has = fake_has};
    struct fw_dns dns = {0};
    struct fw_rule rule;
    size_t i, at;

    (void)state;
    for (i = 0; i < ARRAY_LEN(rows); i++) {
        struct fw_match v[2] = {{0}, {.action = FW_ACCEPT}};
        struct fw_packet p = {.l4proto = TCP, .dport = 80};
        enum fw_action got, without;

        assert_int_equal(rule_parse_qdb(text_of(rows[i].rule), &rule, NULL), 0);
        v[0] = rule.m;
        v[0].name_set = rows[i].set;
        assert_int_equal(ipaddr_parse(text_of(rows[i].dst), &p.dst), 0);
        got = rule_eval_names(v, 2, FW_DROP, &dns, &names, &p, &at);
        if (got != rows[i].want || at != rows[i].index)
            fail_msg("row %zu: verdict %d by %zu", i, got, at);
        /* Without the names every name is unknown. */
        without = rule_eval(v, 2, FW_DROP, &dns, &p, &at);
        assert_int_equal(without, v[0].action);
        assert_int_equal(at, v[0].action == FW_DROP ? 0 : 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_no_resolver),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
