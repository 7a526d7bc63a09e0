/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of usb_dset.c: the devices of tests/golden/usbdev, what is found in
 * them, and one change for each rule that refuses them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "tests/mock/usbdev.h"

static void test_devices(void **state)
{
    static const struct {
        const char *name;
        size_t configs, alts;
        uint32_t mask;
    } cases[] = {
        {"stick", 1, 2, 3},    {"camera", 1, 6, 15}, {"stick-ss", 1, 1, 1},
        {"keyboard", 1, 1, 1}, {"audio", 2, 4, 3},   {"capture-ssp", 1, 3, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usbdev d;
        uint8_t hash[USB_DSET_HASH_BYTES];
        usbdev_load(cases[i].name, &d);
        struct usb_dset *s = usbdev_set(&d);
        assert_int_equal(s->n_configs, cases[i].configs);
        assert_int_equal(s->configs[0].n_alts, cases[i].alts);
        assert_int_equal(s->configs[0].mask, cases[i].mask);
        assert_memory_equal(s->device, d.raw, d.len);
        assert_int_equal(s->bos_len, d.bos_len);
        usb_dset_hash(cur_of(d.raw, d.len), cur_of(d.bos, d.bos_len), hash);
        assert_memory_equal(s->hash, hash, sizeof(hash));
        usb_dset_free(s);
    }
}

/* Service bytes: what one isochronous packet may be at most. */
static void test_endpoints(void **state)
{
    static const struct {
        const char *name;
        uint8_t number, alt, address, type;
        uint16_t packet;
        uint32_t service;
    } cases[] = {
        {"stick", 0, 0, 0x81, USB_XFER_BULK, 512, 512},
        {"stick", 1, 0, 0x83, USB_XFER_INTERRUPT, 8, 8},
        {"camera", 1, 1, 0x81, USB_XFER_ISO, 1024, 3072},
        {"camera", 3, 1, 0x82, USB_XFER_ISO, 192, 192},
        {"audio", 1, 2, 0x01, USB_XFER_ISO, 384, 384},
        {"capture-ssp", 0, 1, 0x81, USB_XFER_ISO, 1024, 98304},
        {"capture-ssp", 0, 2, 0x81, USB_XFER_ISO, 1024, 12288},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usbdev d;
        usbdev_load(cases[i].name, &d);
        struct usb_dset *s = usbdev_set(&d);
        const struct usb_alt *a =
            usb_dset_alt(&s->configs[0], cases[i].number, cases[i].alt);
        assert_non_null(a);
        const struct usb_ep *e = NULL;
        for (size_t k = 0; k < a->n_eps; k++)
            if (a->eps[k].address == cases[i].address)
                e = &a->eps[k];
        assert_non_null(e);
        assert_int_equal(e->type, cases[i].type);
        assert_int_equal(e->packet, cases[i].packet);
        assert_int_equal(e->service, cases[i].service);
        usb_dset_free(s);
    }
}

/* Bytes changed in a good device; fault NONE: it stays good. */
struct change {
    const char *what, *device;
    struct {
        uint16_t at;
        uint8_t to;
    } byte[3]; /* at == 0 ends the list but for the first */
    enum usb_dset_fault fault;
};

/* stick: device 0, configuration 18, interface 0 at 27, its endpoints at 36
 * and 43, interface 1 at 50, HID descriptor 59, endpoint 68.
 * stick-ss: endpoint 36, companion 43, endpoint 49, companion 56.
 * keyboard: endpoint 45. audio: setting 1 of interface 1 at 45, endpoint 54,
 * setting 2 at 63, endpoint 72. capture-ssp: setting 1 at 36, endpoint 45,
 * companion 52, the other one 58. */
static const struct change changes[] = {
    {"device too short", "stick", {{0, 17}}, USB_FAULT_DEVICE},
    {"device of another type", "stick", {{1, 2}}, USB_FAULT_DEVICE},
    {"device is a hub", "stick", {{4, 9}}, USB_FAULT_HUB},
    {"control packets of 8 at high speed",
     "stick",
     {{7, 8}},
     USB_FAULT_PACKET_SIZE},
    {"no configuration", "stick", {{17, 0}}, USB_FAULT_CONFIGS},
    {"nine configurations", "stick", {{17, 9}}, USB_FAULT_CONFIGS},
    {"a configuration missing", "stick", {{17, 2}}, USB_FAULT_CONFIGS},
    {"a configuration too many", "audio", {{17, 1}}, USB_FAULT_CONFIGS},
    {"configuration too short", "stick", {{18, 8}}, USB_FAULT_CONFIG},
    {"configuration of no length", "stick", {{18, 1}}, USB_FAULT_LENGTH},
    {"configuration of another type", "stick", {{19, 4}}, USB_FAULT_CONFIG},
    {"total beyond the end", "stick", {{20, 0x3a}}, USB_FAULT_TOTAL},
    {"total cuts the last one", "stick", {{20, 0x38}}, USB_FAULT_LENGTH},
    {"total below the head", "stick", {{20, 8}}, USB_FAULT_TOTAL},
    {"total over 16 KiB", "stick", {{21, 0x41}}, USB_FAULT_TOTAL},
    {"an interface more than said", "stick", {{22, 1}}, USB_FAULT_INTERFACES},
    {"an interface fewer than said", "stick", {{22, 3}}, USB_FAULT_INTERFACES},
    {"configuration value 0", "stick", {{23, 0}}, USB_FAULT_CONFIG},
    {"two of one value", "audio", {{23, 2}}, USB_FAULT_CONFIG},
    {"interface too short", "stick", {{27, 8}}, USB_FAULT_INTERFACE},
    {"interface number 32", "stick", {{29, 32}}, USB_FAULT_INTERFACES},
    {"numbers with a gap", "stick", {{52, 7}}, USB_FAULT_NONE},
    {"no setting 0", "stick", {{30, 1}}, USB_FAULT_ALTERNATE},
    {"a setting twice", "audio", {{66, 1}}, USB_FAULT_ALTERNATE},
    {"an endpoint more than said", "stick", {{31, 1}}, USB_FAULT_ENDPOINTS},
    {"an endpoint fewer than said", "stick", {{31, 3}}, USB_FAULT_ENDPOINTS},
    {"a hub's interface", "stick", {{32, 9}}, USB_FAULT_HUB},
    {"descriptor of length 0", "stick", {{36, 0}}, USB_FAULT_LENGTH},
    {"descriptor of length 1", "stick", {{59, 1}}, USB_FAULT_LENGTH},
    {"descriptor beyond the end", "stick", {{59, 17}}, USB_FAULT_LENGTH},
    {"endpoint of 8 bytes", "stick", {{36, 8}}, USB_FAULT_ENDPOINT},
    {"a device within", "stick", {{60, 1}}, USB_FAULT_CONFIG},
    {"a configuration within", "stick", {{60, 2}}, USB_FAULT_CONFIG},
    {"endpoint number 0", "stick", {{38, 0x80}}, USB_FAULT_ENDPOINT},
    {"reserved address bits", "stick", {{38, 0x91}}, USB_FAULT_ENDPOINT},
    {"a control endpoint", "stick", {{39, 0}}, USB_FAULT_ENDPOINT},
    {"bulk of 511", "stick", {{40, 0xff}, {41, 1}}, USB_FAULT_PACKET_SIZE},
    {"bulk of 64 at high speed", "stick", {{40, 64}, {41, 0}}, USB_FAULT_NONE},
    {"bulk with transactions", "stick", {{41, 0x0a}}, USB_FAULT_PACKET_SIZE},
    {"reserved size bits", "stick", {{41, 0x22}}, USB_FAULT_PACKET_SIZE},
    {"interrupt of 0", "stick", {{72, 0}}, USB_FAULT_PACKET_SIZE},
    {"interrupt of 1025", "stick", {{72, 1}, {73, 4}}, USB_FAULT_PACKET_SIZE},
    {"four transactions", "stick", {{73, 0x18}}, USB_FAULT_PACKET_SIZE},
    {"endpoint twice in a setting", "stick", {{45, 0x81}}, USB_FAULT_DUPLICATE},
    {"endpoint of two interfaces", "stick", {{70, 0x81}}, USB_FAULT_DUPLICATE},
    {"interrupt interval 0", "stick", {{74, 0}}, USB_FAULT_INTERVAL},
    {"interrupt interval 255", "stick", {{74, 255}}, USB_FAULT_NONE},
    {"isochronous interval 17", "audio", {{60, 17}}, USB_FAULT_INTERVAL},
    {"isochronous of 1024 at full speed",
     "audio",
     {{58, 0}, {59, 4}},
     USB_FAULT_PACKET_SIZE},
    {"transactions at full speed", "audio", {{59, 8}}, USB_FAULT_PACKET_SIZE},
    {"bulk at low speed", "keyboard", {{48, 2}}, USB_FAULT_PACKET_SIZE},
    {"isochronous at low speed", "keyboard", {{48, 1}}, USB_FAULT_PACKET_SIZE},
    {"interrupt of 9 at low speed",
     "keyboard",
     {{49, 9}},
     USB_FAULT_PACKET_SIZE},
    {"bulk of 512 at SuperSpeed", "stick-ss", {{41, 2}}, USB_FAULT_PACKET_SIZE},
    {"no companion", "stick-ss", {{44, 0x24}}, USB_FAULT_COMPANION},
    {"companion too short", "stick-ss", {{43, 5}}, USB_FAULT_COMPANION},
    {"burst of 17", "stick-ss", {{45, 16}}, USB_FAULT_COMPANION},
    {"too many streams", "stick-ss", {{46, 17}}, USB_FAULT_COMPANION},
    {"SuperSpeedPlus companion missing",
     "capture-ssp",
     {{59, 0x24}},
     USB_FAULT_COMPANION},
    {"192 KiB and one", "capture-ssp", {{62, 1}, {64, 3}}, USB_FAULT_COMPANION},
    {"four times", "capture-ssp", {{55, 0x83}}, USB_FAULT_COMPANION},
};

static int parse_changed(const struct usbdev *d, enum usb_dset_fault *fault)
{
    struct usb_dset *s = NULL;
    int r = usb_dset_parse(cur_of(d->raw, d->len), cur_of(d->bos, d->bos_len),
                           d->speed, fault, &s);

    if (r == 0)
        usb_dset_free(s);
    return r;
}

static void expect(const char *what, const struct usbdev *d,
                   enum usb_dset_fault want)
{
    enum usb_dset_fault got = USB_FAULT_NONE;
    int r = parse_changed(d, &got);

    if (got != want || (r == 0) != (want == USB_FAULT_NONE))
        fail_msg("%s: got %d (%s), want %s", what, r, usb_dset_fault_text(got),
                 usb_dset_fault_text(want));
}

static void test_changes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        const struct change *c = &changes[i];
        struct usbdev d;
        usbdev_load(c->device, &d);
        for (size_t k = 0; k < ARRAY_LEN(c->byte); k++)
            if (k == 0 || c->byte[k].at != 0)
                d.raw[c->byte[k].at] = c->byte[k].to;
        expect(c->what, &d, c->fault);
    }
}

