/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices that are there and devices that were published. pure. See
 * usb_table.h. */
#include "usbvm/usb_table.h"

#include <stdlib.h>
#include <string.h>

void usb_table_add(struct usb_table *t, const struct usb_entry *e)
{
    if (t->n == USB_TABLE_MAX)
        t->full = true;
    else
        t->e[t->n++] = *e;
}

static int by_port(const void *a, const void *b)
{
    const struct usb_entry *x = a, *y = b;

    return usb_port_cmp(&x->port, &y->port);
}

void usb_table_sort(struct usb_table *t)
{
    qsort(t->e, t->n, sizeof(t->e[0]), by_port);
}

static bool same(const struct usb_entry *a, const struct usb_entry *b)
{
    return a->number == b->number && a->version == b->version &&
           strcmp(a->desc, b->desc) == 0 &&
           strcmp(a->interfaces, b->interfaces) == 0;
}

int usb_table_diff(const struct usb_table *old, const struct usb_table *now,
                   usb_change_cb cb, void *arg)
{
    size_t i = 0, k = 0;

    while (i < old->n || k < now->n) {
        int c = i == old->n   ? 1
                : k == now->n ? -1
                              : by_port(&old->e[i], &now->e[k]);
        if (c == 0 && same(&old->e[i], &now->e[k])) {
            i++;
            k++;
            continue;
        }
        int r = c <= 0 ? cb(USB_GONE, &old->e[i++], arg)
                       : cb(USB_NEW, &now->e[k++], arg);
        if (r)
            return r;
        if (c == 0) {
            r = cb(USB_NEW, &now->e[k++], arg);
            if (r)
                return r;
        }
    }
    return 0;
}
