/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of netvm/uplink_forward.c: what is a forward and what is not; one
 * wrong record leaves the others alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "netvm/uplink_forward.h"

static void test_good(void **state)
{
    struct uplink_forward f;

    (void)state;
    assert_int_equal(
        uplink_forward_parse(text_of("tcp 8080 10.137.0.5 80"), &f), 0);
    assert_int_equal(f.l4proto, IPPROTO_TCP);
    assert_int_equal(f.uplink_port, 8080);
    assert_int_equal(f.dst.family, AF_INET);
    assert_int_equal(f.dst_port, 80);
    assert_int_equal(f.from.addr.family, 0);
    assert_int_equal(
        uplink_forward_parse(
            text_of("udp 65535 fd09:24ef:4179::a89:5 1 2001:db8::/32"), &f),
        0);
    assert_int_equal(f.l4proto, IPPROTO_UDP);
    assert_int_equal(f.uplink_port, 65535);
    assert_int_equal(f.dst.family, AF_INET6);
    assert_int_equal(f.from.prefix, 32);
}

static const char *const bad[] = {
    "",
    "tcp",
    "tcp 80 10.137.0.5",
    "TCP 80 10.137.0.5 80",
    "icmp 80 10.137.0.5 80",
    "tcp 0 10.137.0.5 80",
    "tcp 65536 10.137.0.5 80",
    "tcp 080 10.137.0.5 80",
    "tcp 80 10.137.0.5 0",
    "tcp 80-81 10.137.0.5 80",
    "tcp 80 10.137.0 80",
    "tcp 80 0.0.0.0 80",
    "tcp 80 224.0.0.1 80",
    "tcp 80 127.0.0.1 80",
    "tcp  80 10.137.0.5 80",
    " tcp 80 10.137.0.5 80",
    "tcp 80 10.137.0.5 80 ",
    "tcp 80 10.137.0.5 80 192.0.2.0/33",
    "tcp 80 10.137.0.5 80 2001:db8::/32",
    "tcp 80 fd00::5 80 192.0.2.0/24",
    "tcp 80 10.137.0.5 80 192.0.2.0/24 x",
    "udp 68 10.137.0.5 68",
    "udp 546 fd00::5 546",
};

static void test_bad(void **state)
{
    struct uplink_forward f, was;

    (void)state;
    memset(&f, 0x55, sizeof(f));
    was = f;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (uplink_forward_parse(text_of(bad[i]), &f) != -EBADMSG)
            fail_msg("'%s' was taken", bad[i]);
        assert_memory_equal(&f, &was, sizeof(f));
    }
}

static void test_list(void **state)
{
    static struct uplink_forwards l;
    char buf[UPLINK_FORWARD_WHY_MAX];

    (void)state;
    uplink_forwards_add(&l, text_of("0000"), text_of("tcp 1 10.0.0.1 2"));
    assert_string_equal(uplink_forwards_status(&l, buf), "applied 1");
    uplink_forwards_add(&l, text_of("1"), text_of("tcp 1 10.0.0.1 2"));
    uplink_forwards_add(&l, text_of("0002"), text_of("tcp x"));
    uplink_forwards_add(&l, text_of("0003"), text_of("udp 9 10.0.0.1 2"));
    assert_int_equal(l.n, 2);
    assert_string_equal(uplink_forwards_status(&l, buf),
                        "error 1: not four digits");
    l.error[0] = 0;
    for (unsigned i = 0; i < UPLINK_FORWARDS_MAX; i++)
        uplink_forwards_add(&l, text_of("0009"), text_of("udp 9 10.0.0.1 2"));
    assert_int_equal(l.n, UPLINK_FORWARDS_MAX);
    assert_string_equal(uplink_forwards_status(&l, buf),
                        "error 0009: too many forwards");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
