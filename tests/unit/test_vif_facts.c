/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of vif/vif_facts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/mem.h"
#include "vif/vif_facts.h"

static struct vif_facts facts; /* large */

static int add(const char *path, const char *value)
{
    return vif_facts_add(&facts, path, text_of(value));
}

static struct vif_ident ident(const char *ip4, const char *ip6)
{
    struct vif_ident id;

    memset(&id, 0, sizeof(id));
    if (ip4 != NULL)
        assert_int_equal(ipaddr_parse(text_of(ip4), &id.ip4), 0);
    if (ip6 != NULL)
        assert_int_equal(ipaddr_parse(text_of(ip6), &id.ip6), 0);
    return id;
}

static int reset(void **state)
{
    (void)state;
    memset(&facts, 0, sizeof(facts));
    return 0;
}

static void test_values(void **state)
{
    static const struct {
        const char *path, *value;
        int want;
    } cases[] = {
        {"/qubes-netvm-gateway", "10.137.0.4", 0},
        {"/qubes-netvm-gateway", "", 0},
        {"/qubes-netvm-gateway", "fd00::1", -EBADMSG},
        {"/qubes-netvm-gateway", "10.137.0", -EBADMSG},
        {"/qubes-netvm-gateway6", "fe80::1", 0},
        {"/qubes-netvm-gateway6", "10.137.0.4", -EBADMSG},
        {"/connected-ips", "", 0},
        {"/connected-ips", "10.137.0.5  10.137.0.6 ", 0},
        {"/connected-ips", "10.137.0.5,10.137.0.6", -EBADMSG},
        {"/connected-ips", "fd00::1", -EBADMSG},
        {"/connected-ips6", "fd00::1 fd00::2", 0},
        {"/qubes-service/qubes-firewall", "1", 0},
        {"/sysqube-behind/10.137.0.5/0000", "10.137.0.9", 0},
        {"/sysqube-behind/10.137.0.5/0001", "fd00::9", 0},
        {"/sysqube-behind/10.137.0.5/001", "10.137.0.9", -EBADMSG},
        {"/sysqube-behind/10.137.0.5/00a1", "10.137.0.9", -EBADMSG},
        {"/sysqube-behind/10.137.0.5", "10.137.0.9", -EBADMSG},
        {"/sysqube-behind/10.137.0.5/0000/1", "10.137.0.9", -EBADMSG},
        {"/sysqube-behind/fd00::5/0000", "10.137.0.9", -EBADMSG},
        {"/sysqube-behind/10.137.0.5/0002", "10.137.0.0/24", -EBADMSG},
        {"/sysqube-behind/10.137.0.5/0002", "", -EBADMSG},
        {"/sysqube-behind/10.137.0.5/0002", "0.0.0.0", -EBADMSG},
        {"/sysqube-status/firewall/10.137.0.5", "applied 1", 0},
        {"/sysqube-status/firewall/x", "applied 1", -EBADMSG},
        {"/something-else", "\xff", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int r = add(cases[i].path, cases[i].value);

        if (r != cases[i].want)
            fail_msg("%s = \"%s\": %d", cases[i].path, cases[i].value, r);
    }
}

static void test_gate(void **state)
{
    struct vif_ident both = ident("10.137.0.5", "fd00::5");
    struct vif_ident four = ident("10.137.0.5", NULL);

    (void)state;
    assert_non_null(strstr(vif_facts_waits_for(&facts, &four), "gateway"));
    add("/qubes-netvm-gateway", "10.137.0.4");
    assert_null(vif_facts_waits_for(&facts, &four));
    assert_non_null(strstr(vif_facts_waits_for(&facts, &both), "gateway6"));
    add("/qubes-netvm-gateway6", "fd00::4");
    assert_null(vif_facts_waits_for(&facts, &both));
    add("/qubes-service/qubes-firewall", "1");
    assert_non_null(strstr(vif_facts_waits_for(&facts, &four), "IPv4"));
    add("/sysqube-status/firewall/10.137.0.5", "blocked 3: bad");
    add("/sysqube-status/firewall/10.137.0.6", "applied 1");
    assert_non_null(strstr(vif_facts_waits_for(&facts, &four), "IPv4"));
    add("/sysqube-status/firewall/10.137.0.5", "applied 1");
    assert_null(vif_facts_waits_for(&facts, &four));
    assert_non_null(strstr(vif_facts_waits_for(&facts, &both), "IPv6"));
    add("/sysqube-status/firewall/fd00::5", "applied 0");
    assert_null(vif_facts_waits_for(&facts, &both));
    add("/qubes-service/qubes-firewall", "0");
    assert_false(facts.gated);
}

static void test_want(void **state)
{
    static struct vif_want w;
    struct vif_ident id = ident("10.137.0.5", NULL);
    char path[64];
    char value[32];

    (void)state;
    add("/qubes-netvm-gateway", "10.137.0.4");
    add("/sysqube-behind/10.137.0.5/0000", "10.137.1.1");
    add("/sysqube-behind/10.137.0.6/0000", "10.137.1.2");
    add("/sysqube-behind/10.137.0.5/0001", "fd00::9");
    assert_int_equal(vif_facts_want(&facts, &id, &w), 0);
    assert_int_equal(w.n_behind, 2);
    assert_true(ipaddr_eq(&w.gw4, &facts.gw4));
    assert_int_equal(w.behind[1].family, AF_INET6);
    for (unsigned i = 0; i < VIF_BEHIND_MAX; i++) {
        (void)snprintf(path, sizeof(path), "/sysqube-behind/10.137.0.5/%04u",
                       i + 2);
        (void)snprintf(value, sizeof(value), "10.137.%u.%u", 2 + i / 250,
                       1 + i % 250);
        assert_int_equal(add(path, value), 0);
    }
    assert_int_equal(vif_facts_want(&facts, &id, &w), -ENOBUFS);
    assert_int_equal(w.n_behind, VIF_BEHIND_MAX);
}

static void test_clients(void **state)
{
    static const char *const order[] = {"10.0.0.1", "10.0.0.9", "10.0.1.0",
                                        "fd00::1", "fd00::2"};
    char text[IPADDR_TEXT_MAX];

    (void)state;
    assert_int_equal(add("/connected-ips6", "fd00::2 fd00::1"), 0);
    assert_int_equal(add("/connected-ips", "10.0.1.0 10.0.0.9 10.0.0.1"), 0);
    assert_int_equal(add("/connected-ips", "10.0.0.9 10.0.0.9"), 0);
    assert_int_equal(facts.n_clients, ARRAY_LEN(order));
    for (unsigned i = 0; i < ARRAY_LEN(order); i++)
        assert_string_equal(ipaddr_format(&facts.clients[i], text), order[i]);
}

static void test_limits(void **state)
{
    struct ipaddr a = ident("10.0.0.0", NULL).ip4;
    int r = 0;

    (void)state;
    for (unsigned i = 0; i < VIF_FACTS_CLIENTS_MAX; i++) {
        a.b[2] = (uint8_t)(i >> 8);
        a.b[3] = (uint8_t)i;
        r |= vif_facts_client(&facts, &a);
    }
    assert_int_equal(r, 0);
    assert_int_equal(vif_facts_client(&facts, &a), 0); /* there already */
    a.b[1] = 1;
    assert_int_equal(vif_facts_client(&facts, &a), -ENOBUFS);
    for (unsigned i = 0; i < VIF_FACTS_BEHIND_MAX; i++)
        r |= add("/sysqube-behind/10.137.0.5/0000", "10.137.0.9");
    assert_int_equal(r, 0);
    assert_int_equal(add("/sysqube-behind/10.137.0.5/0000", "10.137.0.9"),
                     -ENOBUFS);
    for (unsigned i = 0; i < VIF_FACTS_APPLIED_MAX; i++)
        r |= add("/sysqube-status/firewall/10.137.0.5", "applied 1");
    assert_int_equal(r, 0);
    assert_int_equal(add("/sysqube-status/firewall/10.137.0.5", "applied 1"),
                     -ENOBUFS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_values, reset),
        cmocka_unit_test_setup(test_gate, reset),
        cmocka_unit_test_setup(test_want, reset),
        cmocka_unit_test_setup(test_clients, reset),
        cmocka_unit_test_setup(test_limits, reset)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
