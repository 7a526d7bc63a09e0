/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz the strict descriptor parser and the snapshot made from what it takes:
 * a byte of speed, a byte of granted interfaces, two bytes of BOS length, BOS,
 * descriptors. What a qube is shown must itself be a good set, and no endpoint
 * of a refused interface is ever open. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "usbvm/protocol/usb_snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(what)                                                             \
    do {                                                                       \
        if (!(what))                                                           \
            abort();                                                           \
    } while (0)

/* The device descriptor and all configurations as the qube reads them. */
static void check_shown(const struct usb_snapshot *s)
{
    static uint8_t raw[USB_DSET_BYTES];
    const struct usb_dset *d = usb_snapshot_set(s);
    struct wbuf w = wbuf_of(raw, sizeof(raw));
    struct usb_dset *again = NULL;
    struct cur c;

    MUST(usb_snapshot_descriptor(s, 0x100, 0, &c) == 0);
    wbuf_bytes(&w, c.p, c.left);
    for (uint16_t i = 0; i < d->n_configs; i++) {
        MUST(usb_snapshot_descriptor(s, 0x200 | i, 0, &c) == 0);
        MUST(c.left <= d->configs[i].len);
        wbuf_bytes(&w, c.p, c.left);
    }
    MUST(wbuf_done(&w) == 0);
    MUST(usb_dset_parse(cur_of(raw, w.len), cur_of(NULL, 0), d->speed, NULL,
                        &again) == 0);
    MUST(again->n_configs == d->n_configs);
    for (size_t i = 0; i < d->n_configs; i++) {
        MUST(again->configs[i].mask == d->configs[i].mask);
        for (size_t k = 0; k < again->configs[i].n_alts; k++) {
            const struct usb_alt *a = &again->configs[i].alts[k];
            MUST((usb_snapshot_mask(s) >> a->number & 1) || a->n_eps == 0);
        }
    }
    usb_dset_free(again);
}

static void check_states(struct usb_snapshot *s)
{
    const struct usb_dset *d = usb_snapshot_set(s);
    uint8_t indexes[255];

    (void)usb_snapshot_string_indexes(s, indexes, sizeof(indexes));
    for (size_t i = 0; i < d->n_configs; i++) {
        const struct usb_config *c = &d->configs[i];
        MUST(usb_snapshot_set_configuration(s, c->value) == 0);
        for (size_t k = 0; k < c->n_alts; k++) {
            const struct usb_alt *a = &c->alts[k];
            bool ours = usb_snapshot_mask(s) >> a->number & 1;
            MUST((usb_snapshot_set_interface(s, a->number, a->alt) == 0) ==
                 ours);
            for (size_t e = 0; e < a->n_eps; e++)
                MUST((usb_snapshot_ep(s, a->eps[e].address) == &a->eps[e]) ==
                     ours);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur in = cur_of(data, size), bos;
    uint8_t speed, mask;
    uint16_t bos_len;
    const uint8_t *p;
    struct usb_dset *set = NULL;

    if (cur_u8(&in, &speed) < 0 || cur_u8(&in, &mask) < 0 ||
        cur_u16be(&in, &bos_len) < 0 || cur_take(&in, bos_len, &p) < 0)
        return 0;
    bos = cur_of(p, bos_len);
    if (usb_dset_parse(in, bos, speed, NULL, &set) < 0)
        return 0;
    struct usb_snapshot *s = usb_snapshot_new(set, mask);
    MUST(s);
    check_shown(s);
    check_states(s);
    usb_snapshot_free(s);
    return 0;
}
