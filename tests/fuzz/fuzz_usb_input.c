/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input events: a sequence of reports makes bounded groups of allowed events,
 * and any record is judged without a fault. Byte 0 says which. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "device/usb_grant.h"
#include "usbvm/protocol/usb_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void reports(const uint8_t *p, size_t len, int keyboard)
{
    struct usb_keyboard k = {0};
    struct usb_mouse m = {0};
    struct usb_input e[USB_INPUT_GROUP];
    unsigned kinds = keyboard ? USB_EVENTS_KEYBOARD : USB_EVENTS_POINTER;

    while (len > 0) {
        size_t n = *p % 10u;
        p++;
        len--;
        if (n > len)
            n = len;
        int r = keyboard ? usb_input_keyboard(&k, p, n, e)
                         : usb_input_mouse(&m, p, n, e);
        if (r > USB_INPUT_GROUP)
            abort();
        for (int i = 0; i < r; i++)
            if (usb_input_check(&e[i], kinds) < 0)
                abort();
        p += n;
        len -= n;
    }
}

static void records(const uint8_t *p, size_t len)
{
    for (; len >= USB_INPUT_BYTES; p += USB_INPUT_BYTES) {
        struct usb_input e = usb_input_decode(p);
        uint8_t back[USB_INPUT_BYTES];
        usb_input_encode(&e, back);
        for (size_t i = 0; i < USB_INPUT_BYTES; i++)
            if (back[i] != p[i])
                abort();
        (void)usb_input_check(&e, USB_EVENTS_KEYBOARD | USB_EVENTS_POINTER);
        (void)usb_input_check_led(&e);
        len -= USB_INPUT_BYTES;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 3 == 2)
        records(data + 1, size - 1);
    else
        reports(data + 1, size - 1, data[0] % 3);
    return 0;
}
