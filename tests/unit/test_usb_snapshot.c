/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of usb_snapshot.c and usb_hello.c: what a qube is shown of a device,
 * which endpoints are open, and that the record carries it over unharmed. */
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
#include "usbvm/protocol/usb_hello.h"

#define CONFIG_0 0x200
#define DEVID 0x10002u

static struct cur shown(const struct usb_snapshot *s, uint16_t value)
{
    struct cur c = {0};

    assert_int_equal(usb_snapshot_descriptor(s, value, 0x409, &c), 0);
    return c;
}

/* With everything granted the qube sees the device's own bytes. */
static void test_whole(void **state)
{
    static const char *const names[] = {"stick",    "camera", "stick-ss",
                                        "keyboard", "audio",  "capture-ssp"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct usbdev d;
        usbdev_load(names[i], &d);
        struct usb_snapshot *s = usbdev_snapshot(names[i], USB_SNAPSHOT_ALL);
        struct cur dev = shown(s, 0x100), c = shown(s, CONFIG_0);
        assert_int_equal(dev.left, 18);
        assert_memory_equal(dev.p, d.raw, 18);
        assert_memory_equal(c.p, d.raw + 18, c.left);
        assert_int_equal(usb_snapshot_mask(s), USB_SNAPSHOT_ALL);
        usb_snapshot_free(s);
    }
}

/* The camera without its microphone: the audio interfaces keep their numbers
 * and nothing else, their association and endpoints are gone. */
static void test_rewritten(void **state)
{
    static const uint8_t refused2[] = {9, 4, 2, 0, 0, 0xff, 0, 0, 0};
    static const uint8_t refused3[] = {9, 4, 3, 0, 0, 0xff, 0, 0, 0};
    struct usbdev d;
    struct usb_snapshot *s = usbdev_snapshot("camera", 0x3);
    struct cur c = shown(s, CONFIG_0);
    const uint8_t *b;
    uint8_t len;

    (void)state;
    usbdev_load("camera", &d);
    /* configuration head, association, interfaces 0 and 1: 9 + 8 + 9 + 13 +
     * 7 + 9 + 9 + 7 bytes as they were, then two stubs */
    assert_int_equal(c.left, 71 + 18);
    assert_int_equal(c.p[2] | c.p[3] << 8, c.left);
    assert_memory_equal(c.p + 4, d.raw + 22, 67);
    assert_memory_equal(c.p + 71, refused2, 9);
    assert_memory_equal(c.p + 80, refused3, 9);
    while (c.left > 0)
        assert_int_equal(usb_dset_next(&c, &b, &len), 0);
    usb_snapshot_free(s);
    /* the microphone without the camera */
    s = usbdev_snapshot("camera", 0xc);
    c = shown(s, CONFIG_0);
    assert_int_equal(c.left, 9 + 18 + 8 + 9 + 9 + 9 + 9 + 9);
    usb_snapshot_free(s);
    /* half of an association is none */
    s = usbdev_snapshot("camera", 0x1);
    c = shown(s, CONFIG_0);
    assert_int_equal(c.left, 9 + 9 + 13 + 7 + 3 * 9);
    usb_snapshot_free(s);
}

static void test_state(void **state)
{
    struct usb_snapshot *s = usbdev_snapshot("camera", 0x3);

    (void)state;
    assert_int_equal(usb_snapshot_configuration(s), 0);
    assert_int_equal(usb_snapshot_alternate(s, 0), -ENOENT);
    assert_null(usb_snapshot_ep(s, 0x83));
    assert_int_equal(usb_snapshot_set_interface(s, 1, 1), -ENOENT);
    assert_int_equal(usb_snapshot_set_configuration(s, 2), -ENOENT);
    assert_int_equal(usb_snapshot_set_configuration(s, 1), 0);
    assert_int_equal(usb_snapshot_configuration(s), 1);
    assert_non_null(usb_snapshot_ep(s, 0x83));
    assert_null(usb_snapshot_ep(s, 0x03)); /* the other direction */
    assert_null(usb_snapshot_ep(s, 0x93)); /* no address */
    assert_null(usb_snapshot_ep(s, 0x81));
    assert_int_equal(usb_snapshot_set_interface(s, 1, 1), 0);
    assert_non_null(usb_snapshot_ep(s, 0x81));
    assert_int_equal(usb_snapshot_ep_interface(s, 0x81), 1);
    assert_int_equal(usb_snapshot_alternate(s, 1), 1);
    assert_int_equal(usb_snapshot_set_interface(s, 1, 2), -ENOENT);
    assert_int_equal(usb_snapshot_alternate(s, 1), 1);
    /* the microphone is not the qube's */
    assert_false(usb_snapshot_has_interface(s, 3, 1));
    assert_int_equal(usb_snapshot_set_interface(s, 3, 1), -ENOENT);
    assert_null(usb_snapshot_ep(s, 0x82));
    assert_null(usb_snapshot_interface(s, 2));
    assert_int_equal(usb_snapshot_ep_interface(s, 0x82), -ENOENT);
    assert_int_equal(usb_snapshot_alternate(s, 40), -ENOENT);
    /* settings go back with the configuration */
    assert_int_equal(usb_snapshot_set_configuration(s, 1), 0);
    assert_null(usb_snapshot_ep(s, 0x81));
    assert_int_equal(usb_snapshot_set_configuration(s, 0), 0);
    assert_null(usb_snapshot_ep(s, 0x83));
    usb_snapshot_free(s);
}