static void test_lengths(void **state)
{
    struct usbdev d;
    uint8_t *big = calloc(1, USB_DSET_BYTES + 1);
    enum usb_dset_fault fault = USB_FAULT_NONE;
    struct usb_dset *s = NULL;

    (void)state;
    usbdev_load("stick", &d);
    d.len--;
    expect("one byte short", &d, USB_FAULT_TOTAL);
    d.len += 2;
    expect("one byte long", &d, USB_FAULT_CONFIGS);
    d.len = 18;
    expect("device alone", &d, USB_FAULT_CONFIGS);
    d.len = 17;
    expect("not even that", &d, USB_FAULT_DEVICE);
    d.len = 0;
    expect("nothing", &d, USB_FAULT_DEVICE);
    for (uint8_t speed = 0; speed < 9; speed++) {
        usbdev_load("stick", &d);
        d.speed = speed;
        bool ok = speed == 1 || speed == 2 || speed == 3 || speed >= 5;
        if (!ok || speed > 6)
            expect("speed", &d, USB_FAULT_SPEED);
    }
    assert_non_null(big);
    assert_int_equal(usb_dset_parse(cur_of(big, USB_DSET_BYTES + 1),
                                    cur_of(NULL, 0), 3, &fault, &s),
                     -EBADMSG);
    assert_int_equal(fault, USB_FAULT_LIMIT);
    assert_int_equal(usb_dset_parse(cur_of(big, 18),
                                    cur_of(big, USB_DSET_BOS_BYTES + 1), 3,
                                    NULL, &s),
                     -EBADMSG);
    free(big);
}

