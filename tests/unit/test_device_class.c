/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/device/usb_class.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include <string.h>

#include "device/usb_class.h"
#include "lib/mem.h"

static const struct {
    struct usb_iface code;
    const char *want;
} NAMES[] = {
    {{0x03, 0x01, 0x01}, "Keyboard"},   {{0x03, 0x00, 0x01}, "Keyboard"},
    {{0x03, 0x01, 0x02}, "Mouse"},      {{0x03, 0x00, 0x00}, "Input"},
    {{0x07, 0x01, 0x02}, "Printer"},    {{0x06, 0x01, 0x01}, "Camera"},
    {{0x0e, 0x02, 0x00}, "Camera"},     {{0x01, 0x02, 0x00}, "Audio"},
    {{0x08, 0x06, 0x50}, "Storage"},    {{0xe0, 0x01, 0x01}, "Bluetooth"},
    {{0xe0, 0x01, 0x03}, "Network"},    {{0x02, 0x06, 0x00}, "Network"},
    {{0x0b, 0x00, 0x00}, "Smart card"}, {{0x10, 0x00, 0x00}, "Multimedia"},
    {{0xff, 0xff, 0xff}, "Other"},      {{0x00, 0x00, 0x00}, "Other"},
};

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        assert_string_equal(usb_class_name(NAMES[i].code), NAMES[i].want);
}

static void test_list(void **state)
{
    char buf[USB_CLASS_LIST_MAX];
    struct usb_ifaces l = {0};

    (void)state;
    assert_string_equal(usb_class_list(&l, buf, sizeof(buf)), "Other");
    usb_ifaces_parse(text_of(":0e0100:0e0200:010100:030101:"), &l);
    assert_string_equal(usb_class_list(&l, buf, sizeof(buf)),
                        "Camera, Audio, Keyboard");
    assert_string_equal(usb_class_list(&l, buf, 14), "Camera, Audio");
    assert_string_equal(usb_class_list(&l, buf, 13), "Camera");
}

/* The stated size holds a device that claims every category. */
static void test_list_all(void **state)
{
    char buf[USB_CLASS_LIST_MAX];
    struct usb_ifaces l = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        usb_ifaces_add(&l, NAMES[i].code);
    usb_class_list(&l, buf, sizeof(buf));
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        assert_non_null(strstr(buf, NAMES[i].want));
}

/* A word of several patterns, as a deny list of Qubes 4.3. */
static void test_several(void **state)
{
    static const char sixteen[] =
        "u01****u02****u03****u04****u05****u06****u07****u08****"
        "u09****u0a****u0b****u0c****u0d****u0e****u0f****u10****";
    struct usb_iface keys = {3, 1, 1}, stick = {8, 6, 0x50}, hub = {9, 0, 0};
    struct usb_class c;
    char more[sizeof(sixteen) + 7];

    (void)state;
    assert_int_equal(usb_class_parse(text_of("u03**01u08****"), &c), 0);
    assert_int_equal(c.n, 2);
    assert_int_equal(usb_class_match(&c, keys), 4);
    assert_int_equal(usb_class_match(&c, stick), 2);
    assert_int_equal(usb_class_match(&c, hub), -1);
    assert_int_equal(usb_class_parse(text_of(sixteen), &c), 0);
    snprintf(more, sizeof(more), "%su11****", sixteen);
    assert_int_equal(usb_class_parse(text_of(more), &c), -EBADMSG);
    assert_int_equal(usb_class_parse(text_of("u03**01u08***"), &c), -EBADMSG);
    assert_int_equal(usb_class_parse(text_of("u03**01 08****"), &c), -EBADMSG);
    assert_int_equal(usb_class_parse(text_of(""), &c), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_all),
        cmocka_unit_test(test_several),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
