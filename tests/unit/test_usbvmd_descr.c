/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of usbvm/usb_descr.c: what a device may send as its descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "usbvm/usb_descr.h"

#define DEVICE                                                                 \
    18, 1, 0x10, 0x02, 0, 0, 0, 64, 0xf4, 0x46, 0x34, 0x12, 0, 1, 1, 2, 3, 1
#define CONFIG 9, 2, 0, 0, 1, 1, 0, 0x80, 50
#define IFACE(num, alt, c, s, p) 9, 4, num, alt, 0, c, s, p, 0
#define ENDPOINT 7, 5, 0x81, 3, 8, 0, 10

#define RAW(...)                                                               \
    (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static const struct {
    const char *name;
    const uint8_t *raw;
    size_t len;
    int want;
    bool odd;
    const char *ifaces;
} CASES[] = {
    {"device alone", RAW(DEVICE), 0, false, ":"},
    {"keyboard",
     RAW(DEVICE, CONFIG, IFACE(0, 0, 3, 1, 1), 9, 0x21, 0x11, 1, 0, 1, 0x22, 63,
         0, ENDPOINT),
     0, false, ":030101:"},
    {"alternate setting",
     RAW(DEVICE, CONFIG, IFACE(0, 0, 8, 6, 0x50), IFACE(0, 1, 8, 6, 0x62)), 0,
     false, ":080650:080662:"},
    {"second configuration hides a keyboard",
     RAW(DEVICE, CONFIG, IFACE(0, 0, 8, 6, 0x50), CONFIG, IFACE(0, 0, 3, 1, 1)),
     0, false, ":080650:030101:"},
    {"the same code twice",
     RAW(DEVICE, CONFIG, IFACE(0, 0, 3, 0, 0), IFACE(1, 0, 3, 0, 0)), 0, false,
     ":030000:"},
    {"unknown types pass",
     RAW(DEVICE, 2, 0xff, 3, 0x77, 1, IFACE(0, 0, 255, 1, 2)), 0, false,
     ":ff0102:"},
    {"empty", RAW(0), -EBADMSG, false, ""},
    {"half a device", RAW(18, 1, 0, 2, 0), -EBADMSG, false, ""},
    {"wrong type", RAW(18, 2, 0, 2, 0, 0, 0, 64, 1, 2, 3, 4, 0, 1, 1, 2, 3, 1),
     -EBADMSG, false, ""},
    {"wrong length",
     RAW(17, 1, 0, 2, 0, 0, 0, 64, 1, 2, 3, 4, 0, 1, 1, 2, 3, 1), -EBADMSG,
     false, ""},
    {"length 0 does not loop", RAW(DEVICE, 0, 4, 9, 9), 0, true, ":"},
    {"length 1", RAW(DEVICE, 1, 4), 0, true, ":"},
    {"one byte left", RAW(DEVICE, 9), 0, true, ":"},
    {"cut interface", RAW(DEVICE, CONFIG, 9, 4, 0, 0, 0, 3, 1), 0, true, ":"},
    {"short interface", RAW(DEVICE, 8, 4, 0, 0, 0, 3, 1, 1), 0, true, ":"},
    {"what came before stays", RAW(DEVICE, IFACE(0, 0, 3, 1, 1), 200, 4), 0,
     true, ":030101:"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct usb_descr d = {.vendor_id = 7};
        struct cur in = cur_of(CASES[i].raw, CASES[i].len);
        char text[USB_IDENT_IFACES_TEXT_MAX];

        assert_int_equal(usb_descr_parse(&in, &d), CASES[i].want);
        if (CASES[i].want < 0) {
            assert_int_equal(d.vendor_id, 7);
            continue;
        }
        assert_int_equal(d.vendor_id, 0x46f4);
        assert_int_equal(d.product_id, 0x1234);
        assert_int_equal(d.version, 2);
        assert_int_equal(d.odd, CASES[i].odd);
        usb_ifaces_format(&d.ifaces, text);
        assert_string_equal(text, CASES[i].ifaces);
    }
}

static void test_many(void **state)
{
    static const uint8_t dev[] = {DEVICE};
    uint8_t raw[sizeof(dev) + 40 * 9];
    struct usb_descr d;

    (void)state;
    memcpy(raw, dev, sizeof(dev));
    for (uint8_t i = 0; i < 40; i++) {
        const uint8_t f[] = {IFACE(i, 0, 0xff, i, 0)};
        memcpy(raw + sizeof(dev) + i * sizeof(f), f, sizeof(f));
    }
    struct cur in = cur_of(raw, sizeof(raw));
    assert_int_equal(usb_descr_parse(&in, &d), 0);
    assert_int_equal(d.ifaces.n, USB_IDENT_IFACES);
    assert_true(d.odd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
