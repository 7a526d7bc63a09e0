/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why descriptors are refused, in words. pure; apart from the parser for
 * those who only say it. See usb_dset.h. */
#include "lib/mem.h"
#include "usbvm/protocol/usb_dset.h"

const char *usb_dset_fault_text(enum usb_dset_fault f)
{
#define USB_FAULT_TEXT(name, text) text,
    static const char *const TEXTS[] = {USB_DSET_FAULTS(USB_FAULT_TEXT)};
#undef USB_FAULT_TEXT

    return (size_t)f < ARRAY_LEN(TEXTS) ? TEXTS[f] : "?";
}
