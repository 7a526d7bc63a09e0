/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of netvm/uplink_state.c: sequences of records and settings in, the
 * three texts out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "netvm/uplink_state.h"

static struct dhcp_facts record(uint8_t source, uint8_t event,
                                const char *ifname, const char *addr,
                                const char *gw, const char *dns)
{
    struct dhcp_facts f = {
        .version = DHCP_FACTS_VERSION, .source = source, .event = event};
    struct text rest = text_of(dns);
    struct text piece;

    snprintf(f.ifname, sizeof(f.ifname), "%s", ifname);
    if (*addr)
        assert_int_equal(ipnet_parse(text_of(addr), &f.addr), 0);
    if (*gw)
        assert_int_equal(ipaddr_parse(text_of(gw), &f.gateway), 0);
    while (*dns && parse_split(&rest, ' ', &piece))
        assert_int_equal(ipaddr_parse(piece, &f.dns[f.n_dns++]), 0);
    assert_int_equal(dhcp_facts_check(&f), 0);
    return f;
}

#define V4 DHCP_FACTS_V4
#define V6 DHCP_FACTS_V6
#define RA DHCP_FACTS_RA
#define HAVE DHCP_FACTS_HAVE

static void take(struct uplink_state *s, struct dhcp_facts f, bool changes)
{
    assert_int_equal(uplink_state_take(s, &f), changes);
}

static void want(const struct uplink_state *s, const char *status,
                 const char *resolv, const char *external)
{
    char buf[UPLINK_RESOLV_MAX];

    assert_string_equal(uplink_state_status(s, buf), status);
    size_t n = uplink_state_resolv(s, buf);
    assert_string_equal(buf, resolv);
    assert_int_equal(n, strlen(buf));
    n = uplink_state_external(s, buf);
    assert_string_equal(buf, external);
    assert_int_equal(n, strlen(buf));
    assert_int_equal(uplink_state_has_ipv6(s),
                     strstr(external, "inet6") != NULL);
}

static void test_dhcp(void **state)
{
    struct uplink_state s;

    (void)state;
    uplink_state_init(&s);
    want(&s, "down no interface", "", "");
    snprintf(s.ifname, sizeof(s.ifname), "eth0");
    want(&s, "down no address on eth0", "", "");
    take(&s,
         record(V4, HAVE, "eth0", "192.0.2.5/24", "192.0.2.1",
                "192.0.2.1 192.0.2.2"),
         true);
    want(&s, "up eth0 192.0.2.5/24 gw 192.0.2.1 dns 192.0.2.1,192.0.2.2",
         "nameserver 192.0.2.1\nnameserver 192.0.2.2\n",
         "inet 192.0.2.5/24 scope global eth0");
    take(&s, record(RA, HAVE, "eth0", "2001:db8::5/64", "fe80::1", "fe80::1"),
         true);
    take(&s, record(V6, HAVE, "eth0", "2001:db8::140/128", "", "2001:db8::1"),
         true);
    want(&s,
         "up eth0 192.0.2.5/24 gw 192.0.2.1 dns "
         "192.0.2.1,192.0.2.2,2001:db8::1,fe80::1",
         "nameserver 192.0.2.1\nnameserver 192.0.2.2\n"
         "nameserver 2001:db8::1\nnameserver fe80::1%eth0\n",
         "inet 192.0.2.5/24 scope global eth0\n"
         "inet6 2001:db8::140/128 scope global eth0");
    take(&s, record(V4, DHCP_FACTS_LOST, "eth0", "", "", ""), true);
    want(&s, "up eth0 2001:db8::140/128 gw fe80::1 dns 2001:db8::1,fe80::1",
         "nameserver 2001:db8::1\nnameserver fe80::1%eth0\n",
         "inet6 2001:db8::140/128 scope global eth0");
    take(&s, record(DHCP_FACTS_LINK, DHCP_FACTS_LOST, "eth0", "", "", ""),
         true);
    want(&s, "down no address on eth0", "", "");
}

