/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz the parsers of USB keys: the first byte chooses the key, the rest is
 * its value. What is accepted is written back byte for byte. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "device/usb_grant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(struct text in, int r, const char *out)
{
    if (r != 0 || strlen(out) != in.len || memcmp(out, in.p, in.len) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char out[USB_GRANT_TEXT_MAX];
    struct usb_grant grant;
    struct usb_attach attach;
    struct usb_dev dev;
    struct usb_link_state link;
    struct usb_stat stat;

    /* dom0's worker forwards values of at most 511 bytes. */
    if (size < 1 || size > USB_GRANT_TEXT_MAX)
        return 0;
    struct text in = {(const char *)data + 1, size - 1};
    switch (data[0] % 6) {
    case 0:
        if (usb_grant_parse(in, &grant) == 0)
            same(in, usb_grant_format(&grant, out), out);
        break;
    case 1:
        if (usb_attach_parse(in, &attach) == 0)
            same(in, usb_attach_format(&attach, out), out);
        break;
    case 2:
        if (usb_dev_parse(in, &dev) == 0)
            same(in, usb_dev_format(&dev, out), out);
        break;
    case 3:
        if (usb_export_parse(in, &link) == 0)
            same(in, usb_export_format(&link, out), out);
        break;
    case 4:
        if (usb_import_parse(in, &link) == 0)
            same(in, usb_import_format(&link, out), out);
        break;
    default:
        if (usb_stat_parse(in, &stat) == 0)
            same(in, usb_stat_format(&stat, out), out);
        break;
    }
    return 0;
}
