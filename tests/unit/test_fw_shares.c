/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of firewallvm/limits.c, path.c and rule_interval.c: text of dom0's
 * keys to values and what they mean; overlapping networks and ports; plans of
 * lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "firewallvm/limits.h"
#include "firewallvm/path.h"
#include "firewallvm/rule_group.h"
#include "firewallvm/rule_interval.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "rules/rule_eval.h"

/* ---- limits ---- */
static const struct {
    const char *text;
    int want;
    struct fw_limits l;
} LIMITS[] = {
    {"", 0, {4096, 500, 1000, 0, 0}},
    {"flows=1", 0, {1, 500, 1000, 0, 0}},
    {"quota=1000000000000000 flows=7", 0, {7, 500, 1000, 0, 1000000000000000}},
    {"flows=2 rate=3 burst=4 bandwidth=5 quota=6", 0, {2, 3, 4, 5, 6}},
    {"bandwidth=4000000000", 0, {4096, 500, 1000, 4000000000, 0}},
    {"bandwidth=4000000001", -EBADMSG, {0}},
    {"quota=1000000000000001", -EBADMSG, {0}},
    {"flows=0", -EBADMSG, {0}},
    {"flows=1000001", -EBADMSG, {0}},
    {"rate=0", -EBADMSG, {0}},
    {"burst=0", -EBADMSG, {0}},
    {"flows=1 flows=1", -EBADMSG, {0}},
    {"flows=", -EBADMSG, {0}},
    {"flows=01", -EBADMSG, {0}},
    {"flows=-1", -EBADMSG, {0}},
    {"flows=1 ", -EBADMSG, {0}},
    {" flows=1", -EBADMSG, {0}},
    {"flows=1  rate=2", -EBADMSG, {0}},
    {"flow=1", -EBADMSG, {0}},
    {"flows=18446744073709551617", -EBADMSG, {0}},
};

static void test_limits(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(LIMITS); i++) {
        struct fw_limits l = {0};
        int r = limits_parse(text_of(LIMITS[i].text), &l);

        if (r != LIMITS[i].want)
            fail_msg("'%s' gave %d", LIMITS[i].text, r);
        if (l.flows != LIMITS[i].l.flows || l.rate != LIMITS[i].l.rate ||
            l.burst != LIMITS[i].l.burst ||
            l.bandwidth != LIMITS[i].l.bandwidth ||
            l.quota != LIMITS[i].l.quota)
            fail_msg("'%s' has other values", LIMITS[i].text);
        if (r == 0)
            assert_int_equal(limits_check(&l), 0);
        assert_int_equal(limits_metered(&l), l.bandwidth || l.quota);
    }
}

/* ---- paths ---- */
#define IN FW_PATH_INBOUND
#define EDGE FW_PATH_EDGE

static const struct {
    enum fw_path_kind kind;
    const char *text;
    int want;
} PATHS[] = {
    {IN, "tcp 10.137.0.5 22", 0},
    {IN, "udp fd09::5 0-65535 2001:db8::/32", 0},
    {IN, "tcp 10.137.0.5 22 0.0.0.0/0", 0},
    {IN, "icmp 10.137.0.5 22", -EBADMSG},
    {IN, "any 10.137.0.5 any", -EBADMSG},
    {IN, "tcp 10.137.0.5 any", -EBADMSG},
    {IN, "tcp 10.137.0.5", -EBADMSG},
    {IN, "tcp 10.137.0.5 22 192.0.2.0/24 x", -EBADMSG},
    {IN, "tcp 10.137.0.5 22 2001:db8::/32", -EBADMSG},
    {IN, "tcp 10.137.0.5 22 192.0.2.0/33", -EBADMSG},
    {IN, "tcp 10.137.0.5 80-22", -EBADMSG},
    {IN, "tcp 10.137.0.5 65536", -EBADMSG},
    {IN, "tcp 10.137.0.5 22-", -EBADMSG},
    {IN, "tcp  10.137.0.5 22", -EBADMSG},
    {IN, "", -EBADMSG},
    {EDGE, "10.137.0.5 10.137.0.6 tcp 80", 0},
    {EDGE, "10.137.0.5 10.137.0.6 icmp any", 0},
    {EDGE, "fd09::5 fd09::6 any any", 0},
    {EDGE, "10.137.0.5 10.137.0.6 udp any", 0},
    {EDGE, "10.137.0.5 fd09::6 tcp 80", -EBADMSG},
    {EDGE, "10.137.0.5 10.137.0.6 icmp 8", -EBADMSG},
    {EDGE, "10.137.0.5 10.137.0.6 any 80", -EBADMSG},
    {EDGE, "10.137.0.0/24 10.137.0.6 tcp 80", -EBADMSG},
    {EDGE, "10.137.0.5 10.137.0.6 sctp 80", -EBADMSG},
    {EDGE, "10.137.0.5 10.137.0.6 tcp", -EBADMSG},
};

