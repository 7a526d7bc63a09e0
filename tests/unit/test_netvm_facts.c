/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of netvm/dhcp_facts.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "netvm/dhcp_facts.h"

#define ENV_MAX 12
#define LEASE4 "reason=BOUND", "interface=eth0", "new_ip_address=192.0.2.54"

/* A record as text, so that the tables show all of it. */
static void show(const struct dhcp_facts *f, char *buf, size_t cap)
{
    static const char *const sources[] = {"v4", "ra", "v6", "link"};
    static const char *const events[] = {"have", "lost", "bad"};
    char a[IPNET_TEXT_MAX] = "-";
    char g[IPADDR_TEXT_MAX] = "-";
    size_t at;

    if (f->addr.addr.family)
        ipnet_format(&f->addr, a);
    if (f->gateway.family)
        ipaddr_format(&f->gateway, g);
    at = (size_t)snprintf(buf, cap, "%s %s %s %s %s mtu %u", sources[f->source],
                          events[f->event], f->ifname, a, g, f->mtu);
    for (unsigned i = 0; i < f->n_dns; i++)
        at += (size_t)snprintf(buf + at, cap - at, " %s",
                               ipaddr_format(&f->dns[i], a));
}

static const struct {
    const char *name;
    const char *env[ENV_MAX];
    int want;
    const char *record;
} CASES[] = {
    {"lease",
     {LEASE4, "new_subnet_cidr=24", "new_routers=192.0.2.1",
      "new_domain_name_servers=192.0.2.1 192.0.2.2"},
     0,
     "v4 have eth0 192.0.2.54/24 192.0.2.1 mtu 0 192.0.2.1 192.0.2.2"},
    {"lease alone",
     {LEASE4, "new_subnet_cidr=32"},
     0,
     "v4 have eth0 192.0.2.54/32 - mtu 0"},
    {"mtu",
     {LEASE4, "new_subnet_cidr=24", "new_interface_mtu=1400"},
     0,
     "v4 have eth0 192.0.2.54/24 - mtu 1400"},
    {"tiny mtu is not used",
     {LEASE4, "new_subnet_cidr=24", "new_interface_mtu=68"},
     0,
     "v4 have eth0 192.0.2.54/24 - mtu 0"},
    {"mtu no number",
     {LEASE4, "new_subnet_cidr=24", "new_interface_mtu=abc"},
     -EBADMSG,
     "v4 bad eth0 - - mtu 0"},
    {"expire",
     {"reason=EXPIRE", "interface=eth0", "new_ip_address=192.0.2.54"},
     0,
     "v4 lost eth0 - - mtu 0"},
    {"no carrier",
     {"reason=NOCARRIER", "interface=eth0"},
     0,
     "link lost eth0 - - mtu 0"},
    {"nothing to tell", {"reason=PREINIT", "interface=eth0"}, -ENODATA, ""},
    {"stopped", {"reason=STOPPED", "interface=eth0"}, -ENODATA, ""},
    {"unknown reason", {"reason=BOUND7", "interface=eth0"}, -ENODATA, ""},
    {"no reason", {"interface=eth0"}, -EPROTO, ""},
    {"no interface", {"reason=BOUND"}, -EPROTO, ""},
    {"a client's interface", {"reason=BOUND", "interface=vif5.0"}, -EPROTO, ""},
    {"odd interface", {"reason=BOUND", "interface=../x"}, -EPROTO, ""},
    {"no address",
     {"reason=BOUND", "interface=eth0", "new_subnet_cidr=24"},
     -EBADMSG,
     "v4 bad eth0 - - mtu 0"},
    {"no length", {LEASE4}, -EBADMSG, "v4 bad eth0 - - mtu 0"},
    {"length 0",
     {LEASE4, "new_subnet_cidr=0"},
     -EBADMSG,
     "v4 bad eth0 - - mtu 0"},
    {"length 33",
     {LEASE4, "new_subnet_cidr=33"},
     -EBADMSG,
     "v4 bad eth0 - - mtu 0"},
    {"twice",
     {LEASE4, "new_subnet_cidr=24", "new_subnet_cidr=8"},
     -EBADMSG,
     "v4 bad eth0 - - mtu 0"},
    {"loopback lease",
     {"reason=BOUND", "interface=eth0", "new_ip_address=127.0.0.1",
      "new_subnet_cidr=8"},
     -EBADMSG,
     "v4 bad eth0 - - mtu 0"},
    {"the resolver's address",
     {"reason=BOUND", "interface=eth0", "new_ip_address=10.139.1.1",
      "new_subnet_cidr=24"},
     -EBADMSG,
     "v4 bad eth0 - - mtu 0"},
    {"useless servers are passed over",
     {LEASE4, "new_subnet_cidr=24",
      "new_domain_name_servers=127.0.0.1 10.139.1.2 0.0.0.0 224.0.0.1 "
      "192.0.2.9"},
     0,
     "v4 have eth0 192.0.2.54/24 - mtu 0 192.0.2.9"},
    {"four servers at most",
     {LEASE4, "new_subnet_cidr=24",
      "new_domain_name_servers=1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5"},
     0,
     "v4 have eth0 192.0.2.54/24 - mtu 0 1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4"},
    {"a server that is a name",
     {LEASE4, "new_subnet_cidr=24", "new_domain_name_servers=evil"},
     -EBADMSG,
     "v4 bad eth0 - - mtu 0"},
    {"line feed in a server",
     {LEASE4, "new_subnet_cidr=24",
      "new_domain_name_servers=192.0.2.1\nnameserver 1.2.3.4"},
     -EBADMSG,
     "v4 bad eth0 - - mtu 0"},
    {"two blanks",
     {LEASE4, "new_subnet_cidr=24", "new_routers=192.0.2.1  192.0.2.2"},
     -EBADMSG,
     "v4 bad eth0 - - mtu 0"},
    {"router advertisement",
     {"reason=ROUTERADVERT", "interface=eth0", "nd1_from=fe80::1",
      "nd1_addr1=2001:db8::5/64", "nd1_mtu=1500",
      "nd1_rdnss1_servers=fe80::1 2001:db8::1"},
     0,
     "ra have eth0 2001:db8::5/64 fe80::1 mtu 1500 fe80::1 2001:db8::1"},
    {"server with scope",
     {"reason=ROUTERADVERT", "interface=eth0", "nd1_from=fe80::1",
      "nd1_rdnss1_servers=fe80::2%eth0 2001:db8::1"},
     0,
     "ra have eth0 - fe80::1 mtu 0 fe80::2 2001:db8::1"},
    {"server with another scope",
     {"reason=ROUTERADVERT", "interface=eth0", "nd1_from=fe80::1",
      "nd1_rdnss1_servers=fe80::2%eth1"},
     -EBADMSG,
     "ra bad eth0 - - mtu 0"},
    {"global server with scope",
     {"reason=ROUTERADVERT", "interface=eth0", "nd1_from=fe80::1",
      "nd1_rdnss1_servers=2001:db8::1%eth0"},
     -EBADMSG,
     "ra bad eth0 - - mtu 0"},
    {"no router left",
     {"reason=ROUTERADVERT", "interface=eth0"},
     0,
     "ra lost eth0 - - mtu 0"},
    {"IPv4 router",
     {"reason=ROUTERADVERT", "interface=eth0", "nd1_from=192.0.2.1"},
     -EBADMSG,
     "ra bad eth0 - - mtu 0"},
    {"advertised link-local",
     {"reason=ROUTERADVERT", "interface=eth0", "nd1_from=fe80::1",
      "nd1_addr1=fe80::5/64"},
     -EBADMSG,
     "ra bad eth0 - - mtu 0"},
    {"hidden IPv4",
     {"reason=ROUTERADVERT", "interface=eth0", "nd1_from=fe80::1",
      "nd1_rdnss1_servers=::ffff:127.0.0.1"},
     0,
     "ra have eth0 - fe80::1 mtu 0"},
    {"lease 6",
     {"reason=BOUND6", "interface=eth0",
      "new_dhcp6_ia_na1_ia_addr1=2001:db8::140",
      "new_dhcp6_name_servers=2001:db8::1"},
     0,
     "v6 have eth0 2001:db8::140/128 - mtu 0 2001:db8::1"},
    {"lease 6 without address",
     {"reason=INFORM6", "interface=eth0", "new_dhcp6_name_servers=2001:db8::1"},
     0,
     "v6 have eth0 - - mtu 0 2001:db8::1"},
    {"lease 6 multicast",
     {"reason=BOUND6", "interface=eth0", "new_dhcp6_ia_na1_ia_addr1=ff02::1"},
     -EBADMSG,
     "v6 bad eth0 - - mtu 0"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        static char store[ENV_MAX][256];
        char *envp[ENV_MAX + 1] = {NULL};
        struct dhcp_facts f = {.version = 77};
        char text[400] = "";

        for (size_t k = 0; k < ENV_MAX && CASES[i].env[k]; k++) {
            snprintf(store[k], sizeof(store[k]), "%s", CASES[i].env[k]);
            envp[k] = store[k];
        }
        int r = dhcp_facts_from_env(envp, &f);
        if (r == 0 || r == -EBADMSG) {
            show(&f, text, sizeof(text));
            assert_int_equal(dhcp_facts_check(&f), 0);
        } else {
            assert_int_equal(f.version, 77);
        }
        assert_string_equal(text, CASES[i].record);
        assert_int_equal(r, CASES[i].want);
    }
}

