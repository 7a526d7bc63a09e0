/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/device/usb_ident.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "device/usb_ident.h"
#include "lib/err.h"
#include "lib/mem.h"

static const struct {
    const char *name;
    const char *vendor;
    const char *model;
    const char *serial;
    const char *want;
} DESC[] = {
    {"plain", "QEMU", "QEMU USB Keyboard", "68284-0000:00:05.0-1",
     "0627:0001 QEMU QEMU\\x20USB\\x20Keyboard 68284-0000:00:05.0-1"},
    {"no strings", "", "", "", "0627:0001 0627 0001 "},
    {"no serial", "A", "B", "", "0627:0001 A B "},
    {"slash and backslash", "a/b", "\\x41", "'\"",
     "0627:0001 a\\x2fb \\x5cx41 \\x27\\x22"},
    {"control and high bytes", "\n\033[2J", "\xc3\xa9\xff", "\t",
     "0627:0001 \\x0a\\x1b\\x5b2J \\xc3\\xa9\\xff \\x09"},
};

static void test_desc(void **state)
{
    char buf[USB_IDENT_DESC_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(DESC); i++) {
        struct usb_ident id;
        size_t n = usb_ident_desc(0x0627, 1, text_of(DESC[i].vendor),
                                  text_of(DESC[i].model),
                                  text_of(DESC[i].serial), buf);

        assert_string_equal(buf, DESC[i].want);
        assert_int_equal(n, strlen(buf));
        assert_int_equal(usb_ident_parse(text_of(buf), &id), 0);
        assert_int_equal(id.vendor_id, 0x0627);
        assert_int_equal(id.product_id, 1);
    }
}

/* Fields full of escapes are cut between two source bytes, never inside an
 * escape, and the line stays readable. */
static void test_desc_longest(void **state)
{
    char raw[400];
    char buf[USB_IDENT_DESC_MAX];
    struct usb_ident id;

    (void)state;
    for (int fill = 0; fill < 2; fill++) {
        memset(raw, fill ? 'x' : 1, sizeof(raw));
        struct text t = {raw, sizeof(raw)};
        size_t n = usb_ident_desc(0xffff, 0xfffe, t, t, t, buf);

        assert_true(n < USB_IDENT_DESC_MAX);
        assert_int_equal(n, strlen(buf));
        assert_int_equal(usb_ident_parse(text_of(buf), &id), 0);
        assert_int_equal(strlen(id.vendor),
                         fill ? USB_IDENT_VENDOR_MAX - 1
                              : (USB_IDENT_VENDOR_MAX - 1) / 4);
    }
}

static void test_decode_display(void **state)
{
    struct usb_ident id;

    (void)state;
    assert_int_equal(
        usb_ident_parse(text_of("1d6b:0104 A\\x20\\x0aB C\\x7f\\xc3 s"), &id),
        0);
    assert_string_equal(id.vendor, "A _B");
    assert_string_equal(id.model, "C__");
    assert_string_equal(id.serial, "s");
    assert_int_equal(id.vendor_id, 0x1d6b);
    assert_int_equal(id.product_id, 0x0104);
}

static void test_parse_refused(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "   ",
        "0627:0001",
        "0627:0001 A B",
        "0627:0001 A B C D",
        "0627:0001 A B C ",
        "0627:0001  B C",
        "0627:0001 A  C",
        "627:0001 A B C",
        "0627:001 A B C",
        "0627-0001 A B C",
        "062G:0001 A B C",
        "062A:0001 A B C",
        "0627:0001 A\\ B C",
        "0627:0001 A\\x B C",
        "0627:0001 A\\x2 B C",
        "0627:0001 A\\x2G B C",
        "0627:0001 A\\x2A B C",
        "0627:0001 A\\n B C",
        "0627:0001 A B C\n",
        "0627:0001 A\tB B C",
        "0627:0001 \xc3\xa9 B C",
    };
    struct usb_ident id = {.vendor_id = 7};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(usb_ident_parse(text_of(bad[i]), &id), -EBADMSG);
        assert_int_equal(id.vendor_id, 7);
    }
}

