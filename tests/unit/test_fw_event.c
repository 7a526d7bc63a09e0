/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/rules/fw_event.c: blocked packets to text and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "rules/fw_event.h"

static void test_both_ways(void **state)
{
    static const char *const t[] = {
        "1 1700000000 10.137.0.7 198.51.100.1 tcp 443 rule:0000",
        "18446744073709551615 99999999999 10.137.0.7 198.51.100.1 udp 0 "
        "policy",
        "2 3 fd09::7 2001:db8::1 icmp 128 name:9999",
        "2 3 10.0.0.1 10.0.0.2 icmp 8 to-qube",
        "2 3 10.0.0.1 10.0.0.2 58 - spoof",
        "2 3 fd09::7 2001:db8::1 1 - limit",
        "2 3 fd09::7 2001:db8::1 43 - extension-header",
        "2 3 10.0.0.1 10.0.0.2 tcp - quota",
        "2 3 10.0.0.1 10.0.0.2 132 - from-uplink",
        "2 3 10.0.0.1 10.0.0.2 0 - no-list",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        char buf[FW_EVENT_TEXT_MAX];
        struct fw_event e;

        if (fw_event_parse(text_of(t[i]), &e) || fw_event_check(&e))
            fail_msg("refused: %s", t[i]);
        assert_int_equal(fw_event_format(&e, buf), (int)strlen(t[i]));
        assert_string_equal(buf, t[i]);
    }
}

/* The longest of all fields fit the buffer and a status value. */
static void test_longest(void **state)
{
    static const char addr[] = "aaaa:bbbb:cccc:dddd:eeee:ffff:aaaa:bbbb";
    struct fw_event e = {.seq = UINT64_MAX,
                         .epoch_s = 99999999999u,
                         .reason = FW_REASON_EXTHDR,
                         .l4proto = 255,
                         .has_port = true,
                         .port = 65535};
    char buf[FW_EVENT_TEXT_MAX];
    int len;

    (void)state;
    assert_int_equal(ipaddr_parse(text_of(addr), &e.src), 0);
    e.dst = e.src;
    len = fw_event_format(&e, buf);
    assert_int_equal(len, strlen(buf));
    assert_int_equal(fw_event_parse(text_of(buf), &e), 0);
}

static void test_bad(void **state)
{
    static const char *const t[] = {
        "",
        "1 2 10.0.0.1 10.0.0.2 tcp 1",
        "1 2 10.0.0.1 10.0.0.2 tcp 1 rule",
        "1 2 10.0.0.1 10.0.0.2 tcp 1 rule:",
        "1 2 10.0.0.1 10.0.0.2 tcp 1 rule:1",
        "1 2 10.0.0.1 10.0.0.2 tcp 1 rule:00001",
        "1 2 10.0.0.1 10.0.0.2 tcp 1 rule:0001:2",
        "1 2 10.0.0.1 10.0.0.2 tcp 1 policy:0001",
        "1 2 10.0.0.1 10.0.0.2 tcp 1 policy ",
        "1 2 10.0.0.1 10.0.0.2 tcp 1 because",
        "1 2 10.0.0.1 10.0.0.2 tcp 65536 policy",
        "1 2 10.0.0.1 10.0.0.2 tcp -1 policy",
        "1 2 10.0.0.1 10.0.0.2 256 1 policy",
        "1 2 10.0.0.1 10.0.0.2 sctp 1 policy",
        "1 2 10.0.0.1 fd09::1 tcp 1 policy",
        "1 2 10.0.0 10.0.0.2 tcp 1 policy",
        "1 100000000000 10.0.0.1 10.0.0.2 tcp 1 policy",
        "1  2 10.0.0.1 10.0.0.2 tcp 1 policy",
        "1 2 10.0.0.1 10.0.0.2 tcp 1 policy extra",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct fw_event e;

        if (fw_event_parse(text_of(t[i]), &e) != -EBADMSG)
            fail_msg("taken: '%s'", t[i]);
    }
}

static void test_check(void **state)
{
    struct fw_event good = {.reason = FW_REASON_POLICY, .l4proto = IPPROTO_TCP};
    struct fw_event e;

    (void)state;
    good.src.family = good.dst.family = AF_INET;
    assert_int_equal(fw_event_check(&good), 0);
#define WRONG(change)                                                          \
    do {                                                                       \
        e = good;                                                              \
        e.change;                                                              \
        assert_int_equal(fw_event_check(&e), -EBADMSG);                        \
    } while (0)
    WRONG(reason = 0);
    WRONG(reason = FW_REASON_LAST + 1);
    WRONG(number = 1);
    WRONG(port = 1);
    WRONG(src.family = 0);
    WRONG(dst.family = AF_INET6);
    WRONG(epoch_s = UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
