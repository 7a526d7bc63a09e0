/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of usb-import and the key made of them. pure. See import_msg.h. */
#include "usbvm/frontend/import_msg.h"

#include <stdio.h>

#include "lib/err.h"
#include "usbvm/protocol/usb_check.h"

/* What a person reads after "failed". */
static const char *const why_texts[IMPORT_WHY_MAX] = {
    [IMPORT_WHY_NONE] = "no reason given",
    [IMPORT_WHY_NO_VHCI] = "no vhci_hcd in this kernel: modprobe vhci-hcd",
    [IMPORT_WHY_NO_UINPUT] = "no uinput in this kernel: modprobe uinput",
    [IMPORT_WHY_NO_PORT] = "no free vhci port: detach another device",
    [IMPORT_WHY_SPEED] = "this kernel's vhci_hcd does not take this speed",
    [IMPORT_WHY_NO_SERVER] = "the USBVM did not offer the device in time",
    [IMPORT_WHY_HELLO] = "the USBVM sent a malformed description",
    [IMPORT_WHY_IDENTITY] = "the USBVM offers another device than approved",
    [IMPORT_WHY_PROTOCOL] = "the USBVM broke the protocol",
    [IMPORT_WHY_CHANNEL] = "the USBVM ended the connection",
    [IMPORT_WHY_KERNEL] = "the kernel of this qube detached the device",
    [IMPORT_WHY_INTERNAL] = "internal error of usb-import",
};

int import_msg_check(const struct usb_import_rec *untrusted_rec, size_t len)
{
    const struct usb_import_rec *u = untrusted_rec;

    if (len != sizeof(*u) ||
        (u->link != USB_LINK_CONNECTING && u->link != USB_LINK_ATTACHED &&
         u->link != USB_LINK_FAILED) ||
        u->port > UINT16_MAX || u->why >= IMPORT_WHY_MAX ||
        u->reason >= USB_REASON_COUNT)
        return -EBADMSG;
    return 0;
}

const char *import_msg_status(const struct usb_import_rec *rec,
                              char ret[USB_GRANT_TEXT_MAX])
{
    struct usb_link_state l = {
        .link = (enum usb_link)rec->link,
        .vhci = rec->link == USB_LINK_ATTACHED ? rec->port : 0,
    };

    if (l.link == USB_LINK_FAILED && rec->why == IMPORT_WHY_PROTOCOL)
        (void)snprintf(l.why, sizeof(l.why), "%s: %s", why_texts[rec->why],
                       usb_reason_name((enum usb_reason)rec->reason));
    else if (l.link == USB_LINK_FAILED)
        (void)snprintf(l.why, sizeof(l.why), "%s", why_texts[rec->why]);
    (void)usb_import_format(&l, ret);
    return ret;
}
