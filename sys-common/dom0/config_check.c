/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks across the whole set of qubes: duplicates, devices, what fits which
 * kind. pure. Fed by parsed and resolved configuration.
 * Images are image.c. */
#include <stdio.h>
#include <string.h>

#include "dom0/config.h"
#include "lib/err.h"

static const uint8_t default_mac[6] = {0x00, 0x16, 0x3e, 0x5e, 0x6c, 0x00};

static void check_pair(const struct config_qube *a, const struct config_qube *b,
                       struct problems *p)
{
    char text[IPADDR_TEXT_MAX];

    if (a->qid && a->qid == b->qid)
        problems_add(p, b->file, b->line[KEY_QID],
                     "QID=%u is also the number of %s; expected one of its "
                     "own",
                     b->qid, a->name);
    if (a->ip4.family && ipaddr_eq(&a->ip4, &b->ip4))
        problems_add(p, b->file, b->line[KEY_ADDRESS],
                     "the address %s is also that of %s; expected one of its "
                     "own",
                     ipaddr_format(&b->ip4, text), a->name);
    if (a->ip6.family && ipaddr_eq(&a->ip6, &b->ip6))
        problems_add(p, b->file, b->line[KEY_ADDRESS6],
                     "the address %s is also that of %s; expected one of its "
                     "own",
                     ipaddr_format(&b->ip6, text), a->name);
    /* Every qube has the same MAC address unless a file says otherwise. */
    if (b->line[KEY_MAC] && memcmp(b->mac, default_mac, 6) &&
        !memcmp(a->mac, b->mac, 6))
        problems_add(p, b->file, b->line[KEY_MAC],
                     "this MAC address is also that of %s; expected one of "
                     "its own",
                     a->name);
    for (size_t i = 0; i < b->n_pci; i++) {
        for (size_t j = 0; j < a->n_pci; j++) {
            char dev[PCI_TEXT_MAX];

            if (memcmp(&a->pci[j], &b->pci[i], sizeof(a->pci[j])))
                continue;
            problems_add(p, b->file, b->pci_line[i],
                         "PCI=%s is also given to %s (line %u of %s); "
                         "expected one qube per device",
                         config_pci_format(&b->pci[i], dev), a->name,
                         a->pci_line[j], a->file);
        }
    }
}

static void check_own_pci(const struct config_qube *q, struct problems *p)
{
    for (size_t i = 1; i < q->n_pci; i++) {
        for (size_t j = 0; j < i; j++) {
            char dev[PCI_TEXT_MAX];

            if (!memcmp(&q->pci[j], &q->pci[i], sizeof(q->pci[j])))
                problems_add(p, q->file, q->pci_line[i],
                             "PCI=%s is given twice (first at line %u)",
                             config_pci_format(&q->pci[i], dev),
                             q->pci_line[j]);
        }
    }
    if (q->n_pci && q->virt == VIRT_PVH)
        problems_add(p, q->file, q->line[KEY_VIRT],
                     "VirtMode=pvh with PCI=: a PVH domain takes no PCI "
                     "device; expected VirtMode=pv or hvm");
}

static unsigned first_uplink_line(const struct config_qube *q)
{
    static const enum config_key keys[] = {KEY_UP_MODE,     KEY_UP_ADDRESS,
                                           KEY_UP_GATEWAY,  KEY_UP_DNS,
                                           KEY_UP_ADDRESS6, KEY_UP_GATEWAY6};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (q->line[keys[i]])
            return q->line[keys[i]];
    }
    return 0;
}

static void check_uplink(const struct config_qube *q, struct problems *p)
{
    unsigned line = first_uplink_line(q);

    if (q->kind != KIND_NETVM) {
        if (line)
            problems_add(p, q->file, line,
                         "[Uplink] in a qube of kind %s; expected it only in "
                         "kind netvm",
                         config_kind_name(q->kind));
        if (q->line[KEY_NS_UPLINK])
            problems_add(p, q->file, q->line[KEY_NS_UPLINK],
                         "[Netns] Uplink= in a qube of kind %s; expected it "
                         "only in kind netvm",
                         config_kind_name(q->kind));
        return;
    }
    if (q->uplink == UPLINK_STATIC && !q->up_addr.addr.family &&
        !q->up_addr6.addr.family)
        problems_add(p, q->file, q->line[KEY_UP_MODE],
                     "Mode=static without an address; expected Address= or "
                     "Address6=");
    if (q->up_gw.family && !q->up_addr.addr.family)
        problems_add(p, q->file, q->line[KEY_UP_GATEWAY],
                     "Gateway= without Address=");
    if (q->up_gw6.family && !q->up_addr6.addr.family)
        problems_add(p, q->file, q->line[KEY_UP_GATEWAY6],
                     "Gateway6= without Address6=");
    if (q->uplink == UPLINK_DHCP &&
        (q->line[KEY_UP_ADDRESS] || q->line[KEY_UP_ADDRESS6]))
        problems_add(p, q->file, line,
                     "an address with Mode=dhcp; expected Mode=static");
}

