/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/device/usb_devid.c, usb_ifmap.c and the patterns of
 * usb_class.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "device/usb_class.h"
#include "device/usb_devid.h"
#include "device/usb_ifmap.h"
#include "lib/mem.h"

static const struct usb_iface keyboard = {3, 1, 1}, storage = {8, 6, 0x50};

static const struct {
    const char *word;
    struct usb_iface code;
    int want; /* -2: no class word */
} CLASSES[] = {
    {"u08****", {8, 6, 0x50}, 2},
    {"u08****", {3, 1, 1}, -1},
    {"*08****", {8, 6, 0x50}, 2},
    {"u080650", {8, 6, 0x50}, 6},
    {"u******", {8, 6, 0x50}, 0},
    {"*******", {1, 2, 3}, 0},
    {"*", {1, 2, 3}, 0},
    {"Other", {8, 6, 0x50}, 0},
    {"Keyboard", {3, 1, 1}, 4},
    {"keyboard", {3, 0, 1}, 4},
    {"Input", {3, 1, 1}, 2},
    {"Mouse", {3, 1, 1}, -1},
    {"Camera", {6, 1, 1}, 2},
    {"CAMERA", {0x0e, 1, 0}, 2},
    {"Network", {0xe0, 1, 3}, 2},
    {"Network", {2, 6, 0}, 2},
    {"Bluetooth", {0xe0, 1, 1}, 6},
    {"SmartCard", {0x0b, 0, 0}, 2},
    {"Multimedia", {0x10, 0, 0}, 2},
    {"Printer", {7, 1, 2}, 2},
    {"Audio", {1, 1, 0}, 2},
    {"Storage", {8, 6, 0x50}, 2},
    {"", {1, 2, 3}, -2},
    {"Stor", {1, 2, 3}, -2},
    {"Storages", {1, 2, 3}, -2},
    {"Smart", {1, 2, 3}, -2},
    {"u08***", {1, 2, 3}, -2},
    {"u08*****", {1, 2, 3}, -2},
    {"p08****", {1, 2, 3}, -2},
    {"?******", {1, 2, 3}, -2},
    {"u0E****", {1, 2, 3}, -2},
    {"u08**g*", {1, 2, 3}, -2},
    {"**", {1, 2, 3}, -2},
    {"Smart card", {1, 2, 3}, -2},
};

static void test_class_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CLASSES); i++) {
        struct usb_class c;
        int r = usb_class_parse(text_of(CLASSES[i].word), &c);

        if (CLASSES[i].want == -2
                ? r != -EBADMSG
                : r != 0 ||
                      usb_class_match(&c, CLASSES[i].code) != CLASSES[i].want)
            fail_msg("row %zu: %s", i, CLASSES[i].word);
    }
}

static const struct {
    const char *text;
    int want; /* -1 malformed, else whether it fits the device below */
} IDS[] = {
    {"1234:abcd", 1},
    {"1234:abce", 0},
    {"1235:abcd", 0},
    {"1234:abcd:0123456789", 1},
    {"1234:abcd:01234567890", 0},
    {"1234:abcd:", 0},
    {"1234:abcd:0123456789:u080650u030101", 1},
    {"1234:abcd:0123456789:u030101u080650", 0},
    {"1234:abcd:0123456789:u080650", 0},
    {"1234:abcd:0123456789:u08****u03****", 1},
    {"1234:abcd:0123456789:?******", 0},
    {"1234:abcd:0123456789:", -1},
    {"1234:abcd:0123456789:u08065", -1},
    {"1234:abcd:0123456789:u080650:", -1},
    {"1234:abcd:0123456789:b080650", -1},
    {"1234:ABCD", -1},
    {"1234", -1},
    {"1234:", -1},
    {":1234", -1},
    {"123:1234", -1},
    {"12345:1234", -1},
    {"1234:abcd:a b", -1},
    {"1234:abcd:a\\x20b", -1},
    {"", -1},
};

static void test_identities(void **state)
{
    struct usb_ident id = {
        .vendor_id = 0x1234, .product_id = 0xabcd, .serial = "0123456789"};
    struct usb_ifaces l = {.n = 2, .code = {storage, keyboard}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(IDS); i++) {
        struct usb_devid want;
        int r = usb_devid_parse(text_of(IDS[i].text), &want);

        if (IDS[i].want < 0
                ? r != -EBADMSG
                : r != 0 || usb_devid_match(&want, &id, &l) != IDS[i].want)
            fail_msg("row %zu: %s", i, IDS[i].text);
    }
}

