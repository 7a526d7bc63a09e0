/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usb_input: reports to events by tables, what a grant lets through, and that
 * no report makes an event that the other side would refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "device/usb_grant.h"
#include "lib/mem.h"
#include "usbvm/protocol/usb_input.h"

/* "type code value, ..." of events. */
static const char *text(const struct usb_input *e, int n, char *buf, size_t cap)
{
    size_t len = 0;

    buf[0] = '\0';
    for (int i = 0; i < n; i++)
        len +=
            (size_t)snprintf(buf + len, cap - len, "%s%u %u %d", i ? ", " : "",
                             e[i].type, e[i].code, e[i].value);
    return buf;
}

static void test_keyboard(void **state)
{
    static const struct {
        uint8_t report[9];
        size_t len;
        const char *events; /* NULL: refused */
    } rows[] = {
        {{0}, 8, ""},
        {{0, 0, 0x04}, 8, "1 30 1, 0 0 0"},
        {{0, 0, 0x04}, 8, ""},
        {{0, 0, 0x04, 0x04}, 8, ""},
        {{0, 0xff, 0x05, 0x04}, 8, "1 48 1, 0 0 0"},
        {{2, 0, 0x04}, 8, "1 42 1, 1 48 0, 0 0 0"},
        {{2, 0, 1, 1, 1, 1, 1, 1}, 8, ""}, /* too many keys */
        {{0x80, 0, 0x27, 0x27}, 8, "1 42 0, 1 126 1, 1 30 0, 1 11 1, 0 0 0"},
        {{0x80, 0, 0x27}, 7, NULL},
        {{0, 0, 0x02, 0xa4, 0xff}, 9, "1 126 0, 1 11 0, 0 0 0"},
        {{0, 0, 0xe1}, 8, "1 42 1, 0 0 0"},
        {{0}, 8, "1 42 0, 0 0 0"},
    };
    struct usb_keyboard k = {0};
    struct usb_input e[USB_INPUT_GROUP];
    char buf[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int n = usb_input_keyboard(&k, rows[i].report, rows[i].len, e);
        if (rows[i].events)
            assert_string_equal(text(e, n, buf, sizeof(buf)), rows[i].events);
        else
            assert_int_equal(n, -EBADMSG);
    }
}

static void test_mouse(void **state)
{
    static const struct {
        uint8_t report[5];
        size_t len;
        const char *events;
    } rows[] = {
        {{0, 0, 0}, 3, ""},
        {{1, 5, 0xff}, 3, "1 272 1, 2 0 5, 2 1 -1, 0 0 0"},
        {{1, 0, 0}, 3, ""},
        {{0, 0x80, 0x7f, 1}, 4, "1 272 0, 2 0 -128, 2 1 127, 2 8 1, 0 0 0"},
        {{0xff, 0, 0, 0xff, 9},
         5,
         "1 272 1, 1 273 1, 1 274 1, 1 275 1, 1 276 1, 1 277 1, 1 278 1, "
         "1 279 1, 2 8 -1, 0 0 0"},
        {{0, 0}, 2, NULL},
        {{0}, 0, NULL},
    };
    struct usb_mouse m = {0};
    struct usb_input e[USB_INPUT_GROUP];
    char buf[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int n = usb_input_mouse(&m, rows[i].report, rows[i].len, e);
        if (rows[i].events)
            assert_string_equal(text(e, n, buf, sizeof(buf)), rows[i].events);
        else
            assert_int_equal(n, -EBADMSG);
    }
}