static void test_same_server_once(void **state)
{
    struct uplink_state s;

    (void)state;
    uplink_state_init(&s);
    take(&s, record(V6, HAVE, "eth0", "", "", "2001:db8::1"), true);
    take(&s,
         record(RA, HAVE, "eth0", "2001:db8::5/64", "fe80::1", "2001:db8::1"),
         true);
    want(&s, "up eth0 2001:db8::5/64 gw fe80::1 dns 2001:db8::1",
         "nameserver 2001:db8::1\n", "inet6 2001:db8::5/64 scope global eth0");
}

static void test_bad(void **state)
{
    struct uplink_state s;

    (void)state;
    uplink_state_init(&s);
    take(&s, record(V4, DHCP_FACTS_BAD, "eth0", "", "", ""), true);
    want(&s, "error the network's answer on eth0 is malformed", "", "");
    take(&s, record(V4, HAVE, "eth0", "192.0.2.5/24", "", ""), true);
    want(&s, "up eth0 192.0.2.5/24 gw none dns none", "",
         "inet 192.0.2.5/24 scope global eth0");
}

static void test_other_interface(void **state)
{
    struct uplink_state s;

    (void)state;
    uplink_state_init(&s);
    take(&s, record(V4, HAVE, "eth0", "192.0.2.5/24", "", ""), true);
    take(&s, record(DHCP_FACTS_LINK, DHCP_FACTS_LOST, "eth1", "", "", ""),
         false);
    want(&s, "up eth0 192.0.2.5/24 gw none dns none", "",
         "inet 192.0.2.5/24 scope global eth0");
    take(&s, record(RA, HAVE, "eth1", "", "fe80::1", ""), true);
    want(&s, "down no address on eth1", "", "");
}

static void test_static(void **state)
{
    struct uplink_state s;

    (void)state;
    uplink_state_init(&s);
    uplink_conf_set(&s.conf, "mode", text_of("static"));
    uplink_conf_set(&s.conf, "address", text_of("192.0.2.5/24"));
    uplink_conf_set(&s.conf, "gateway", text_of("192.0.2.1"));
    uplink_conf_set(&s.conf, "dns", text_of("192.0.2.9"));
    assert_int_equal(uplink_conf_check(&s.conf), 0);
    want(&s, "down no interface", "", "");
    snprintf(s.ifname, sizeof(s.ifname), "eth0");
    take(&s, record(V4, HAVE, "eth0", "203.0.113.5/24", "", ""), false);
    want(&s, "up eth0 192.0.2.5/24 gw 192.0.2.1 dns 192.0.2.9",
         "nameserver 192.0.2.9\n", "inet 192.0.2.5/24 scope global eth0");
    snprintf(s.error, sizeof(s.error), "eth0: address: no");
    want(&s, "error eth0: address: no", "nameserver 192.0.2.9\n", "");
    uplink_conf_set(&s.conf, "dns", text_of("x"));
    want(&s, "error dns 'x': expected up to 4 addresses, one blank between", "",
         "");
}

/* The longest texts fit their buffers. */
static void test_longest(void **state)
{
    struct uplink_state s;
    char buf[UPLINK_RESOLV_MAX];
    static const char *const base = "2001:db8:ffff:ffff:ffff:ffff:ffff:";

    (void)state;
    uplink_state_init(&s);
    for (uint8_t src = RA; src <= V6; src++) {
        char dns[256];
        size_t at = 0;

        for (unsigned i = 0; i < DHCP_FACTS_DNS; i++)
            at += (size_t)snprintf(dns + at, sizeof(dns) - at, "%s%s%x",
                                   i ? " " : "", base, 0xf000u + src * 16u + i);
        take(&s,
             record(src, HAVE, "a23456789012345",
                    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128",
                    src == RA ? "fe80::ffff:ffff:ffff:ffff" : "", dns),
             true);
    }
    uplink_state_status(&s, buf);
    assert_true(strlen(buf) < UPLINK_STATUS_MAX);
    assert_non_null(strstr(buf, "f023"));
    uplink_state_resolv(&s, buf);
    assert_non_null(strstr(buf, "f013\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dhcp),   cmocka_unit_test(test_same_server_once),
        cmocka_unit_test(test_bad),    cmocka_unit_test(test_other_interface),
        cmocka_unit_test(test_static), cmocka_unit_test(test_longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
