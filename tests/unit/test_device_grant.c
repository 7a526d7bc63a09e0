/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/device/usb_grant.c: the keys of granted devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "device/usb_grant.h"
#include "lib/err.h"
#include "lib/mem.h"

#define H "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1ef0"
#define GRANT "client=7 vport=2000 gen=3 hash=" H
#define ATTACH "backend=3 vport=2002 speed=5 devid=65539 hash=" H
#define STAT "in=1 out=2 flight=3 p50us=4 p99us=5 refused=6"
#define LONG80                                                                 \
    "0123456789012345678901234567890123456789"                                 \
    "0123456789012345678901234567890123456789"

enum key { KEY_GRANT, KEY_ATTACH, KEY_DEV, KEY_EXPORT, KEY_IMPORT, KEY_STAT };

/* Parse and write again: a good text comes back as it was. */
static int turn(enum key key, const char *text, char out[USB_GRANT_TEXT_MAX])
{
    union {
        struct usb_grant grant;
        struct usb_attach attach;
        struct usb_dev dev;
        struct usb_link_state link;
        struct usb_stat stat;
    } u;
    struct text t = text_of(text);
    int r;

    memset(&u, 0xa5, sizeof(u));
    switch (key) {
    case KEY_GRANT:
        r = usb_grant_parse(t, &u.grant);
        return r < 0 ? r : usb_grant_format(&u.grant, out);
    case KEY_ATTACH:
        r = usb_attach_parse(t, &u.attach);
        return r < 0 ? r : usb_attach_format(&u.attach, out);
    case KEY_DEV:
        r = usb_dev_parse(t, &u.dev);
        return r < 0 ? r : usb_dev_format(&u.dev, out);
    case KEY_EXPORT:
        r = usb_export_parse(t, &u.link);
        return r < 0 ? r : usb_export_format(&u.link, out);
    case KEY_IMPORT:
        r = usb_import_parse(t, &u.link);
        return r < 0 ? r : usb_import_format(&u.link, out);
    case KEY_STAT:
        r = usb_stat_parse(t, &u.stat);
        return r < 0 ? r : usb_stat_format(&u.stat, out);
    }
    return -EINVAL;
}

