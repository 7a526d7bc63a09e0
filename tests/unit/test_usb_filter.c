/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of usb_filter.c: one row for each way a request on endpoint 0 can
 * go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "tests/mock/usbdev.h"
#include "usbvm/protocol/usb_filter.h"

static const struct usb_policy DEFAULT = USB_POLICY_DEFAULT;
static const struct usb_policy STRICT = {0};

enum { UNCONFIGURED = 1, STRICTLY = 2 };

/* camera: interfaces 0 and 1 granted, 1 has setting 1 active; 2 and 3 are
 * refused. */
static const struct row {
    const char *what;
    uint8_t setup[8];
    enum usb_ep0_kind kind;
    enum usb_reason reason; /* REFUSE */
    uint32_t len;           /* ANSWER */
    int flags;
} rows[] = {
    /* standard, answered from the snapshot */
    {"device", {0x80, 6, 0, 1, 0, 0, 18, 0}, USB_EP0_ANSWER, 0, 18, 0},
    {"device, cut", {0x80, 6, 0, 1, 0, 0, 8, 0}, USB_EP0_ANSWER, 0, 8, 0},
    {"configuration", {0x80, 6, 0, 2, 0, 0, 255, 0}, USB_EP0_ANSWER, 0, 89, 0},
    {"another one",
     {0x80, 6, 1, 2, 0, 0, 9, 0},
     USB_EP0_REFUSE,
     USB_REASON_DESCRIPTOR,
     0,
     0},
    {"string not there",
     {0x80, 6, 7, 3, 9, 4, 255, 0},
     USB_EP0_REFUSE,
     USB_REASON_DESCRIPTOR,
     0,
     0},
    {"qualifier", {0x80, 6, 0, 6, 0, 0, 10, 0}, USB_EP0_ANSWER, 0, 10, 0},
    {"GET_CONFIGURATION", {0x80, 8, 0, 0, 0, 0, 1, 0}, USB_EP0_ANSWER, 0, 1, 0},
    {"GET_INTERFACE", {0x81, 10, 0, 0, 1, 0, 1, 0}, USB_EP0_ANSWER, 0, 1, 0},
    {"of a refused one",
     {0x81, 10, 0, 0, 2, 0, 1, 0},
     USB_EP0_REFUSE,
     USB_REASON_INTERFACE,
     0,
     0},
    {"of number 256",
     {0x81, 10, 0, 0, 0, 1, 1, 0},
     USB_EP0_REFUSE,
     USB_REASON_INTERFACE,
     0,
     0},
    /* state */
    {"SET_CONFIGURATION",
     {0, 9, 1, 0, 0, 0, 0, 0},
     USB_EP0_SET_CONFIGURATION,
     0,
     0,
     0},
    {"to none", {0, 9, 0, 0, 0, 0, 0, 0}, USB_EP0_SET_CONFIGURATION, 0, 0, 0},
    {"to an unknown one",
     {0, 9, 2, 0, 0, 0, 0, 0},
     USB_EP0_REFUSE,
     USB_REASON_CONFIGURATION,
     0,
     0},
    {"to 257",
     {0, 9, 1, 1, 0, 0, 0, 0},
     USB_EP0_REFUSE,
     USB_REASON_CONFIGURATION,
     0,
     0},
    {"SET_INTERFACE",
     {1, 11, 1, 0, 1, 0, 0, 0},
     USB_EP0_SET_INTERFACE,
     0,
     0,
     0},
    {"a setting too many",
     {1, 11, 2, 0, 1, 0, 0, 0},
     USB_EP0_REFUSE,
     USB_REASON_INTERFACE,
     0,
     0},
    {"of a refused one",
     {1, 11, 1, 0, 3, 0, 0, 0},
     USB_EP0_REFUSE,
     USB_REASON_INTERFACE,
     0,
     0},
    {"before it is configured",
     {1, 11, 1, 0, 1, 0, 0, 0},
     USB_EP0_REFUSE,
     USB_REASON_INTERFACE,
     0,
     UNCONFIGURED},
    /* halt */
    {"clear halt", {2, 1, 0, 0, 0x83, 0, 0, 0}, USB_EP0_CLEAR_HALT, 0, 0, 0},
    {"of no endpoint",
     {2, 1, 0, 0, 0x84, 0, 0, 0},
     USB_EP0_REFUSE,
     USB_REASON_FEATURE,
     0,
     0},
    {"of a refused one",
     {2, 1, 0, 0, 0x82, 0, 0, 0},
     USB_EP0_REFUSE,
     USB_REASON_FEATURE,
     0,
     0},
    {"of endpoint 0", {2, 1, 0, 0, 0x80, 0, 0, 0}, USB_EP0_ANSWER, 0, 0, 0},
    {"set halt", {2, 3, 0, 0, 0x83, 0, 0, 0}, USB_EP0_PASS, 0, 0, 0},
    {"another feature",
     {2, 1, 1, 0, 0x83, 0, 0, 0},
     USB_EP0_REFUSE,
     USB_REASON_FEATURE,
     0,
     0},
    /* power and the like are answered here */
    {"remote wake", {0, 3, 1, 0, 0, 0, 0, 0}, USB_EP0_ANSWER, 0, 0, 0},
    {"U1", {0, 3, 48, 0, 0, 0, 0, 0}, USB_EP0_ANSWER, 0, 0, 0},
    {"U2 off", {0, 1, 49, 0, 0, 0, 0, 0}, USB_EP0_ANSWER, 0, 0, 0},
    {"LTM", {0, 3, 50, 0, 0, 0, 0, 0}, USB_EP0_ANSWER, 0, 0, 0},
    {"function suspend", {1, 3, 0, 0, 0, 3, 0, 0}, USB_EP0_ANSWER, 0, 0, 0},
    {"of a refused one",
     {1, 3, 0, 0, 2, 3, 0, 0},
     USB_EP0_REFUSE,
     USB_REASON_FEATURE,
     0,
     0},
    {"SET_SEL", {0, 48, 0, 0, 0, 0, 6, 0}, USB_EP0_ANSWER, 0, 0, 0},
    {"SET_ISOCH_DELAY", {0, 49, 40, 0, 0, 0, 0, 0}, USB_EP0_ANSWER, 0, 0, 0},
    /* never */
    {"TEST_MODE",
     {0, 3, 2, 0, 0, 4, 0, 0},
     USB_EP0_REFUSE,
     USB_REASON_TEST_MODE,
     0,
     0},
    {"unknown feature",
     {0, 3, 77, 0, 0, 0, 0, 0},
     USB_EP0_REFUSE,
     USB_REASON_FEATURE,
     0,
     0},
    {"SET_ADDRESS",
     {0, 5, 9, 0, 0, 0, 0, 0},
     USB_EP0_REFUSE,
     USB_REASON_SET_ADDRESS,
     0,
     0},
    {"SET_DESCRIPTOR",
     {0, 7, 0, 1, 0, 0, 18, 0},
     USB_EP0_REFUSE,
     USB_REASON_SET_DESCRIPTOR,
     0,
     0},
    {"unknown request",
     {0, 13, 0, 0, 0, 0, 0, 0},
     USB_EP0_REFUSE,
     USB_REASON_STANDARD,
     0,
     0},
    {"wrong direction",
     {0x00, 6, 0, 1, 0, 0, 18, 0},
     USB_EP0_REFUSE,
     USB_REASON_STANDARD,
     0,
     0},
    {"wrong recipient",
     {0x01, 9, 1, 0, 0, 0, 0, 0},
     USB_EP0_REFUSE,
     USB_REASON_STANDARD,
     0,
     0},
    {"reserved type",
     {0x60, 6, 0, 1, 0, 0, 18, 0},
     USB_EP0_REFUSE,
     USB_REASON_STANDARD,
     0,
     0},
    {"reserved recipient",
     {0x84, 6, 0, 1, 0, 0, 18, 0},
     USB_EP0_REFUSE,
     USB_REASON_STANDARD,
     0,
     0},
    /* status and class descriptors come from the device */
    {"GET_STATUS", {0x80, 0, 0, 0, 0, 0, 2, 0}, USB_EP0_PASS, 0, 0, 0},
    {"of an interface", {0x81, 0, 0, 0, 1, 0, 2, 0}, USB_EP0_PASS, 0, 0, 0},
    {"of a refused one",
     {0x81, 0, 0, 0, 2, 0, 2, 0},
     USB_EP0_REFUSE,
     USB_REASON_INTERFACE,
     0,
     0},
    {"of an endpoint", {0x82, 0, 0, 0, 0x83, 0, 2, 0}, USB_EP0_PASS, 0, 0, 0},
    {"of no endpoint",
     {0x82, 0, 0, 0, 0x85, 0, 2, 0},
     USB_EP0_REFUSE,
     USB_REASON_FEATURE,
     0,
     0},
    {"report descriptor",
     {0x81, 6, 0, 0x22, 1, 0, 63, 0},
     USB_EP0_PASS,
     0,
     0,
     0},
    {"of a refused one",
     {0x81, 6, 0, 0x22, 2, 0, 63, 0},
     USB_EP0_REFUSE,
     USB_REASON_DESCRIPTOR,
     0,
     0},
    {"device by the back door",
     {0x81, 6, 0, 1, 1, 0, 18, 0},
     USB_EP0_REFUSE,
     USB_REASON_DESCRIPTOR,
     0,
     0},
    {"SYNCH_FRAME", {0x82, 12, 0, 0, 0x81, 0, 2, 0}, USB_EP0_PASS, 0, 0, 0},
    /* class and vendor */
    {"class, interface", {0x21, 1, 0, 1, 1, 0, 26, 0}, USB_EP0_PASS, 0, 0, 0},
    {"with an entity", {0xa1, 0x81, 0, 1, 0, 5, 2, 0}, USB_EP0_PASS, 0, 0, 0},
    {"of a refused one",
     {0xa1, 0x81, 0, 1, 2, 5, 2, 0},
     USB_EP0_REFUSE,
     USB_REASON_INTERFACE,
     0,
     0},
    {"class, endpoint", {0x22, 1, 0, 1, 0x81, 0, 3, 0}, USB_EP0_PASS, 0, 0, 0},
    {"of no endpoint",
     {0x22, 1, 0, 1, 0x82, 0, 3, 0},
     USB_EP0_REFUSE,
     USB_REASON_INTERFACE,
     0,
     0},
    {"class, device", {0x20, 0, 0, 0, 0, 0, 3, 0}, USB_EP0_PASS, 0, 0, 0},
    {"strictly",
     {0x20, 0, 0, 0, 0, 0, 3, 0},
     USB_EP0_REFUSE,
     USB_REASON_VENDOR,
     0,
     STRICTLY},
    {"port reset",
     {0x23, 3, 4, 0, 1, 0, 0, 0},
     USB_EP0_REFUSE,
     USB_REASON_HUB_REQUEST,
     0,
     0},
    {"vendor", {0xc0, 1, 0, 0, 2, 0, 3, 0}, USB_EP0_PASS, 0, 0, 0},
    {"strictly",
     {0xc0, 1, 0, 0, 2, 0, 3, 0},
     USB_EP0_REFUSE,
     USB_REASON_VENDOR,
     0,
     STRICTLY},
    {"to a granted part",
     {0x41, 1, 0, 0, 1, 0, 0, 0},
     USB_EP0_PASS,
     0,
     0,
     STRICTLY},
    {"to a refused part",
     {0x41, 1, 0, 0, 2, 0, 0, 0},
     USB_EP0_REFUSE,
     USB_REASON_VENDOR,
     0,
     STRICTLY},
    {"to a granted endpoint",
     {0x42, 1, 0, 0, 0x81, 0, 0, 0},
     USB_EP0_PASS,
     0,
     0,
     STRICTLY},
    {"to endpoint 0",
     {0x42, 1, 0, 0, 0x80, 0, 0, 0},
     USB_EP0_REFUSE,
     USB_REASON_VENDOR,
     0,
     STRICTLY},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct usb_snapshot *s = usbdev_snapshot("camera", 3);
        if (!(rows[i].flags & UNCONFIGURED)) {
            assert_int_equal(usb_snapshot_set_configuration(s, 1), 0);
            assert_int_equal(usb_snapshot_set_interface(s, 1, 1), 0);
        }
        struct usb_ep0 f = usb_filter_ep0(
            s, rows[i].flags & STRICTLY ? &STRICT : &DEFAULT, rows[i].setup);
        if (f.kind != rows[i].kind || f.reason != rows[i].reason ||
            f.data_len != rows[i].len)
            fail_msg("row %zu, %s: kind %d, %s, %u bytes", i, rows[i].what,
                     f.kind, usb_reason_name(f.reason), f.data_len);
        usb_snapshot_free(s);
    }
}

