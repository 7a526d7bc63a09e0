/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of vif/agent_plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "vif/agent_plan.h"

enum { MAC, IP, GW, IP6, GW6, DNS1, DNS2, DNS6 };

static void set(struct agent_conf *c, unsigned i, const char *value)
{
    assert_int_equal(agent_plan_set(c, i, text_of(value)), 0);
}

static void test_set(void **state)
{
    static const struct {
        unsigned key;
        const char *value;
        int want;
    } cases[] = {
        {MAC, "00:16:3e:5e:6c:00", 0},
        {MAC, "00:16:3e:5e:6c", -EBADMSG},
        {MAC, "", 0},
        {IP, "10.137.0.5", 0},
        {IP, "10.137.0.5/32", -EBADMSG},
        {IP, "fd00::5", -EBADMSG},
        {IP, "127.0.0.1", -EBADMSG},
        {IP, "255.255.255.255", -EBADMSG},
        {GW, "10.137.0.4", 0},
        {IP6, "fd00::5", 0},
        {IP6, "fe80::5", -EBADMSG},
        {IP6, "10.137.0.5", -EBADMSG},
        {GW6, "fe80::1", 0},
        {DNS1, "10.139.1.1", 0},
        {DNS2, "fd00::53", 0},
        {DNS6, "fd00::53", 0},
        {DNS6, "10.139.1.1", -EBADMSG},
        {DNS2, "host", -EBADMSG},
        {DNS1, "", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct agent_conf c;
        struct agent_conf before;
        int r;

        memset(&c, 0, sizeof(c));
        before = c;
        r = agent_plan_set(&c, cases[i].key, text_of(cases[i].value));
        if (r != cases[i].want)
            fail_msg("key %u \"%s\": %d", cases[i].key, cases[i].value, r);
        if (cases[i].value[0] == '\0')
            assert_memory_equal(&c, &before, sizeof(c));
        else if (r < 0)
            assert_true(!c.have_mac && c.ip4.family == 0 && c.ip6.family == 0 &&
                        c.dns[1].family == 0);
    }
}

static void test_choose(void **state)
{
    static const struct vif_link_info links[] = {
        {1, "lo", true, true, false, {0}},
        {7, "vif5.0", true, false, true, {0xfe, 255, 255, 255, 255, 255}},
        {4, "eth1", false, false, true, {0, 0x16, 0x3e, 0x5e, 0x6c, 1}},
        {3, "eth0", false, false, true, {0, 0x16, 0x3e, 0x5e, 0x6c, 0}},
        {2, "tun0", true, false, false, {0}},
    };
    struct agent_conf c;

    (void)state;
    memset(&c, 0, sizeof(c));
    assert_int_equal(agent_plan_choose(&c, links, ARRAY_LEN(links)), 3);
    set(&c, MAC, "00:16:3e:5e:6c:01");
    assert_int_equal(agent_plan_choose(&c, links, ARRAY_LEN(links)), 2);
    set(&c, MAC, "00:16:3e:5e:6c:02");
    assert_int_equal(agent_plan_choose(&c, links, ARRAY_LEN(links)), -ENOENT);
    set(&c, MAC, "fe:ff:ff:ff:ff:ff");
    assert_int_equal(agent_plan_choose(&c, links, ARRAY_LEN(links)), -ENOENT);
    assert_int_equal(agent_plan_choose(&c, links, 0), -ENOENT);
}

static void expect(const struct agent_conf *c, const char *want)
{
    static const char *const names[] = {[VIF_OP_PREPARE] = "prepare",
                                        [VIF_OP_NEIGH] = "neigh",
                                        [VIF_OP_UP] = "up",
                                        [VIF_OP_ROUTE] = "route",
                                        [VIF_OP_ADDR] = "addr"};
    struct vif_steps steps;
    char text[512] = "";
    size_t n = 0;

    agent_plan_build(c, &steps);
    for (unsigned i = 0; i < steps.n; i++) {
        const struct vif_step *s = &steps.s[i];
        char net[IPNET_TEXT_MAX] = "";
        char via[IPADDR_TEXT_MAX] = "";

        assert_true((size_t)s->op < ARRAY_LEN(names) && names[s->op] != NULL);
        if (s->net.addr.family != 0)
            ipnet_format(&s->net, net);
        if (s->via.family != 0)
            ipaddr_format(&s->via, via);
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %s%s%s\n",
                              names[s->op], net, via[0] ? " via " : "", via);
    }
    assert_string_equal(text, want);
}

static void test_build(void **state)
{
    struct agent_conf c;

    (void)state;
    memset(&c, 0, sizeof(c));
    expect(&c, "");
    set(&c, GW, "10.137.0.4"); /* a gateway alone is nothing */
    expect(&c, "");
    set(&c, IP, "10.137.0.5");
    expect(&c, "prepare \nneigh 10.137.0.4/32\naddr 10.137.0.5/32\nup \n"
               "route 10.137.0.4/32\nroute 0.0.0.0/0 via 10.137.0.4\n");
    set(&c, IP6, "fd00::5"); /* no gateway: an address only */
    expect(&c, "prepare \nneigh 10.137.0.4/32\naddr 10.137.0.5/32\n"
               "addr fd00::5/128\nup \nroute 10.137.0.4/32\n"
               "route 0.0.0.0/0 via 10.137.0.4\n");
    set(&c, GW6, "fd00::4");
    expect(&c, "prepare \nneigh 10.137.0.4/32\naddr 10.137.0.5/32\n"
               "neigh fd00::4/128\naddr fd00::5/128\nup \n"
               "route 10.137.0.4/32\nroute 0.0.0.0/0 via 10.137.0.4\n"
               "route fd00::4/128\nroute ::/0 via fd00::4\n");
}

static void test_resolv(void **state)
{
    struct agent_conf c;
    char text[AGENT_RESOLV_MAX];

    (void)state;
    memset(&c, 0, sizeof(c));
    assert_int_equal(agent_plan_resolv(&c, text), 0);
    set(&c, DNS2, "10.139.1.2");
    assert_int_equal(agent_plan_resolv(&c, text), 22);
    assert_memory_equal(text, "nameserver 10.139.1.2\n", 22);
    set(&c, DNS1, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
    set(&c, DNS2, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffd");
    set(&c, DNS6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc");
    assert_int_equal(agent_plan_resolv(&c, text), 3 * 51);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set), cmocka_unit_test(test_choose),
        cmocka_unit_test(test_build), cmocka_unit_test(test_resolv)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
