/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/dom0/fw_stats.c: status keys of a firewall VM, also a
 * hostile one, told of rules as lists have them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "dom0/fw_stats.h"
#include "dom0/plan.h"
#include "lib/err.h"
#include "lib/mem.h"

static const struct {
    const char *name, *text;
} files[] = {
    {"fw", "Kind=firewallvm\nNetVM=net\nQID=2\n"},
    {"inner", "Kind=firewallvm\nNetVM=fw\nQID=3\n[Firewall]\nRule=accept\n"},
    {"net", "Kind=netvm\nQID=1\n[Uplink]\nMode=dhcp\n"},
    {"deep", "Kind=qube\nNetVM=inner\nQID=5\n[Firewall]\nRule=drop\n"},
    {"open", "Kind=qube\nNetVM=fw\nQID=6\n"},
    {"work", "Kind=qube\nNetVM=fw\nQID=4\n[Firewall]\n"
             /* 0: keys 0 and 1 */ "Rule=accept proto=tcp dstports=80,443\n"
             /* 1: key 2 */ "Rule=accept proto=icmp\n"
             /* 2: keys 3 to 5 */ "Rule=drop proto=udp dstports=1,3,5\n"},
};

static void make(struct config *c)
{
    struct plan_ids ids = {0};
    struct problems p = {0};
    bool changed;

    *c = (struct config){0};
    config_daemon_defaults(&c->d);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct config_qube *q;
        char text[512];

        snprintf(text, sizeof(text), "[Qube]\nImage=i\n%s", files[i].text);
        assert_int_equal(config_parse_qube(text_of(text), files[i].name,
                                           files[i].name, &c->d, &q, &p),
                         0);
        assert_int_equal(config_add(c, q), 0);
    }
    assert_int_equal(plan_resolve(c, &ids, &changed, &p), 0);
    assert_int_equal(config_check(c, &p), 0);
    plan_ids_free(&ids);
}

static void put(struct keyset *s, const char *path, const char *val)
{
    assert_int_equal(keyset_add(s, path, "%s", val), 0);
    keyset_sort(s);
}

static void test_rule(void **state)
{
    static const int want[] = {0, 0, 1, 2, 2, 2, -ENOENT, -ENOENT};
    struct config c;

    (void)state;
    make(&c);
    for (unsigned i = 0; i < ARRAY_LEN(want); i++)
        assert_int_equal(fw_stats_rule(config_find(&c, "work"), i), want[i]);
    assert_int_equal(fw_stats_rule(config_find(&c, "open"), 0), 0);
    assert_int_equal(fw_stats_rule(config_find(&c, "open"), 1), -ENOENT);
    config_free(&c);
}

/* Behind a firewall VM of its own a qube is bound by that one's list. */
static void test_list(void **state)
{
    const struct config_qube *fw, *inner, *deep;
    struct config c;

    (void)state;
    make(&c);
    fw = config_find(&c, "fw");
    inner = config_find(&c, "inner");
    deep = config_find(&c, "deep");
    assert_ptr_equal(fw_stats_qube(&c, &deep->ip4), deep);
    assert_ptr_equal(fw_stats_list(inner, deep), deep);
    assert_ptr_equal(fw_stats_list(fw, deep), inner);
    assert_null(fw_stats_list(fw, config_find(&c, "net")));
    assert_null(fw_stats_list(inner, fw));
    assert_null(fw_stats_list(fw, NULL));
    config_free(&c);
}

static void test_counts(void **state)
{
    const struct config_qube *work;
    struct fw_count v[4] = {{0}};
    struct keyset s = {0};
    struct fw_totals t;
    struct config c;

    (void)state;
    make(&c);
    work = config_find(&c, "work");
    assert_false(fw_stats_totals(&s, &work->ip4, &t));
    put(&s, "/sysqube-status/firewall-count/10.137.0.4",
        "passed 1 2 blocked 3 4 flows 5");
    put(&s, "/sysqube-status/firewall-count/10.137.0.4/00",
        "0000:1:10 0001:2:20 0002:3:30");
    put(&s, "/sysqube-status/firewall-count/10.137.0.4/01",
        "0003:4:40 0005:5:50 0006:9:9 9999:9:9 policy:6:60");
    /* a gap ends it, a malformed text as well */
    put(&s, "/sysqube-status/firewall-count/10.137.0.4/03", "0000:100:100");
    assert_true(fw_stats_totals(&s, &work->ip4, &t));
    assert_int_equal(t.flows, 5);
    fw_stats_counts(&s, &work->ip4, work, v);
    assert_int_equal(v[0].packets, 3);
    assert_int_equal(v[0].bytes, 30);
    assert_int_equal(v[1].packets, 3);
    assert_int_equal(v[2].packets, 9);
    assert_int_equal(v[3].packets, 6);
    fw_stats_counts(&s, &work->ip4, work, v);
    assert_int_equal(v[0].packets, 6);
    put(&s, "/sysqube-status/firewall-count/10.137.0.6/00", "0000:1:10 x");
    memset(v, 0, sizeof(v));
    fw_stats_counts(&s, &config_find(&c, "open")->ip4, config_find(&c, "open"),
                    v);
    assert_int_equal(v[0].packets, 0);
    keyset_free(&s);
    config_free(&c);
}