static void test_check(void **state)
{
    static const struct {
        struct usb_input e;
        int keyboard, pointer;
    } rows[] = {
        {{EV_SYN, SYN_REPORT, 0}, 0, 0},
        {{EV_SYN, SYN_REPORT, 1}, -EPROTO, -EPROTO},
        {{EV_SYN, SYN_DROPPED, 0}, -EPROTO, -EPROTO},
        {{EV_KEY, KEY_A, 1}, 0, -EPROTO},
        {{EV_KEY, KEY_A, 0}, 0, -EPROTO},
        {{EV_KEY, KEY_A, 2}, -EPROTO, -EPROTO},
        {{EV_KEY, KEY_A, -1}, -EPROTO, -EPROTO},
        {{EV_KEY, KEY_RIGHTMETA, 1}, 0, -EPROTO},
        {{EV_KEY, KEY_RESERVED, 1}, -EPROTO, -EPROTO},
        {{EV_KEY, KEY_POWER, 1}, -EPROTO, -EPROTO},
        {{EV_KEY, BTN_LEFT, 1}, -EPROTO, 0},
        {{EV_KEY, BTN_TASK, 0}, -EPROTO, 0},
        {{EV_KEY, BTN_TASK + 1, 0}, -EPROTO, -EPROTO},
        {{EV_KEY, BTN_MOUSE - 1, 1}, -EPROTO, -EPROTO},
        {{EV_KEY, KEY_MAX, 1}, -EPROTO, -EPROTO},
        {{EV_KEY, 0xffff, 1}, -EPROTO, -EPROTO},
        {{EV_REL, REL_X, 5}, -EPROTO, 0},
        {{EV_REL, REL_Y, -128}, -EPROTO, 0},
        {{EV_REL, REL_WHEEL, 128}, -EPROTO, 0},
        {{EV_REL, REL_X, 129}, -EPROTO, -EPROTO},
        {{EV_REL, REL_X, INT32_MIN}, -EPROTO, -EPROTO},
        {{EV_REL, REL_Z, 1}, -EPROTO, -EPROTO},
        {{EV_ABS, 0, 1}, -EPROTO, -EPROTO},
        {{EV_LED, LED_CAPSL, 1}, -EPROTO, -EPROTO},
        {{EV_MSC, 4, 1}, -EPROTO, -EPROTO},
        {{USB_INPUT_HELLO, 1, 3}, -EPROTO, -EPROTO},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct usb_input *e = &rows[i].e;
        assert_int_equal(usb_input_check(e, USB_EVENTS_KEYBOARD),
                         rows[i].keyboard);
        assert_int_equal(usb_input_check(e, USB_EVENTS_POINTER),
                         rows[i].pointer);
    }
}

static void test_leds(void **state)
{
    static const struct {
        struct usb_input e;
        int r;
    } rows[] = {
        {{EV_LED, LED_NUML, 1}, 0},           {{EV_LED, LED_KANA, 0}, 0},
        {{EV_LED, LED_KANA + 1, 0}, -EPROTO}, {{EV_LED, LED_CAPSL, 2}, -EPROTO},
        {{EV_LED, LED_CAPSL, -1}, -EPROTO},   {{EV_KEY, KEY_A, 1}, -EPROTO},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(usb_input_check_led(&rows[i].e), rows[i].r);
}

static void test_bytes(void **state)
{
    static const uint8_t want[] = {0x01, 0xff, 0x34, 0x12,
                                   0xfe, 0xff, 0xff, 0xff};
    const struct usb_input e = {USB_INPUT_HELLO, 0x1234, -2};
    uint8_t bytes[USB_INPUT_BYTES];

    (void)state;
    usb_input_encode(&e, bytes);
    assert_memory_equal(bytes, want, sizeof(want));
    struct usb_input back = usb_input_decode(bytes);
    assert_int_equal(back.type, e.type);
    assert_int_equal(back.code, e.code);
    assert_int_equal(back.value, e.value);
}

/* Whatever a device reports: a bounded group, every event allowed, and each
 * key goes down and up in turn. */
static void test_random(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    struct usb_keyboard k = {0};
    struct usb_mouse m = {0};
    uint8_t down[KEY_CNT] = {0};

    (void)state;
    printf("seed %u\n", seed);
    srandom(seed);
    for (int i = 0; i < 20000; i++) {
        struct usb_input e[USB_INPUT_GROUP];
        uint8_t report[8];
        bool keyboard = random() % 2;
        for (size_t b = 0; b < sizeof(report); b++)
            report[b] = (uint8_t)(random() % 3 ? random() % 8 : random());
        int n = keyboard ? usb_input_keyboard(&k, report, sizeof(report), e)
                         : usb_input_mouse(&m, report, sizeof(report), e);
        assert_in_range(n, 0, USB_INPUT_GROUP);
        for (int j = 0; j < n; j++) {
            assert_int_equal(usb_input_check(&e[j], keyboard
                                                        ? USB_EVENTS_KEYBOARD
                                                        : USB_EVENTS_POINTER),
                             0);
            assert_int_equal(e[j].type == EV_SYN, j == n - 1);
            if (e[j].type == EV_KEY && !keyboard) {
                assert_true(down[e[j].code] != e[j].value);
                down[e[j].code] = (uint8_t)e[j].value;
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keyboard), cmocka_unit_test(test_mouse),
        cmocka_unit_test(test_check),    cmocka_unit_test(test_leds),
        cmocka_unit_test(test_bytes),    cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