/* What an act says beyond its kind. */
static void test_acts(void **state)
{
    static const uint8_t alt[8] = {1, 11, 1, 0, 1, 0, 0, 0},
                         get_alt[8] = {0x81, 10, 0, 0, 1, 0, 1, 0},
                         get_config[8] = {0x80, 8, 0, 0, 0, 0, 1, 0},
                         device[8] = {0x80, 6, 0, 1, 0, 0, 64, 0},
                         config[8] = {0x80, 6, 0, 2, 0, 0, 64, 0};
    struct usb_snapshot *s = usbdev_snapshot("camera", 3);

    (void)state;
    struct usb_ep0 f = usb_filter_ep0(s, &DEFAULT, get_config);
    assert_int_equal(f.data[0], 0);
    assert_int_equal(usb_snapshot_set_configuration(s, 1), 0);
    assert_int_equal(usb_snapshot_set_interface(s, 1, 1), 0);
    f = usb_filter_ep0(s, &DEFAULT, alt);
    assert_int_equal(f.interface, 1);
    assert_int_equal(f.alt, 1);
    assert_int_equal(usb_filter_ep0(s, &DEFAULT, get_alt).data[0], 1);
    assert_int_equal(usb_filter_ep0(s, &DEFAULT, get_config).data[0], 1);
    assert_true(usb_filter_ep0(s, &DEFAULT, device).device_descriptor);
    assert_false(usb_filter_ep0(s, &DEFAULT, config).device_descriptor);
    usb_snapshot_free(s);
}

