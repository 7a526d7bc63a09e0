/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz the record that opens a control channel, as a hostile USBVM may send
 * it. The hash is made to fit, so that descriptors and strings are reached.
 * What is taken must come out the same when written anew. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "usbvm/protocol/usb_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t be32(const uint8_t *p)
{
    struct cur c = cur_of(p, 4);
    uint32_t v = 0;

    (void)cur_u32be(&c, &v);
    return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[USB_HELLO_MAX];
    uint8_t hash[USB_DSET_HASH_BYTES] = {0};
    struct usb_snapshot *s = NULL;
    size_t total = 0, len = 0;

    if (size < USB_HELLO_HEAD_BYTES || usb_hello_length(data, &total) < 0)
        return 0;
    size_t left = size - USB_HELLO_HEAD_BYTES;
    uint32_t raw = be32(data + 24), bos = be32(data + 28);
    if (raw <= left && bos <= left - raw)
        usb_dset_hash(cur_of(data + USB_HELLO_HEAD_BYTES, raw),
                      cur_of(data + USB_HELLO_HEAD_BYTES + raw, bos), hash);
    if (usb_hello_decode(cur_of(data, size), hash, data[15], be32(data + 16),
                         NULL, &s) < 0)
        return 0;
    if (usb_hello_encode(s, be32(data + 16), out, sizeof(out), &len) < 0 ||
        len != size || len != total || memcmp(out, data, len) != 0)
        abort();
    usb_snapshot_free(s);
    return 0;
}
