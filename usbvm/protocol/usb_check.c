/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words of the PDU firewall. pure. See usb_check.h. */
#include "usbvm/protocol/usb_check.h"

#include "lib/err.h"
#include "lib/mem.h"

const char *usb_reason_name(enum usb_reason r)
{
#define USB_REASON_TEXT(name, text) text,
    static const char *const NAMES[] = {USB_REASONS(USB_REASON_TEXT)};
#undef USB_REASON_TEXT

    return (size_t)r < ARRAY_LEN(NAMES) ? NAMES[r] : "?";
}

enum usb_channel usb_channel_of(enum usb_xfer type)
{
    return type == USB_XFER_BULK || type == USB_XFER_ISO ? USB_CHANNEL_BULK
                                                         : USB_CHANNEL_CONTROL;
}

uint32_t usb_xfer_max(enum usb_xfer type)
{
    switch (type) {
    case USB_XFER_CONTROL:
        return USBIP_CONTROL_MAX;
    case USB_XFER_ISO:
        return USBIP_ISO_MAX;
    case USB_XFER_BULK:
        return USBIP_BULK_MAX;
    case USB_XFER_INTERRUPT:
        return USBIP_INTERRUPT_MAX;
    }
    return 0;
}

bool usb_status_known(int32_t status)
{
    static const int32_t KNOWN[] = {
        0,          -ENOENT, -ECONNRESET, -EPIPE,  -EPROTO,
        -EILSEQ,    -ETIME,  -EOVERFLOW,  -ECOMM,  -EREMOTEIO,
        -ESHUTDOWN, -ENODEV, -EXDEV,      -EINVAL, -ENOSR,
    };

    for (size_t i = 0; i < ARRAY_LEN(KNOWN); i++)
        if (KNOWN[i] == status)
            return true;
    return false;
}
