/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices for tests. effect; see usbdev.h. */
#include "tests/mock/usbdev.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/mock/hexfile.h"

static const struct {
    const char *name;
    uint8_t speed;
} SPEEDS[] = {
    {"stick", 3},    {"camera", 3}, {"stick-ss", 5},    {"mix", 3},
    {"keyboard", 1}, {"audio", 2},  {"capture-ssp", 6}, {"network", 3},
};

void usbdev_load(const char *name, struct usbdev *ret)
{
    char path[128];

    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < sizeof(SPEEDS) / sizeof(SPEEDS[0]); i++)
        if (strcmp(SPEEDS[i].name, name) == 0)
            ret->speed = SPEEDS[i].speed;
    assert_int_not_equal(ret->speed, 0);
    (void)snprintf(path, sizeof(path), "tests/golden/usbdev/%s.hex", name);
    ret->len = hexfile_read(path, ret->raw, sizeof(ret->raw), NULL, 0);
    (void)snprintf(path, sizeof(path), "tests/golden/usbdev/%s-bos.hex", name);
    if (access(path, R_OK) == 0)
        ret->bos_len = hexfile_read(path, ret->bos, sizeof(ret->bos), NULL, 0);
}

struct usb_dset *usbdev_set(const struct usbdev *d)
{
    enum usb_dset_fault fault = USB_FAULT_NONE;
    struct usb_dset *set = NULL;
    int r = usb_dset_parse(cur_of(d->raw, d->len), cur_of(d->bos, d->bos_len),
                           d->speed, &fault, &set);

    if (r != 0)
        fail_msg("refused: %s", usb_dset_fault_text(fault));
    return set;
}

struct usb_snapshot *usbdev_snapshot(const char *name, uint32_t mask)
{
    struct usbdev d;
    struct usb_snapshot *s;

    usbdev_load(name, &d);
    s = usb_snapshot_new(usbdev_set(&d), mask);
    assert_non_null(s);
    return s;
}

struct usb_snapshot *usbdev_mix(void)
{
    static struct usbdev mix; /* read once: fuzzers ask a thousand times */

    if (mix.len == 0)
        usbdev_load("mix", &mix);
    struct usb_snapshot *s = usb_snapshot_new(usbdev_set(&mix), 0x3);
    assert_non_null(s);
    assert_int_equal(usb_snapshot_set_configuration(s, 1), 0);
    assert_int_equal(usb_snapshot_set_interface(s, 1, 1), 0);
    return s;
}
