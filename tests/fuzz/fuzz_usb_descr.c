/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz the reader of raw USB descriptors: any bytes a device may send. What
 * it makes must be readable by dom0's strict reader. */
#include <stdint.h>
#include <stdlib.h>

#include "usbvm/usb_descr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur in = cur_of(data, size);
    struct usb_descr d;
    struct usb_ifaces back;
    char text[USB_IDENT_IFACES_TEXT_MAX];

    if (usb_descr_parse(&in, &d) < 0)
        return 0;
    usb_ifaces_format(&d.ifaces, text);
    if (usb_ifaces_parse(text_of(text), &back) != 0 || d.version > 9)
        abort();
    return 0;
}