static void test_events(void **state)
{
    struct fw_event v[FW_STATS_EVENTS_MAX];
    struct keyset s = {0};

    (void)state;
    put(&s, "/sysqube-status/firewall-log/00",
        "64 9 10.137.0.4 192.0.2.1 tcp 80 policy");
    put(&s, "/sysqube-status/firewall-log/30",
        "62 8 10.137.0.4 192.0.2.1 tcp 80 rule:0004");
    put(&s, "/sysqube-status/firewall-log/31",
        "63 8 10.137.0.4 192.0.2.1 tcp 80 limit");
    put(&s, "/sysqube-status/firewall-log/05", "65 8 because I say so");
    put(&s, "/sysqube-status/firewall-log/32",
        "96 8 10.137.0.4 192.0.2.1 tcp 80 limit");
    assert_int_equal(fw_stats_events(&s, v), 3);
    assert_int_equal(v[0].seq, 62);
    assert_int_equal(v[0].number, 4);
    assert_int_equal(v[1].seq, 63);
    assert_int_equal(v[2].seq, 64);
    keyset_free(&s);
}

static void test_status(void **state)
{
    static const struct {
        const char *said, *want;
    } t[] = {
        {"applied 6", "applied 6"},
        {"applied 6, degraded 0004: name not resolved",
         "applied 6, degraded 2: name not resolved"},
        {"blocked 0002: no action", "blocked 1: no action"},
        {"blocked policy: no policy", "blocked policy: no policy"},
        {"blocked 0009: no rule of the list", "blocked 0009: no rule of the "
                                              "list"},
        {"blocked 4096: too many rules", "blocked 4096: too many rules"},
        {"degraded 0001", "degraded 0001"},
        {"degraded 1: x", "degraded 1: x"},
        {"", ""},
    };
    char buf[FW_STATS_TEXT_MAX];
    struct config c;

    (void)state;
    make(&c);
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        assert_string_equal(
            fw_stats_status(config_find(&c, "work"), t[i].said, buf),
            t[i].want);
    config_free(&c);
}

static void test_missing(void **state)
{
    struct keyset s = {0};

    (void)state;
    put(&s, "/qubes-firewall/10.137.0.4", "");
    put(&s, "/qubes-firewall/10.137.0.4/policy", "drop");
    put(&s, "/qubes-firewall/10.137.0.4/0000", "action=accept");
    put(&s, "/qubes-firewall/10.137.0.4/0003", "action=accept");
    put(&s, "/qubes-firewall/10.137.0.41/0003", "action=accept");
    assert_int_equal(fw_stats_missing(&s, "10.137.0.4", "applied 2"), 0);
    assert_int_equal(fw_stats_missing(&s, "10.137.0.4", "applied 3"), 0);
    assert_int_equal(fw_stats_missing(&s, "10.137.0.4", "applied 1"), 1);
    assert_int_equal(
        fw_stats_missing(&s, "10.137.0.4", "applied 0, degraded 0001: x"), 2);
    assert_int_equal(fw_stats_missing(&s, "10.137.0.4", "applied x"), 0);
    assert_int_equal(fw_stats_missing(&s, "10.137.0.4", "blocked 0000: x"), 0);
    assert_int_equal(fw_stats_missing(&s, "10.137.0.5", "applied 0"), 0);
    keyset_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule),   cmocka_unit_test(test_list),
        cmocka_unit_test(test_counts), cmocka_unit_test(test_events),
        cmocka_unit_test(test_status), cmocka_unit_test(test_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