static void check_kind(const struct config_qube *q, struct problems *p)
{
    if (q->kind == KIND_NETVM && q->netvm[0])
        problems_add(p, q->file, q->line[KEY_NETVM],
                     "NetVM=%s in a qube of kind netvm; expected none: its "
                     "uplink is a device",
                     q->netvm);
    if (q->kind == KIND_FIREWALLVM && !q->netvm[0])
        problems_add(p, q->file, q->line[KEY_NETVM],
                     "NetVM= is missing in a qube of kind firewallvm; "
                     "expected the name of one of kind netvm");
    if (q->kind == KIND_USBVM && q->netvm[0])
        problems_add(p, q->file, q->line[KEY_NETVM],
                     "NetVM=%s in a qube of kind usbvm; expected none: its "
                     "kernel has no network",
                     q->netvm);
    if (q->line[KEY_ADDRESS6] && !q->has_ipv6)
        problems_add(p, q->file, q->line[KEY_ADDRESS6],
                     "Address6= but IPv6 is off here; expected IPv6=yes in "
                     "this qube or in one above it");
    if (q->has_firewall &&
        (q->up ? q->up->kind != KIND_FIREWALLVM : q->kind != KIND_QUBE))
        problems_add(p, q->file, q->line[KEY_RULE],
                     "[Firewall] but no firewall would enforce it; expected "
                     "NetVM= to name a qube of kind firewallvm");
}

static void check_usb_port(const struct config *c, const struct config_qube *q,
                           const struct usb_select *s, unsigned line,
                           struct problems *p)
{
    const struct config_qube *u = s->has_port ? config_find(c, s->usbvm) : NULL;

    if (s->has_port && (!u || u->kind != KIND_USBVM))
        problems_add(p, q->file, line,
                     "a port of %s, which is %s; expected the name of a qube "
                     "of kind usbvm",
                     s->usbvm, u ? "of another kind" : "no qube");
}

static void check_usb(const struct config *c, const struct config_qube *q,
                      struct problems *p)
{
    static const enum config_key keys[] = {KEY_USB_ALLOW, KEY_USB_DENY,
                                           KEY_USB_ASSIGN};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (q->kind != KIND_QUBE && q->line[keys[i]])
            problems_add(p, q->file, q->line[keys[i]],
                         "[USB] in a qube of kind %s; expected it only in "
                         "kind qube: an appliance takes no devices",
                         config_kind_name(q->kind));
    }
    for (size_t i = 0; i < q->usb.n_lines; i++)
        check_usb_port(c, q, &q->usb.lines[i].sel, q->usb.lines[i].line, p);
    for (size_t i = 0; i < q->usb.n_assigns; i++)
        check_usb_port(c, q, &q->usb.assigns[i].sel, q->usb.assigns[i].line, p);
}

/* All addresses of a netvm's qubes stand in one value (/connected-ips). */
static void check_clients(const struct config *c, const struct config_qube *q,
                          struct problems *p)
{
    size_t len4 = 0, len6 = 0, n = 0;
    char text[IPADDR_TEXT_MAX];

    for (size_t i = 0; i < c->n; i++) {
        const struct config_qube *one = c->qubes[i];

        if (one->up != q)
            continue;
        n++;
        if (one->ip4.family)
            len4 += strlen(ipaddr_format(&one->ip4, text)) + 1;
        if (one->ip6.family)
            len6 += strlen(ipaddr_format(&one->ip6, text)) + 1;
    }
    if (len4 > CONFIG_VALUE_MAX || len6 > CONFIG_VALUE_MAX)
        problems_add(p, q->file, 0,
                     "%zu qubes use it as netvm, whose addresses do not fit "
                     "one QubesDB value of %d bytes; expected fewer",
                     n, CONFIG_VALUE_MAX);
}

int config_check(struct config *c, struct problems *p)
{
    size_t before = problems_count(p);

    for (size_t i = 0; i < c->n; i++) {
        const struct config_qube *q = c->qubes[i];

        check_own_pci(q, p);
        check_uplink(q, p);
        check_kind(q, p);
        check_usb(c, q, p);
        check_clients(c, q, p);
        for (size_t j = 0; j < i; j++)
            check_pair(c->qubes[j], q, p);
    }
    config_check_firewall(c, p);
    return problems_count(p) > before ? -EBADMSG : 0;
}
