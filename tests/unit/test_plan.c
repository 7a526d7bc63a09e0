/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/dom0/plan.c: address plan, stable numbers, loops,
 * levels, start and stop order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/plan.h"
#include "lib/err.h"
#include "lib/mem.h"

static void test_addresses(void **state)
{
    static const struct {
        uint32_t qid;
        const char *ip4, *ip6;
    } rows[] = {
        {1, "10.137.0.1", "fd09:24ef:4179::a89:1"},
        {254, "10.137.0.254", "fd09:24ef:4179::a89:fe"},
        {255, "10.137.1.1", "fd09:24ef:4179::a89:ff"},
        {508, "10.137.1.254", "fd09:24ef:4179::a89:1fc"},
        {509, "10.137.2.1", "fd09:24ef:4179::a89:1fd"},
        {10000, "10.137.39.94", "fd09:24ef:4179::a89:2710"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ipaddr a = plan_ip4(rows[i].qid), b = plan_ip6(rows[i].qid);
        char text[IPADDR_TEXT_MAX];

        assert_string_equal(ipaddr_format(&a, text), rows[i].ip4);
        assert_string_equal(ipaddr_format(&b, text), rows[i].ip6);
    }
}

static void test_addresses_are_unique(void **state)
{
    static uint8_t seen[65536];

    (void)state;
    for (uint32_t q = 1; q <= CONFIG_QID_MAX; q++) {
        struct ipaddr a = plan_ip4(q);
        unsigned low = a.b[2] * 256u + a.b[3];

        assert_true(a.b[3] != 0 && a.b[3] != 255);
        assert_false(seen[low]++);
    }
}

static void test_ids(void **state)
{
    static const char *const bad[] = {"a\n",    "a 0\n",      "a 10001\n",
                                      "a 1 \n", "a 1\nb 1\n", "a 1\na 2\n",
                                      "-a 1\n", " a 1\n"};
    struct plan_ids ids = {0};
    char *text;

    (void)state;
    assert_int_equal(plan_ids_parse(text_of("a 3\nb 1\n"), &ids), 0);
    assert_int_equal(ids.n, 2);
    text = plan_ids_format(&ids);
    assert_string_equal(text, "a 3\nb 1\n");
    free(text);
    plan_ids_free(&ids);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(plan_ids_parse(text_of(bad[i]), &ids), -EBADMSG);
}

struct row {
    const char *name, *text;
};

static void make(struct config *c, const struct row *rows, size_t n)
{
    struct problems p = {0};

    *c = (struct config){0};
    config_daemon_defaults(&c->d);
    for (size_t i = 0; i < n; i++) {
        struct config_qube *q;
        char text[200];

        snprintf(text, sizeof(text), "[Qube]\nImage=i\nKind=%s\n",
                 rows[i].text);
        assert_int_equal(config_parse_qube(text_of(text), rows[i].name,
                                           rows[i].name, &c->d, &q, &p),
                         0);
        assert_int_equal(config_add(c, q), 0);
    }
}

static const struct row chain[] = {
    {"work", "qube\nNetVM=fw"},        {"fw", "firewallvm\nNetVM=net"},
    {"net", "netvm\nIPv6=yes"},        {"usb", "usbvm"},
    {"v4", "qube\nNetVM=fw\nIPv6=no"},
};

static void test_chain(void **state)
{
    struct config c;
    struct plan_ids ids = {0};
    struct problems p = {0};
    struct config_qube *order[8], *want[2];
    bool changed = false;
    size_t n;

    (void)state;
    make(&c, chain, ARRAY_LEN(chain));
    assert_int_equal(plan_resolve(&c, &ids, &changed, &p), 0);
    assert_true(changed);
    assert_int_equal(ids.n, 5);
    assert_int_equal(config_find(&c, "work")->level, 2);
    assert_int_equal(config_find(&c, "net")->level, 0);
    assert_true(config_find(&c, "work")->has_ipv6);
    assert_false(config_find(&c, "v4")->has_ipv6);
    assert_false(config_find(&c, "usb")->has_ipv6);
    assert_ptr_equal(config_find(&c, "work")->up, config_find(&c, "fw"));

    want[0] = config_find(&c, "work");
    want[1] = config_find(&c, "usb");
    n = plan_up(&c, want, 2, order);
    assert_int_equal(n, 4);
    assert_string_equal(order[0]->name, "net");
    assert_string_equal(order[1]->name, "usb");
    assert_string_equal(order[2]->name, "fw");
    assert_string_equal(order[3]->name, "work");
    n = plan_down(&c, c.qubes, c.n, order);
    assert_int_equal(n, 5);
    assert_string_equal(order[0]->name, "work");
    assert_string_equal(order[2]->name, "fw");
    assert_string_equal(order[4]->name, "net");
    n = plan_down(&c, want, 1, order);
    assert_int_equal(n, 1);
    config_free(&c);
    plan_ids_free(&ids);
}

static void test_numbers_are_stable(void **state)
{
    static const struct row rows[] = {
        {"a", "qube"}, {"b", "qube\nQID=1"}, {"c", "qube"}};
    struct config c;
    struct plan_ids ids = {0};
    struct problems p = {0};
    bool changed = false;

    (void)state;
    /* c had 4; "gone" keeps 2 for itself although it has no file */
    assert_int_equal(plan_ids_parse(text_of("gone 2\nc 4\n"), &ids), 0);
    make(&c, rows, ARRAY_LEN(rows));
    assert_int_equal(plan_resolve(&c, &ids, &changed, &p), 0);
    assert_int_equal(config_find(&c, "a")->qid, 3);
    assert_int_equal(config_find(&c, "b")->qid, 1);
    assert_int_equal(config_find(&c, "c")->qid, 4);
    assert_true(changed);
    config_free(&c);
    make(&c, rows, ARRAY_LEN(rows));
    changed = false;
    assert_int_equal(plan_resolve(&c, &ids, &changed, &p), 0);
    assert_int_equal(config_find(&c, "a")->qid, 3);
    assert_false(changed);
    config_free(&c);
    plan_ids_free(&ids);
}

static void test_loops(void **state)
{
    static const struct row rows[] = {
        {"a", "firewallvm\nNetVM=b"}, {"b", "firewallvm\nNetVM=c"},
        {"c", "firewallvm\nNetVM=a"}, {"q", "qube\nNetVM=a"},
        {"s", "firewallvm\nNetVM=s"},
    };
    struct config c;
    struct plan_ids ids = {0};
    struct problems p = {0};
    bool changed;

    (void)state;
    make(&c, rows, ARRAY_LEN(rows));
    assert_int_equal(plan_resolve(&c, &ids, &changed, &p), -EBADMSG);
    assert_int_equal(p.n, 4); /* a, b, c and s; not q */
    assert_non_null(strstr(p.v[0].text, "loop (a -> b -> c -> a)"));
    assert_int_equal(p.v[0].line, 4);
    assert_non_null(strstr(p.v[3].text, "loop (s -> s)"));
    assert_null(config_find(&c, "a")->up);
    config_free(&c);
    plan_ids_free(&ids);
    problems_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_addresses_are_unique),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_numbers_are_stable),
        cmocka_unit_test(test_loops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