static void test_descriptors(void **state)
{
    static const struct {
        const char *device;
        uint16_t value;
        size_t len; /* 0: not there */
    } cases[] = {
        {"stick", 0x100, 18},    {"stick", 0x101, 0},    {"stick", 0x200, 57},
        {"stick", 0x201, 0},     {"audio", 0x201, 25},   {"stick", 0x600, 10},
        {"audio", 0x600, 0},     {"stick-ss", 0x600, 0}, {"stick", 0xf00, 0},
        {"stick-ss", 0xf00, 22}, {"stick", 0x700, 0},    {"stick", 0x400, 0},
        {"stick", 0x2200, 0},    {"stick", 0, 0},
    };
    static const uint8_t qualifier[] = {10, 6, 0, 2, 0, 0, 0, 64, 1, 0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usb_snapshot *s =
            usbdev_snapshot(cases[i].device, USB_SNAPSHOT_ALL);
        struct cur c = {0};
        int r = usb_snapshot_descriptor(s, cases[i].value, 0, &c);
        assert_int_equal(r, cases[i].len ? 0 : -ENOENT);
        assert_int_equal(c.left, cases[i].len);
        if (cases[i].value == 0x600 && r == 0)
            assert_memory_equal(c.p, qualifier, sizeof(qualifier));
        usb_snapshot_free(s);
    }
}

static const uint8_t languages[] = {4, 3, 9, 4};
static const uint8_t name[] = {8, 3, 'a', 0, 'b', 0, 'c', 0};

/* Without its address no driver takes a network adapter; a refused one names
 * none. */
static void test_address_string(void **state)
{
    struct usb_snapshot *s = usbdev_snapshot("network", 3);
    uint8_t indexes[16];

    (void)state;
    assert_int_equal(usb_snapshot_string_indexes(s, indexes, 16), 3);
    assert_int_equal(indexes[2], 5);
    usb_snapshot_free(s);
    s = usbdev_snapshot("network", 2);
    assert_int_equal(usb_snapshot_string_indexes(s, indexes, 16), 2);
    usb_snapshot_free(s);
}

static void test_strings(void **state)
{
    struct usb_snapshot *s = usbdev_snapshot("stick", 1);
    uint8_t indexes[16];
    struct cur c = {0};

    (void)state;
    assert_int_equal(usb_snapshot_string_indexes(s, indexes, 16), 3);
    assert_int_equal(indexes[0], 1);
    assert_int_equal(indexes[2], 3); /* 4 is the refused interface's */
    assert_int_equal(usb_snapshot_string_indexes(s, indexes, 2), 2);
    assert_int_equal(usb_snapshot_descriptor(s, 0x300, 0, &c), -ENOENT);
    assert_int_equal(usb_snapshot_add_string(s, 0, 9, cur_of(languages, 4)),
                     -EBADMSG);
    assert_int_equal(usb_snapshot_add_string(s, 0, 0, cur_of(languages, 4)), 0);
    assert_int_equal(usb_snapshot_add_string(s, 2, 0x409, cur_of(name, 8)), 0);
    assert_int_equal(usb_snapshot_add_string(s, 2, 0x409, cur_of(name, 8)),
                     -EEXIST);
    assert_int_equal(usb_snapshot_add_string(s, 3, 0x409, cur_of(name, 7)),
                     -EBADMSG);
    assert_int_equal(usb_snapshot_descriptor(s, 0x300, 0x1234, &c), 0);
    assert_memory_equal(c.p, languages, sizeof(languages));
    assert_int_equal(usb_snapshot_descriptor(s, 0x302, 0x409, &c), 0);
    assert_memory_equal(c.p, name, sizeof(name));
    assert_int_equal(usb_snapshot_descriptor(s, 0x302, 0x407, &c), -ENOENT);
    for (uint16_t i = 2; i < USB_SNAPSHOT_STRINGS; i++)
        assert_int_equal(usb_snapshot_add_string(s, 9, i, cur_of(name, 8)), 0);
    assert_int_equal(usb_snapshot_add_string(s, 9, 999, cur_of(name, 8)),
                     -ENOBUFS);
    usb_snapshot_free(s);
}

/* ---- hello ---- */

static size_t hello_of(const char *device, uint32_t mask, uint8_t *ret)
{
    struct usb_snapshot *s = usbdev_snapshot(device, mask);
    size_t len = 0;

    assert_int_equal(usb_snapshot_add_string(s, 0, 0, cur_of(languages, 4)), 0);
    assert_int_equal(usb_snapshot_add_string(s, 2, 0x409, cur_of(name, 8)), 0);
    assert_int_equal(usb_hello_encode(s, DEVID, ret, USB_HELLO_MAX, &len), 0);
    assert_int_equal(usb_hello_encode(s, DEVID, ret, len - 1, &len), -ENOBUFS);
    usb_snapshot_free(s);
    return len;
}