/* HID SET_REPORT by policy; only to a HID interface is it one. */
static void test_set_report(void **state)
{
    static const uint8_t to_keyboard[8] = {0x21, 9, 0, 2, 1, 0, 1, 0},
                         to_disk[8] = {0x21, 9, 0, 2, 0, 0, 1, 0};
    struct usb_snapshot *s = usbdev_snapshot("stick", USB_SNAPSHOT_ALL);

    (void)state;
    assert_int_equal(usb_snapshot_set_configuration(s, 1), 0);
    assert_int_equal(usb_filter_ep0(s, &DEFAULT, to_keyboard).kind,
                     USB_EP0_PASS);
    struct usb_ep0 f = usb_filter_ep0(s, &STRICT, to_keyboard);
    assert_int_equal(f.reason, USB_REASON_SET_REPORT);
    assert_int_equal(usb_filter_ep0(s, &STRICT, to_disk).kind, USB_EP0_PASS);
    usb_snapshot_free(s);
}

/* The keyboard becomes a printer or a DFU function by its class alone. */
static struct usb_snapshot *stick_with_class(uint8_t cls, uint8_t sub,
                                             uint32_t mask)
{
    struct usbdev d;

    usbdev_load("stick", &d);
    d.raw[55] = cls; /* of interface 1 */
    d.raw[56] = sub;
    struct usb_snapshot *s = usb_snapshot_new(usbdev_set(&d), mask);
    assert_non_null(s);
    assert_int_equal(usb_snapshot_set_configuration(s, 1), 0);
    return s;
}