static void test_long_value(void **state)
{
    static char value[DHCP_FACTS_VALUE_MAX + 64];
    char reason[] = "reason=BOUND";
    char ifname[] = "interface=eth0";
    char *envp[] = {reason, ifname, value, NULL};
    struct dhcp_facts f;

    (void)state;
    memset(value, '1', sizeof(value) - 1);
    memcpy(value, "new_ip_address=", 15);
    assert_int_equal(dhcp_facts_from_env(envp, &f), -EBADMSG);
    assert_int_equal(f.event, DHCP_FACTS_BAD);
}

static struct dhcp_facts good(void)
{
    static char env[][40] = {"reason=BOUND",
                             "interface=eth0",
                             "new_ip_address=192.0.2.5",
                             "new_subnet_cidr=24",
                             "new_routers=192.0.2.1",
                             "new_domain_name_servers=192.0.2.1"};
    char *envp[] = {env[0], env[1], env[2], env[3], env[4], env[5], NULL};
    struct dhcp_facts f;

    assert_int_equal(dhcp_facts_from_env(envp, &f), 0);
    return f;
}

/* Every field of a record is checked by the receiver as well. */
static void test_check(void **state)
{
    struct dhcp_facts f = good();

    (void)state;
    assert_int_equal(dhcp_facts_check(&f), 0);
#define REFUSED(change)                                                        \
    do {                                                                       \
        f = good();                                                            \
        change;                                                                \
        assert_int_equal(dhcp_facts_check(&f), -EBADMSG);                      \
    } while (0)
    REFUSED(f.version = 2);
    REFUSED(f.source = DHCP_FACTS_SOURCES);
    REFUSED(f.source = DHCP_FACTS_LINK);
    REFUSED(f.source = DHCP_FACTS_V6);
    REFUSED(f.event = DHCP_FACTS_EVENTS);
    REFUSED(f.event = DHCP_FACTS_LOST);
    REFUSED(f.reserved = 1);
    REFUSED(f.n_dns = 5);
    REFUSED(f.n_dns = 0);
    REFUSED(f.n_dns = 2);
    REFUSED(f.mtu = 100);
    REFUSED(f.mtu = 100000);
    REFUSED(f.ifname[0] = '\0');
    REFUSED(memset(f.ifname, 'a', sizeof(f.ifname)));
    REFUSED(f.ifname[10] = 'x');
    REFUSED(memcpy(f.ifname, "vif1", 5));
    REFUSED(f.addr.prefix = 0);
    REFUSED(f.addr.prefix = 33);
    REFUSED(f.addr.addr.family = 0);
    REFUSED(f.addr.addr.family = AF_INET6);
    REFUSED(f.addr.addr.b[0] = 127);
    REFUSED(f.addr.addr.b[9] = 1);
    REFUSED(f.gateway.b[0] = 0);
    REFUSED(f.gateway.family = 77);
    REFUSED(f.dns[0].b[0] = 255);
    REFUSED(memset(&f.dns[3], 1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_long_value),
        cmocka_unit_test(test_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