static void test_paths(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(PATHS); i++) {
        struct fw_path p = {0};
        const char *reason = NULL;
        int r = path_parse(PATHS[i].kind, text_of(PATHS[i].text), &p, &reason);

        if (r != PATHS[i].want)
            fail_msg("'%s' gave %d", PATHS[i].text, r);
        assert_int_equal(r < 0, reason != NULL);
        if (r == 0)
            assert_int_equal(path_check(PATHS[i].kind, &p), 0);
    }
}

static struct ipaddr addr(const char *text)
{
    struct ipaddr a = {0};

    assert_int_equal(ipaddr_parse(text_of(text), &a), 0);
    return a;
}

static bool allows(const char *path, const char *src, const char *dst,
                   uint8_t proto, uint16_t port)
{
    struct ipaddr s = addr(src), d = addr(dst);
    struct fw_path p;
    const char *reason;

    assert_int_equal(path_parse(IN, text_of(path), &p, &reason), 0);
    return path_allows(&p, 1, &s, &d, proto, port);
}

static void test_path_meaning(void **state)
{
    static const char path[] = "tcp 10.137.0.5 80-90 192.0.2.0/24";

    (void)state;
    assert_true(allows(path, "192.0.2.9", "10.137.0.5", IPPROTO_TCP, 80));
    assert_true(allows(path, "192.0.2.9", "10.137.0.5", IPPROTO_TCP, 90));
    assert_false(allows(path, "192.0.2.9", "10.137.0.5", IPPROTO_TCP, 91));
    assert_false(allows(path, "192.0.2.9", "10.137.0.5", IPPROTO_UDP, 80));
    assert_false(allows(path, "192.0.3.9", "10.137.0.5", IPPROTO_TCP, 80));
    assert_false(allows(path, "192.0.2.9", "10.137.0.6", IPPROTO_TCP, 80));
    assert_false(path_allows(NULL, 0, NULL, NULL, IPPROTO_TCP, 80));
}

/* ---- intervals: every address and port belongs to the first rule that
 * means it, for random lists held against the plain way ---- */
static uint32_t seed = 20261125;