/* A configuration of @p alts settings with @p eps endpoints each. */
static void test_limits(void **state)
{
    static const struct {
        size_t alts;
        uint8_t eps;
        enum usb_dset_fault want;
    } cases[] = {
        {256, 0, USB_FAULT_NONE},
        {34, 30, USB_FAULT_NONE}, /* 1020 endpoints */
        {35, 30, USB_FAULT_LIMIT},
        {2, 31, USB_FAULT_ENDPOINT}, /* the 31st has number 0 */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        static uint8_t raw[USB_DSET_BYTES];
        struct usbdev d;
        enum usb_dset_fault got = USB_FAULT_NONE;
        struct usb_dset *s = NULL;
        struct wbuf w = wbuf_of(raw, sizeof(raw));
        usbdev_load("stick", &d);
        wbuf_bytes(&w, d.raw, 27);
        for (size_t a = 0; a < cases[i].alts; a++) {
            const uint8_t h[9] = {9,    4, 0, (uint8_t)a, cases[i].eps,
                                  0xff, 0, 0, 0};
            wbuf_bytes(&w, h, sizeof(h));
            for (uint8_t e = 0; e < cases[i].eps; e++) {
                uint8_t n = (uint8_t)(e < 15 ? e + 1 : ((e - 14) % 16) | 0x80);
                const uint8_t b[7] = {7, 5, n, 2, 0, 2, 0};
                wbuf_bytes(&w, b, sizeof(b));
            }
        }
        assert_int_equal(wbuf_done(&w), 0);
        raw[20] = (uint8_t)((w.len - 18) & 0xff);
        raw[21] = (uint8_t)((w.len - 18) >> 8);
        raw[22] = 1;
        int r =
            usb_dset_parse(cur_of(raw, w.len), cur_of(NULL, 0), 3, &got, &s);
        if (r == 0)
            usb_dset_free(s);
        assert_int_equal(got, cases[i].want);
        assert_int_equal(r, got == USB_FAULT_NONE ? 0 : -EBADMSG);
    }
}