static void test_hello(void **state)
{
    static const char *const names[] = {"stick", "camera", "stick-ss", "audio"};
    uint8_t *rec = malloc(USB_HELLO_MAX);

    (void)state;
    assert_non_null(rec);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct usbdev d;
        uint8_t hash[USB_DSET_HASH_BYTES];
        struct usb_snapshot *s = NULL;
        struct cur c;
        size_t total = 0, len = hello_of(names[i], 5, rec);
        usbdev_load(names[i], &d);
        usb_dset_hash(cur_of(d.raw, d.len), cur_of(d.bos, d.bos_len), hash);
        assert_int_equal(usb_hello_length(rec, &total), 0);
        assert_int_equal(total, len);
        assert_int_equal(
            usb_hello_decode(cur_of(rec, len), hash, d.speed, DEVID, NULL, &s),
            0);
        assert_int_equal(usb_snapshot_mask(s), 5);
        assert_memory_equal(usb_snapshot_set(s)->device, d.raw, d.len);
        assert_int_equal(usb_snapshot_set(s)->bos_len, d.bos_len);
        assert_int_equal(usb_snapshot_descriptor(s, 0x302, 0x409, &c), 0);
        assert_memory_equal(c.p, name, sizeof(name));
        usb_snapshot_free(s);
    }
    free(rec);
}

/* Each a byte of the record for "stick": 36 head, 75 descriptors, then the
 * strings at 111 (languages) and 119. */
static void test_hostile_hello(void **state)
{
    static const struct {
        const char *what;
        size_t at;
        uint8_t to;
        int want;
    } cases[] = {
        {"magic", 3, 'X', -EBADMSG},
        {"version", 7, 2, -EBADMSG},
        {"total too long", 11, 255, -EBADMSG},
        {"total huge", 8, 1, -EBADMSG},
        {"total tiny", 11, 8, -EBADMSG},
        {"speed", 15, 5, -EPROTO},
        {"devid", 19, 3, -EPROTO},
        {"descriptors longer", 27, 76, -EPROTO},
        {"descriptors beyond the end", 27, 255, -EBADMSG},
        {"descriptors over the limit", 24, 1, -EBADMSG},
        {"BOS where there is none", 31, 4, -EPROTO},
        {"BOS over the limit", 29, 1, -EBADMSG},
        {"a string too many", 35, 3, -EBADMSG},
        {"a string too few", 35, 1, -EBADMSG},
        {"too many strings", 35, 65, -EBADMSG},
        {"another device", 36 + 8, 0x35, -EPROTO},
        {"a longer configuration", 36 + 20, 0x3a, -EPROTO},
        {"string longer than said", 112, 3, -EBADMSG},
        {"string beyond the end", 120, 200, -EBADMSG},
        {"string index 0 twice", 119, 0, -EBADMSG},
        {"language for index 0", 114, 9, -EBADMSG},
    };
    static uint8_t good[USB_HELLO_MAX], rec[USB_HELLO_MAX];
    struct usbdev d;
    uint8_t hash[USB_DSET_HASH_BYTES];
    size_t len = hello_of("stick", 3, good);

    (void)state;
    usbdev_load("stick", &d);
    usb_dset_hash(cur_of(d.raw, d.len), cur_of(d.bos, d.bos_len), hash);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usb_snapshot *s = NULL;
        enum usb_dset_fault fault = USB_FAULT_HUB;
        memcpy(rec, good, len);
        rec[cases[i].at] = cases[i].to;
        int r = usb_hello_decode(cur_of(rec, len), hash, 3, DEVID, &fault, &s);
        if (r != cases[i].want)
            fail_msg("%s: %d, not %d", cases[i].what, r, cases[i].want);
        assert_int_equal(fault, USB_FAULT_NONE);
        assert_null(s);
    }
    for (size_t i = 0; i < len; i++) { /* cut anywhere */
        struct usb_snapshot *s = NULL;
        assert_int_equal(
            usb_hello_decode(cur_of(good, i), hash, 3, DEVID, NULL, &s),
            -EBADMSG);
    }
}

/* dom0 may have approved what our parser does not: then it says why. */
static void test_hello_fault(void **state)
{
    static uint8_t rec[USB_HELLO_MAX];
    uint8_t hash[USB_DSET_HASH_BYTES];
    enum usb_dset_fault fault = USB_FAULT_NONE;
    struct usb_snapshot *s = NULL;
    size_t len = hello_of("stick", 3, rec);

    (void)state;
    rec[36 + 4] = 9; /* a hub */
    usb_dset_hash(cur_of(rec + 36, 75), cur_of(NULL, 0), hash);
    assert_int_equal(
        usb_hello_decode(cur_of(rec, len), hash, 3, DEVID, &fault, &s),
        -EBADMSG);
    assert_int_equal(fault, USB_FAULT_HUB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_rewritten),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_address_string),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_hostile_hello),
        cmocka_unit_test(test_hello_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
