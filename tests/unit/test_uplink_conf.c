/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of netvm/uplink_conf.c and uplink_name.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "netvm/uplink_conf.h"
#include "netvm/uplink_name.h"

static const struct {
    const char *name;
    bool valid;
    bool uplink;
} NAMES[] = {
    {"eth0", true, true},
    {"enp0s31f6", true, true},
    {"lo", true, false},
    {"vif5.0", true, false},
    {"vif", true, false},
    {"vi", true, true},
    {"lo1", true, true},
    {"", false, false},
    {".", false, false},
    {"..", false, false},
    {"a/b", false, false},
    {"a b", false, false},
    {"a:b", false, false},
    {"e\n", false, false},
    {"a23456789012345", true, true},
    {"a234567890123456", false, false},
};

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        struct text t = text_of(NAMES[i].name);

        assert_int_equal(uplink_name_valid(t), NAMES[i].valid);
        assert_int_equal(uplink_name_is_uplink(t), NAMES[i].uplink);
    }
}

#define KEYS_MAX 6
static const struct {
    const char *name;
    const char *kv[KEYS_MAX * 2]; /* key, value, ..., NULL */
    const char *error;            /* begin of it, NULL: fine */
} CASES[] = {
    {"nothing", {NULL}, NULL},
    {"dhcp", {"mode", "dhcp"}, NULL},
    {"empty value is none", {"mode", ""}, NULL},
    {"static 4",
     {"mode", "static", "address", "192.0.2.2/24", "gateway", "192.0.2.1",
      "dns", "192.0.2.1 2001:db8::1"},
     NULL},
    {"static 6",
     {"mode", "static", "address6", "2001:db8::2/64", "gateway6", "fe80::1"},
     NULL},
    {"host address",
     {"mode", "static", "address", "192.0.2.2/32", "gateway", "198.51.100.1"},
     NULL},
    {"wrong mode", {"mode", "bridge"}, "mode 'bridge': expected dhcp or"},
    {"unknown key", {"adress", "1"}, "unknown key 'adress'"},
    {"hostile key", {"a\033[2J", "1"}, "unknown key 'a_[2J'"},
    {"no address", {"mode", "static"}, "mode static needs address"},
    {"no length",
     {"mode", "static", "address", "192.0.2.2"},
     "address '192.0.2.2': expected"},
    {"length 0", {"address", "192.0.2.2/0"}, "address '192.0.2.2/0'"},
    {"wrong family", {"address", "2001:db8::1/64"}, "address '2001"},
    {"wrong family 6", {"address6", "192.0.2.2/24"}, "address6 '192"},
    {"loopback", {"address", "127.0.0.1/8"}, "address '127.0.0.1/8'"},
    {"multicast gateway", {"gateway", "224.0.0.1"}, "gateway '224"},
    {"gateway outside",
     {"mode", "static", "address", "192.0.2.2/24", "gateway", "198.51.100.1"},
     "gateway is outside"},
    {"gateway alone",
     {"mode", "static", "address6", "2001:db8::2/64", "gateway", "192.0.2.1"},
     "gateway without address"},
    {"gateway6 alone",
     {"mode", "static", "address", "192.0.2.2/24", "gateway6", "fe80::1"},
     "gateway6 without"},
    {"dns two blanks", {"dns", "192.0.2.1  192.0.2.2"}, "dns '"},
    {"dns name", {"dns", "dns.example"}, "dns 'dns.example'"},
    {"dns five",
     {"dns", "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5"},
     "dns '1.1.1.1"},
    {"first fault", {"mode", "x", "dns", "y"}, "mode 'x'"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct uplink_conf c;
        int r;

        uplink_conf_init(&c);
        for (size_t k = 0; k + 1 < KEYS_MAX * 2 && CASES[i].kv[k]; k += 2)
            uplink_conf_set(&c, CASES[i].kv[k], text_of(CASES[i].kv[k + 1]));
        r = uplink_conf_check(&c);
        if (!CASES[i].error) {
            assert_string_equal(c.error, "");
            assert_int_equal(r, 0);
            continue;
        }
        assert_int_equal(r, -EINVAL);
        assert_int_equal(
            strncmp(c.error, CASES[i].error, strlen(CASES[i].error)), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_cases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