static void test_parse_too_long(void **state)
{
    char line[USB_IDENT_DESC_MAX];
    char field[USB_IDENT_VENDOR_MAX + 1];
    struct usb_ident id;

    (void)state;
    memset(field, 'a', sizeof(field));
    field[USB_IDENT_VENDOR_MAX] = '\0';
    snprintf(line, sizeof(line), "0627:0001 %s B C", field);
    assert_int_equal(usb_ident_parse(text_of(line), &id), -EBADMSG);
    field[USB_IDENT_VENDOR_MAX - 1] = '\0';
    snprintf(line, sizeof(line), "0627:0001 %s B C", field);
    assert_int_equal(usb_ident_parse(text_of(line), &id), 0);
}

static const struct {
    const char *text;
    int want;
    unsigned n;
} IFACES[] = {
    {":", 0, 0},
    {":030101:", 0, 1},
    {":030101:080650:", 0, 2},
    {":ffffff:", 0, 1},
    {"", -EBADMSG, 0},
    {"030101", -EBADMSG, 0},
    {":030101", -EBADMSG, 0},
    {":03010:", -EBADMSG, 0},
    {":0301011:", -EBADMSG, 0},
    {":03010g:", -EBADMSG, 0},
    {":FFFFFF:", -EBADMSG, 0},
    {":030101::", -EBADMSG, 0},
    {":030101:030101:", -EBADMSG, 0},
    {":030101: 080650", -EBADMSG, 0},
};

static void test_ifaces(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(IFACES); i++) {
        struct usb_ifaces l = {.n = 9};
        char buf[USB_IDENT_IFACES_TEXT_MAX];
        int r = usb_ifaces_parse(text_of(IFACES[i].text), &l);

        assert_int_equal(r, IFACES[i].want);
        assert_int_equal(l.n, r < 0 ? 9 : IFACES[i].n);
        if (r < 0)
            continue;
        size_t n = usb_ifaces_format(&l, buf);
        assert_int_equal(n, strlen(buf));
        assert_string_equal(buf, IFACES[i].text);
    }
}

static void test_ifaces_limit(void **state)
{
    struct usb_ifaces l = {0};
    char buf[USB_IDENT_IFACES_TEXT_MAX];
    char more[USB_IDENT_IFACES_TEXT_MAX + 8];

    (void)state;
    for (unsigned i = 0; i < USB_IDENT_IFACES; i++)
        assert_int_equal(
            usb_ifaces_add(&l, (struct usb_iface){(uint8_t)i, 1, 2}), 0);
    assert_int_equal(usb_ifaces_add(&l, (struct usb_iface){0, 1, 2}), 0);
    assert_int_equal(usb_ifaces_add(&l, (struct usb_iface){99, 1, 2}),
                     -ENOBUFS);
    assert_int_equal(usb_ifaces_format(&l, buf), sizeof(buf) - 1);
    assert_int_equal(usb_ifaces_parse(text_of(buf), &l), 0);
    snprintf(more, sizeof(more), "%s636363:", buf);
    assert_int_equal(usb_ifaces_parse(text_of(more), &l), -ENOBUFS);
}

static void test_version(void **state)
{
    uint8_t v = 9;

    (void)state;
    assert_int_equal(usb_ident_parse_version(text_of("2"), &v), 0);
    assert_int_equal(v, 2);
    assert_int_equal(usb_ident_parse_version(text_of(""), &v), -EBADMSG);
    assert_int_equal(usb_ident_parse_version(text_of("20"), &v), -EBADMSG);
    assert_int_equal(usb_ident_parse_version(text_of("x"), &v), -EBADMSG);
    assert_int_equal(v, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_desc),
        cmocka_unit_test(test_desc_longest),
        cmocka_unit_test(test_decode_display),
        cmocka_unit_test(test_parse_refused),
        cmocka_unit_test(test_parse_too_long),
        cmocka_unit_test(test_ifaces),
        cmocka_unit_test(test_ifaces_limit),
        cmocka_unit_test(test_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