static uint32_t rnd(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

#define RULES 24

static void make_rules(struct fw_match v[RULES], struct fw_entry e[RULES])
{
    size_t i;

    for (i = 0; i < RULES; i++) {
        struct ipaddr a = {.family = AF_INET, .b = {10, 0, 0}};
        uint16_t p = (uint16_t)(65500 + rnd(36));

        a.b[3] = (uint8_t)rnd(256);
        if (rnd(4) == 0)
            memset(a.b, 255, 3);
        v[i] = (struct fw_match){
            .dst_kind = FW_DST_NET,
            .dst = {a, (uint8_t)(24 + rnd(9))},
            .has_ports = true,
            .port_first = p,
            .port_last = (uint16_t)(p + rnd(65536u - p)),
        };
        e[i] = (struct fw_entry){.rule = (uint16_t)i};
    }
}

static int owner_plain(const struct fw_match *v, const struct ipaddr *a)
{
    int i;

    for (i = 0; i < RULES; i++)
        if (ipnet_has(&v[i].dst, a))
            return i;
    return -1;
}

static int owner_part(const struct fw_net_part *part, size_t n,
                      const struct ipaddr *a)
{
    int found = -1;
    size_t i;

    for (i = 0; i < n; i++) {
        if (ipaddr_cmp(&part[i].first, a) > 0 ||
            ipaddr_cmp(&part[i].last, a) < 0)
            continue;
        assert_int_equal(found, -1); /* apart */
        found = part[i].rule;
    }
    return found;
}

static void check_nets(const struct fw_match *v, const struct fw_entry *e)
{
    struct fw_net_part *part;
    size_t n, i;

    assert_int_equal(fw_net_parts(v, e, RULES, &part, &n), 0);
    assert_true(n <= 2 * RULES);
    for (i = 0; i < 512; i++) {
        struct ipaddr a = {.family = AF_INET, .b = {10, 0, 0, (uint8_t)i}};

        if (i >= 256)
            memset(a.b, 255, 3);
        assert_int_equal(owner_part(part, n, &a), owner_plain(v, &a));
    }
    free(part);
}

static void check_ports(const struct fw_match *v, const struct fw_entry *e)
{
    struct fw_port_part *part;
    size_t n, i, k;
    uint32_t port;

    assert_int_equal(fw_port_parts(v, e, RULES, &part, &n), 0);
    for (port = 65490; port <= 65535; port++) {
        int plain = -1, found = -1;

        for (i = RULES; i-- > 0;)
            if (port >= v[i].port_first && port <= v[i].port_last)
                plain = (int)i;
        for (k = 0; k < n; k++)
            if (port >= part[k].first && port <= part[k].last)
                found = part[k].rule;
        assert_int_equal(found, plain);
    }
    free(part);
}

static void test_intervals(void **state)
{
    struct fw_match v[RULES];
    struct fw_entry e[RULES];
    int i;

    (void)state;
    for (i = 0; i < 200; i++) {
        make_rules(v, e);
        check_nets(v, e);
        check_ports(v, e);
    }
}

/* ---- plans: the first rule of the plan has the list's verdict ---- */
#define PLANNED 12

static void make_list(struct fw_match *v)
{
    static const uint8_t prefixes[] = {29, 30, 32, 32};
    size_t i;

    memset(v, 0, PLANNED * sizeof(*v));
    for (i = 0; i < PLANNED; i++) {
        v[i].action = rnd(2) ? FW_ACCEPT : FW_DROP;
        v[i].proto = (enum fw_proto)rnd(4);
        if (rnd(8) > 0) {
            v[i].dst_kind = FW_DST_NET;
            v[i].dst =
                (struct ipnet){{AF_INET, {203, 0, 113, 0}}, prefixes[rnd(4)]};
            v[i].dst.addr.b[3] = (uint8_t)rnd(8);
        }
        v[i].has_ports = v[i].proto != FW_PROTO_ICMP && rnd(4) > 0;
        v[i].port_first = (uint16_t)rnd(8);
        v[i].port_last = (uint16_t)(v[i].port_first + rnd(3));
    }
}

static const struct fw_dns NO_DNS = {.n = 0};

/* @return the verdict; 0: no rule is about the packet */
static int planned(const struct fw_match *v, const struct fw_plan *plan,
                   const struct fw_packet *p)
{
    size_t i, k;

    for (i = 0; i < plan->n_groups; i++)
        for (k = 0; k < plan->groups[i].n; k++) {
            const struct fw_entry *e =
                &plan->entries[plan->groups[i].first + k];

            if ((e->l4proto == 0 || e->l4proto == p->l4proto) &&
                rule_matches(&v[e->rule], &NO_DNS, p))
                return (int)v[e->rule].action;
        }
    return 0;
}

static int listed(const struct fw_match *v, const struct fw_packet *p)
{
    size_t i;
    enum fw_action a = rule_eval(v, PLANNED, FW_DROP, &NO_DNS, p, &i);

    return i < PLANNED ? (int)a : 0;
}

static void check_plan(const struct fw_match *v, const struct fw_plan *plan)
{
    static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP,
                                     IPPROTO_SCTP};
    struct fw_packet p = {.dst = {AF_INET, {203, 0, 113, 0}}};
    unsigned host, port;
    size_t i;

    for (i = 0; i < ARRAY_LEN(protos); i++)
        for (host = 0; host < 8; host++)
            for (port = 0; port < 10; port++) {
                p.l4proto = protos[i];
                p.dst.b[3] = (uint8_t)host;
                p.dport = (uint16_t)port;
                assert_int_equal(planned(v, plan, &p), listed(v, &p));
            }
}

static void test_plans(void **state)
{
    struct fw_match v[PLANNED];
    struct fw_plan plan;
    size_t changes, fewer = 0;
    int i, k;

    (void)state;
    for (i = 0; i < 500; i++) {
        make_list(v);
        for (changes = 1, k = 1; k < PLANNED; k++)
            changes += v[k].action != v[k - 1].action;
        assert_int_equal(fw_plan_make(AF_INET, v, PLANNED, &plan), 0);
        check_plan(v, &plan);
        fewer += plan.n_groups < changes;
        fw_plan_free(&plan);
    }
    assert_true(fewer > 0); /* runs were joined */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_paths),
        cmocka_unit_test(test_path_meaning), cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_plans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