static void test_dfu(void **state)
{
    static const uint8_t download[8] = {0x21, 1, 0, 0, 1, 0, 64, 0};
    static const struct usb_policy dfu = {.dfu = true};
    struct usb_snapshot *s = stick_with_class(0xfe, 1, USB_SNAPSHOT_ALL);

    (void)state;
    assert_int_equal(usb_filter_ep0(s, &DEFAULT, download).reason,
                     USB_REASON_DFU);
    assert_int_equal(usb_filter_ep0(s, &dfu, download).kind, USB_EP0_PASS);
    usb_snapshot_free(s);
}

/* wIndex of GET_DEVICE_ID: interface high, setting low. */
static void test_printer(void **state)
{
    static const uint8_t id[8] = {0xa1, 0, 0, 0, 0, 1, 255, 0},
                         id_of_0[8] = {0xa1, 0, 0, 0, 0, 0, 255, 0},
                         soft_reset[8] = {0x21, 2, 0, 0, 0, 1, 0, 0};
    struct usb_snapshot *s = stick_with_class(7, 1, 2);

    (void)state;
    assert_int_equal(usb_filter_ep0(s, &DEFAULT, id).kind, USB_EP0_PASS);
    assert_int_equal(usb_filter_ep0(s, &DEFAULT, id_of_0).reason,
                     USB_REASON_INTERFACE);
    assert_int_equal(usb_filter_ep0(s, &DEFAULT, soft_reset).reason,
                     USB_REASON_INTERFACE);
    usb_snapshot_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),       cmocka_unit_test(test_acts),
        cmocka_unit_test(test_set_report), cmocka_unit_test(test_dfu),
        cmocka_unit_test(test_printer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