/* What is written is read again and fits the same device. */
static void test_format(void **state)
{
    static const struct {
        const char *serial;
        unsigned n;
        const char *want;
    } ROWS[] = {
        {"0123456789", 1, "1234:1234:0123456789:u080650"},
        {"", 2, "1234:1234::u080650u030101"},
        {"", 0, "1234:1234::?******"},
        {"a b:c\\$(x)", 1, "1234:1234:a_b_c___x_:u080650"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct usb_ident id = {.vendor_id = 0x1234, .product_id = 0x1234};
        struct usb_ifaces l = {.n = ROWS[i].n, .code = {storage, keyboard}};
        char buf[USB_DEVID_TEXT_MAX];
        struct usb_devid want;

        snprintf(id.serial, sizeof(id.serial), "%s", ROWS[i].serial);
        assert_string_equal(usb_devid_format(&id, &l, buf), ROWS[i].want);
        assert_int_equal(usb_devid_parse(text_of(buf), &want), 0);
        assert_true(usb_devid_match(&want, &id, &l));
    }
}

static void test_longest(void **state)
{
    struct usb_ident id = {.vendor_id = 1, .product_id = 2};
    struct usb_ifaces l = {.n = USB_IDENT_IFACES};
    char buf[USB_DEVID_TEXT_MAX];
    struct usb_devid want;

    (void)state;
    memset(id.serial, 'x', sizeof(id.serial) - 1);
    for (unsigned i = 0; i < USB_IDENT_IFACES; i++)
        l.code[i] = (struct usb_iface){0xff, 0xff, (uint8_t)i};
    assert_int_equal(strlen(usb_devid_format(&id, &l, buf)),
                     USB_DEVID_TEXT_MAX - 1);
    assert_int_equal(usb_devid_parse(text_of(buf), &want), 0);
    assert_true(usb_devid_match(&want, &id, &l));
}

static const struct {
    const char *text;
    int want;
    uint32_t numbers;
} MAPS[] = {
    {"", 0, 0},
    {"0:080650", 0, 1},
    {"0:080650 1:030101", 0, 3},
    {"0:080650 0:080662 31:030101", 0, 0x80000001u},
    {"0:080650 0:080650", -EBADMSG, 0},
    {"32:080650", -ERANGE, 0},
    {"256:080650", -EBADMSG, 0},
    {"0:08065", -EBADMSG, 0},
    {"0:0806500", -EBADMSG, 0},
    {"0:0E0650", -EBADMSG, 0},
    {"00:080650", -EBADMSG, 0},
    {"0", -EBADMSG, 0},
    {" 0:080650", -EBADMSG, 0},
    {"0:080650 ", -EBADMSG, 0},
    {"0:080650:", -EBADMSG, 0},
};

static void test_maps(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(MAPS); i++) {
        struct usb_ifmap m;
        char buf[USB_IFMAP_TEXT_MAX];

        if (usb_ifmap_parse(text_of(MAPS[i].text), &m) != MAPS[i].want)
            fail_msg("row %zu: %s", i, MAPS[i].text);
        if (MAPS[i].want != 0)
            continue;
        assert_int_equal(usb_ifmap_numbers(&m), MAPS[i].numbers);
        usb_ifmap_format(&m, buf);
        assert_string_equal(buf, MAPS[i].text);
    }
}

static void test_full_map(void **state)
{
    struct usb_ifmap m = {0}, back;
    char buf[USB_IFMAP_TEXT_MAX];

    (void)state;
    for (unsigned i = 0; i < USB_IFMAP_MAX; i++)
        assert_int_equal(
            usb_ifmap_add(&m, 31, (struct usb_iface){.cls = (uint8_t)i}), 0);
    assert_int_equal(usb_ifmap_add(&m, 31, (struct usb_iface){.cls = 200}),
                     -ENOBUFS);
    assert_int_equal(usb_ifmap_add(&m, 31, (struct usb_iface){.cls = 0}), 0);
    assert_int_equal(usb_ifmap_format(&m, buf), USB_IFMAP_TEXT_MAX - 1);
    assert_int_equal(usb_ifmap_parse(text_of(buf), &back), 0);
    assert_memory_equal(&back, &m, sizeof(m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_class_words), cmocka_unit_test(test_identities),
        cmocka_unit_test(test_format),      cmocka_unit_test(test_longest),
        cmocka_unit_test(test_maps),        cmocka_unit_test(test_full_map),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