static void test_bos(void **state)
{
    static const struct {
        uint8_t at, to;
    } bad[] = {
        {0, 4}, {1, 2}, {2, 21}, {4, 1}, {4, 3}, {5, 2}, {6, 15}, {5, 200},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct usbdev d;
        usbdev_load("stick-ss", &d);
        expect("BOS as it is", &d, USB_FAULT_NONE);
        d.bos[bad[i].at] = bad[i].to;
        expect("BOS", &d, USB_FAULT_BOS);
    }
}

static void test_strings(void **state)
{
    static const struct {
        uint8_t index;
        uint8_t raw[12];
        size_t len;
        int want;
    } cases[] = {
        {0, {4, 3, 9, 4}, 4, 0},
        {0, {2, 3}, 2, -EBADMSG}, /* no language */
        {1, {2, 3}, 2, 0},        /* empty */
        {1, {6, 3, 'a', 0, 'b', 0}, 6, 0},
        {1, {6, 3, 'a', 0, 'b', 0}, 4, -EBADMSG}, /* cut */
        {1, {5, 3, 'a', 0, 'b'}, 5, -EBADMSG},    /* odd */
        {1, {4, 2, 'a', 0}, 4, -EBADMSG},         /* type */
        {1, {1}, 1, -EBADMSG},
        {1, {6, 3, 0x3d, 0xd8, 0x00, 0xde}, 6, 0},        /* a pair */
        {1, {4, 3, 0x3d, 0xd8}, 4, -EBADMSG},             /* half of it */
        {1, {4, 3, 0x00, 0xde}, 4, -EBADMSG},             /* other half */
        {1, {6, 3, 0x3d, 0xd8, 0x3d, 0xd8}, 6, -EBADMSG}, /* high, high */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(
            usb_dset_check_string(cases[i].index, cases[i].raw, cases[i].len),
            cases[i].want);
    for (int f = 0; f < USB_FAULT_COUNT; f++)
        assert_string_not_equal(usb_dset_fault_text((enum usb_dset_fault)f),
                                "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_devices), cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_changes), cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_limits),  cmocka_unit_test(test_bos),
        cmocka_unit_test(test_strings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
