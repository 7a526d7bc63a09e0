/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of usb-export and the keys made of them. pure. See export_msg.h. */
#include "usbvm/backend/export_msg.h"

#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "usbvm/protocol/usb_dset.h"

_Static_assert((int)USB_REASON_COUNT <= EXPORT_REASONS, "reasons");
_Static_assert(sizeof(struct usb_export_rec) == 48 + 4 * EXPORT_REASONS, "rec");

/* What a person reads after "failed". */
static const char *const why_texts[EXPORT_WHY_MAX] = {
    [EXPORT_WHY_NONE] = "no reason given",
    [EXPORT_WHY_CLIENT_GONE] = "the qube ended the connection",
    [EXPORT_WHY_DEVICE_GONE] = "the device was unplugged",
    [EXPORT_WHY_PROTOCOL] = "the qube broke the protocol",
    [EXPORT_WHY_DESCRIPTOR] = "the device's descriptors are not sound",
    [EXPORT_WHY_HASH] = "not the device that was granted",
    [EXPORT_WHY_INTERFACE] = "the device has no such interface",
    [EXPORT_WHY_INPUT] = "it has no such keyboard or mouse (boot protocol)",
    [EXPORT_WHY_CHANNEL] = "the channels to the qube could not be made",
    [EXPORT_WHY_INTERNAL] = "internal error of usb-export",
};

int export_msg_check(const struct usb_export_rec *untrusted_rec, size_t len)
{
    const struct usb_export_rec *u = untrusted_rec;

    if (len != sizeof(*u) || u->kind < EXPORT_STATE ||
        u->kind > EXPORT_CONFIGURED || u->state < EXPORT_WAITING ||
        u->state > EXPORT_FAILED || u->why >= EXPORT_WHY_MAX ||
        u->broken >= USB_REASON_COUNT)
        return -EBADMSG;
    return 0;
}

const char *export_msg_status(const struct usb_export_rec *rec,
                              char ret[USB_GRANT_TEXT_MAX])
{
    struct usb_link_state l = {.link = USB_LINK_WAITING};

    if (rec->state == EXPORT_ATTACHED)
        l.link = USB_LINK_ATTACHED;
    if (rec->state == EXPORT_FAILED) {
        l.link = USB_LINK_FAILED;
        (void)snprintf(
            l.why, sizeof(l.why), "%s%s%s", why_texts[rec->why],
            rec->broken ? ": " : "",
            rec->broken ? usb_reason_name((enum usb_reason)rec->broken) : "");
    }
    (void)usb_export_format(&l, ret);
    return ret;
}

const char *export_msg_stat(const struct usb_export_rec *rec,
                            char ret[USB_GRANT_TEXT_MAX])
{
    struct usb_stat s = {
        .in = rec->in,
        .out = rec->out,
        .flight = rec->flight,
        .p50_us = rec->p50us,
        .p99_us = rec->p99us,
        .refused = rec->refused,
    };

    for (size_t i = 1; i < USB_REASON_COUNT && s.n < USB_STAT_REASONS; i++) {
        if (rec->reason[i] == 0)
            continue;
        (void)snprintf(s.reason[s.n].name, sizeof(s.reason[s.n].name), "%s",
                       usb_reason_name((enum usb_reason)i));
        s.reason[s.n++].count = rec->reason[i];
    }
    (void)usb_stat_format(&s, ret);
    return ret;
}

int usb_probe_check(const struct usb_probe_rec *untrusted_rec, size_t len)
{
    const struct usb_probe_rec *u = untrusted_rec;

    if (len != sizeof(*u) || u->status > 4095 || u->speed > UINT8_MAX ||
        u->fault >= USB_FAULT_COUNT || u->n > USB_IFMAP_MAX)
        return -EBADMSG;
    for (uint32_t i = 0; i < u->n; i++)
        if (u->iface[i].number >= USB_IFMAP_NUMBERS)
            return -EBADMSG;
    return 0;
}

const char *usb_probe_ifmap(const struct usb_probe_rec *rec,
                            char ret[USB_IFMAP_TEXT_MAX])
{
    struct usb_ifmap m = {0};

    for (uint32_t i = 0; i < rec->n; i++)
        (void)usb_ifmap_add(&m, rec->iface[i].number,
                            (struct usb_iface){rec->iface[i].cls,
                                               rec->iface[i].sub,
                                               rec->iface[i].proto});
    (void)usb_ifmap_format(&m, ret);
    return ret;
}

const char *usb_probe_text(const struct usb_probe_rec *rec,
                           char ret[USB_GRANT_WHY_MAX])
{
    const char *why = "the device does not answer", *which = NULL;

    if (rec->status == ENODEV)
        why = "the device left while it was identified";
    if (rec->status == ENOBUFS)
        why = "the device has too many descriptors";
    if (rec->status == EBADMSG) {
        why = "the device's descriptors are not sound";
        if (rec->fault != USB_FAULT_NONE)
            which = usb_dset_fault_text((enum usb_dset_fault)rec->fault);
    }
    (void)snprintf(ret, USB_GRANT_WHY_MAX, "%s%s%s", why, which ? ": " : "",
                   which ? which : "");
    return ret;
}