static const struct {
    enum key key;
    const char *text;
    bool good;
} CASES[] = {
    {KEY_GRANT, GRANT " interfaces=all mode=raw", true},
    {KEY_GRANT, GRANT " interfaces=0 mode=raw", true},
    {KEY_GRANT, GRANT " interfaces=0,2,31 mode=raw", true},
    {KEY_GRANT, GRANT " interfaces=all mode=evdev events=keyboard", true},
    {KEY_GRANT, GRANT " interfaces=1 mode=evdev events=pointer", true},
    {KEY_GRANT, GRANT " interfaces=1 mode=evdev events=keyboard,pointer", true},
    {KEY_GRANT, GRANT " interfaces= mode=raw", false},
    {KEY_GRANT, GRANT " interfaces=2,1 mode=raw", false},
    {KEY_GRANT, GRANT " interfaces=1,1 mode=raw", false},
    {KEY_GRANT, GRANT " interfaces=32 mode=raw", false},
    {KEY_GRANT, GRANT " interfaces=31,32 mode=raw", false},
    {KEY_GRANT, GRANT " interfaces=1, mode=raw", false},
    {KEY_GRANT, GRANT " interfaces=all,1 mode=raw", false},
    {KEY_GRANT,
     GRANT " interfaces=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,"
           "20,21,22,23,24,25,26,27,28,29,30,31 mode=raw",
     false},
    {KEY_GRANT, GRANT " interfaces=all mode=raw events=keyboard", false},
    {KEY_GRANT, GRANT " interfaces=all mode=evdev", false},
    {KEY_GRANT, GRANT " interfaces=all mode=evdev events=", false},
    {KEY_GRANT, GRANT " interfaces=all mode=evdev events=pointer,keyboard",
     false},
    {KEY_GRANT, GRANT " interfaces=all mode=evdev events=touch", false},
    {KEY_GRANT, GRANT " interfaces=all mode=RAW", false},
    {KEY_GRANT, GRANT " interfaces=all mode=raw ", false},
    {KEY_GRANT, GRANT "  interfaces=all mode=raw", false},
    {KEY_GRANT, " " GRANT " interfaces=all mode=raw", false},
    {KEY_GRANT, GRANT " mode=raw interfaces=all", false},
    {KEY_GRANT, GRANT " interfaces=all", false},
    {KEY_GRANT, GRANT, false},
    {KEY_GRANT, "", false},
    {KEY_GRANT, "client=0 vport=2000 gen=3 hash=" H " interfaces=all mode=raw",
     false},
    {KEY_GRANT,
     "client=32752 vport=2000 gen=3 hash=" H " interfaces=all mode=raw", false},
    {KEY_GRANT, "client=07 vport=2000 gen=3 hash=" H " interfaces=all mode=raw",
     false},
    {KEY_GRANT, "client=7 vport=2001 gen=3 hash=" H " interfaces=all mode=raw",
     false},
    {KEY_GRANT, "client=7 vport=1998 gen=3 hash=" H " interfaces=all mode=raw",
     false},
    {KEY_GRANT, "client=7 vport=4000 gen=3 hash=" H " interfaces=all mode=raw",
     false},
    {KEY_GRANT,
     "client=7 vport=3998 gen=18446744073709551615 hash=" H
     " interfaces=all mode=raw",
     true},
    {KEY_GRANT,
     "client=7 vport=2000 gen=18446744073709551616 hash=" H
     " interfaces=all mode=raw",
     false},
    {KEY_GRANT, "client=7 vport=2000 gen=0 hash=" H " interfaces=all mode=raw",
     false},
    {KEY_GRANT, "client=7 vport=2000 gen=3 hash=00 interfaces=all mode=raw",
     false},
    {KEY_GRANT,
     "client=7 vport=2000 gen=3 hash=" H "00 interfaces=all mode=raw", false},

    {KEY_ATTACH, ATTACH " mode=raw", true},
    {KEY_ATTACH, ATTACH " mode=evdev events=keyboard,pointer", true},
    {KEY_ATTACH, ATTACH " interfaces=all mode=raw", false},
    {KEY_ATTACH, "backend=3 vport=2002 speed=4 devid=1 hash=" H " mode=raw",
     false},
    {KEY_ATTACH, "backend=3 vport=2002 speed=0 devid=1 hash=" H " mode=raw",
     false},
    {KEY_ATTACH, "backend=3 vport=2002 speed=7 devid=1 hash=" H " mode=raw",
     false},
    {KEY_ATTACH, "backend=3 vport=2002 speed=5 devid=0 hash=" H " mode=raw",
     false},
    {KEY_ATTACH,
     "backend=3 vport=2002 speed=6 devid=4294967295 hash=" H " mode=raw", true},
    {KEY_ATTACH,
     "backend=3 vport=2002 speed=5 devid=4294967296 hash=" H " mode=raw",
     false},

    {KEY_DEV, "gen=1 speed=2 hash=" H, true},
    {KEY_DEV, "gen=1 speed=2 hash=" H " ", false},
    {KEY_DEV, "gen=1 speed=2 hash=" H "\n", false},
    {KEY_DEV, "gen=1 hash=" H " speed=2", false},
    {KEY_DEV, "gen=-1 speed=2 hash=" H, false},

    {KEY_EXPORT, "idle", true},
    {KEY_EXPORT, "waiting", true},
    {KEY_EXPORT, "attached", true},
    {KEY_EXPORT, "failed no such device", true},
    {KEY_EXPORT, "failed " LONG80, true},
    {KEY_EXPORT, "failed " LONG80 "0", false},
    {KEY_EXPORT, "failed", false},
    {KEY_EXPORT, "failed ", false},
    {KEY_EXPORT, "failed  blank", false},
    {KEY_EXPORT, "failed blank ", false},
    {KEY_EXPORT, "failed a\nb", false},
    {KEY_EXPORT, "failed a\x1b[2J", false},
    {KEY_EXPORT, "connecting", false},
    {KEY_EXPORT, "attached vhci=1", false},
    {KEY_EXPORT, "Idle", false},
    {KEY_EXPORT, "", false},

    {KEY_IMPORT, "connecting", true},
    {KEY_IMPORT, "attached vhci=0", true},
    {KEY_IMPORT, "attached vhci=65535", true},
    {KEY_IMPORT, "attached vhci=65536", false},
    {KEY_IMPORT, "attached vhci=00", false},
    {KEY_IMPORT, "attached", false},
    {KEY_IMPORT, "attached ", false},
    {KEY_IMPORT, "idle", false},
    {KEY_IMPORT, "waiting", false},
    {KEY_IMPORT, "failed vhci: busy", true},

    {KEY_STAT, STAT, true},
    {KEY_STAT, STAT " length:5", true},
    {KEY_STAT, STAT " length:5 ret-status:1", true},
    {KEY_STAT, STAT " length:5 length:1", false},
    {KEY_STAT, STAT " length:0", false},
    {KEY_STAT, STAT " length:", false},
    {KEY_STAT, STAT " length", false},
    {KEY_STAT, STAT " :5", false},
    {KEY_STAT, STAT " Length:5", false},
    {KEY_STAT, STAT " length:5 ", false},
    {KEY_STAT, STAT " a2345678901234567890123:1", true},
    {KEY_STAT, STAT " a23456789012345678901234:1", false},
    {KEY_STAT,
     STAT " a:1 b:1 c:1 d:1 e:1 f:1 g:1 h:1 i:1 j:1 k:1 l:1 m:1 "
          "n:1 o:1 p:1",
     true},
    {KEY_STAT,
     STAT " a:1 b:1 c:1 d:1 e:1 f:1 g:1 h:1 i:1 j:1 k:1 l:1 m:1 "
          "n:1 o:1 p:1 q:1",
     false},
    {KEY_STAT, "in=1 out=2 flight=3 p50us=4 p99us=5", false},
    {KEY_STAT, "in=1 out=2 flight=4294967296 p50us=4 p99us=5 refused=6", false},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char out[USB_GRANT_TEXT_MAX];
        int r = turn(CASES[i].key, CASES[i].text, out);
        if (r != (CASES[i].good ? 0 : -EBADMSG))
            fail_msg("%s: %d", CASES[i].text, r);
        if (CASES[i].good)
            assert_string_equal(out, CASES[i].text);
    }
}

static void test_values(void **state)
{
    struct usb_grant g;
    struct usb_attach a;
    struct usb_stat s;

    (void)state;
    assert_int_equal(usb_grant_parse(text_of(GRANT " interfaces=0,2 mode=evdev "
                                                   "events=keyboard"),
                                     &g),
                     0);
    assert_int_equal(g.client, 7);
    assert_int_equal(g.vport, 2000);
    assert_int_equal(g.gen, 3);
    assert_int_equal(g.hash[1], 1);
    assert_int_equal(g.hash[31], 0xf0);
    assert_int_equal(g.interfaces, 5);
    assert_int_equal(g.mode, USB_MODE_EVDEV);
    assert_int_equal(g.events, USB_EVENTS_KEYBOARD);
    assert_int_equal(usb_attach_parse(text_of(ATTACH " mode=raw"), &a), 0);
    assert_int_equal(a.backend, 3);
    assert_int_equal(a.speed, 5);
    assert_int_equal(a.devid, 65539);
    assert_int_equal(usb_stat_parse(text_of(STAT " length:5"), &s), 0);
    assert_int_equal(s.in, 1);
    assert_int_equal(s.p99_us, 5);
    assert_int_equal(s.refused, 6);
    assert_int_equal(s.n, 1);
    assert_string_equal(s.reason[0].name, "length");
    assert_int_equal(s.reason[0].count, 5);
}

/* Embedded NUL: the text's length counts, not its first NUL. */
static void test_nul(void **state)
{
    static const char text[] = "failed a\0b";
    struct usb_link_state l;

    (void)state;
    assert_int_equal(
        usb_export_parse((struct text){text, sizeof(text) - 1}, &l), -EBADMSG);
}

static void test_bad_structs(void **state)
{
    char out[USB_GRANT_TEXT_MAX];
    struct usb_grant good = {
        .client = 1, .vport = 2000, .gen = 1, .interfaces = 1};
    struct usb_grant g = good;

    (void)state;
    assert_int_equal(usb_grant_format(&g, out), 0);
    g.vport = 2001;
    assert_int_equal(usb_grant_format(&g, out), -EBADMSG);
    assert_string_equal(out, "");
    g = good;
    g.interfaces = 0;
    assert_int_equal(usb_grant_format(&g, out), -EBADMSG);
    g = good;
    g.events = USB_EVENTS_POINTER;
    assert_int_equal(usb_grant_format(&g, out), -EBADMSG);
    g.mode = USB_MODE_EVDEV;
    assert_int_equal(usb_grant_format(&g, out), 0);
    g.events = 4;
    assert_int_equal(usb_grant_format(&g, out), -EBADMSG);
    struct usb_attach a = {.backend = 1, .vport = 2000, .speed = 4, .devid = 1};
    assert_int_equal(usb_attach_format(&a, out), -EBADMSG);
    struct usb_link_state l = {.link = USB_LINK_CONNECTING};
    assert_int_equal(usb_export_format(&l, out), -EBADMSG);
    l = (struct usb_link_state){.link = USB_LINK_FAILED, .why = "a\nb"};
    assert_int_equal(usb_import_format(&l, out), -EBADMSG);
    struct usb_stat s = {.n = USB_STAT_REASONS + 1};
    assert_int_equal(usb_stat_format(&s, out), -EBADMSG);
}

/* As many reasons as fit, whole ones, and the text can be read again. */
static void test_long_stat(void **state)
{
    char out[USB_GRANT_TEXT_MAX];
    struct usb_stat s = {.in = UINT64_MAX,
                         .out = UINT64_MAX,
                         .flight = UINT32_MAX,
                         .p50_us = UINT32_MAX,
                         .p99_us = UINT32_MAX,
                         .refused = UINT64_MAX,
                         .n = USB_STAT_REASONS};
    struct usb_stat back;

    (void)state;
    for (size_t i = 0; i < s.n; i++) {
        snprintf(s.reason[i].name, sizeof(s.reason[i].name),
                 "reason-number-%02u-abcde", (unsigned)i % 100);
        s.reason[i].count = UINT64_MAX;
    }
    assert_int_equal(usb_stat_format(&s, out), 0);
    assert_int_equal(usb_stat_parse(text_of(out), &back), 0);
    assert_in_range(back.n, 4, USB_STAT_REASONS - 1);
    for (size_t i = 0; i < back.n; i++)
        assert_string_equal(back.reason[i].name, s.reason[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),     cmocka_unit_test(test_values),
        cmocka_unit_test(test_nul),       cmocka_unit_test(test_bad_structs),
        cmocka_unit_test(test_long_stat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
