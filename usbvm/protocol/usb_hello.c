/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record that opens a device's control channel. pure. Fed by the USBVM
 * (hostile); see usb_hello.h. */
#include "usbvm/protocol/usb_hello.h"

#include "lib/err.h"

#define MAGIC 0x53515542u /* "SQUB" */
#define VERSION 1u
#define STRING_HEAD_BYTES 4

struct head {
    uint32_t magic, version, total, speed, devid, mask, raw, bos, strings;
};

/* Device descriptor and configurations lie one after the other. */
static struct cur raw_of(const struct usb_dset *d)
{
    const struct usb_config *last = &d->configs[d->n_configs - 1];

    return cur_of(d->device, (size_t)(last->raw + last->len - d->device));
}

static void put_head(struct wbuf *w, const struct head *h)
{
    wbuf_u32be(w, h->magic);
    wbuf_u32be(w, h->version);
    wbuf_u32be(w, h->total);
    wbuf_u32be(w, h->speed);
    wbuf_u32be(w, h->devid);
    wbuf_u32be(w, h->mask);
    wbuf_u32be(w, h->raw);
    wbuf_u32be(w, h->bos);
    wbuf_u32be(w, h->strings);
}

int usb_hello_encode(const struct usb_snapshot *s, uint32_t devid, uint8_t *ret,
                     size_t cap, size_t *ret_len)
{
    const struct usb_dset *d = usb_snapshot_set(s);
    struct cur raw = raw_of(d), str;
    struct head h = {
        .magic = MAGIC,
        .version = VERSION,
        .speed = d->speed,
        .devid = devid,
        .mask = usb_snapshot_mask(s),
        .raw = (uint32_t)raw.left,
        .bos = (uint32_t)d->bos_len,
    };
    uint8_t index;
    uint16_t language;
    size_t total = USB_HELLO_HEAD_BYTES + raw.left + d->bos_len;

    while (usb_snapshot_string_at(s, h.strings, &index, &language, &str) == 0) {
        total += STRING_HEAD_BYTES + str.left;
        h.strings++;
    }
    h.total = (uint32_t)total;
    struct wbuf w = wbuf_of(ret, cap);
    put_head(&w, &h);
    wbuf_bytes(&w, raw.p, raw.left);
    if (d->bos_len > 0)
        wbuf_bytes(&w, d->bos, d->bos_len);
    for (size_t i = 0;
         usb_snapshot_string_at(s, i, &index, &language, &str) == 0; i++) {
        wbuf_u8(&w, index);
        wbuf_u8(&w, (uint8_t)str.left);
        wbuf_u8(&w, (uint8_t)(language >> 8));
        wbuf_u8(&w, (uint8_t)language);
        wbuf_bytes(&w, str.p, str.left);
    }
    if (wbuf_done(&w) < 0)
        return -ENOBUFS;
    *ret_len = w.len;
    return 0;
}

static int get_head(struct cur *in, struct head *h)
{
    if (cur_u32be(in, &h->magic) < 0 || cur_u32be(in, &h->version) < 0 ||
        cur_u32be(in, &h->total) < 0 || cur_u32be(in, &h->speed) < 0 ||
        cur_u32be(in, &h->devid) < 0 || cur_u32be(in, &h->mask) < 0 ||
        cur_u32be(in, &h->raw) < 0 || cur_u32be(in, &h->bos) < 0 ||
        cur_u32be(in, &h->strings) < 0)
        return -EBADMSG;
    if (h->magic != MAGIC || h->version != VERSION ||
        h->total < USB_HELLO_HEAD_BYTES || h->total > USB_HELLO_MAX ||
        h->raw > USB_DSET_BYTES || h->bos > USB_DSET_BOS_BYTES ||
        h->strings > USB_SNAPSHOT_STRINGS)
        return -EBADMSG;
    return 0;
}

int usb_hello_length(const uint8_t head[USB_HELLO_HEAD_BYTES],
                     size_t *ret_total)
{
    struct cur in = cur_of(head, USB_HELLO_HEAD_BYTES);
    struct head h = {0};
    int r = get_head(&in, &h);

    if (r == 0)
        *ret_total = h.total;
    return r;
}

static int get_strings(struct cur *in, uint32_t n, struct usb_snapshot *s)
{
    uint8_t index, len;
    uint16_t language;
    const uint8_t *p;

    for (uint32_t i = 0; i < n; i++) {
        if (cur_u8(in, &index) < 0 || cur_u8(in, &len) < 0 ||
            cur_u16be(in, &language) < 0 || cur_take(in, len, &p) < 0 ||
            usb_snapshot_add_string(s, index, language, cur_of(p, len)) < 0)
            return -EBADMSG;
    }
    return cur_end(in);
}

/* The hash is looked at first: only descriptors that dom0 approved meet the
 * parser. */
static int get_set(struct cur raw, struct cur bos,
                   const uint8_t hash[USB_DSET_HASH_BYTES], uint8_t speed,
                   enum usb_dset_fault *ret_fault, struct usb_dset **ret)
{
    uint8_t got[USB_DSET_HASH_BYTES];

    usb_dset_hash(raw, bos, got);
    for (size_t i = 0; i < sizeof(got); i++)
        if (got[i] != hash[i])
            return -EPROTO;
    return usb_dset_parse(raw, bos, speed, ret_fault, ret);
}

int usb_hello_decode(struct cur in, const uint8_t hash[USB_DSET_HASH_BYTES],
                     uint8_t speed, uint32_t devid,
                     enum usb_dset_fault *ret_fault, struct usb_snapshot **ret)
{
    struct head h = {0};
    const uint8_t *raw, *bos;
    struct usb_dset *set = NULL;
    size_t all = in.left;

    if (ret_fault)
        *ret_fault = USB_FAULT_NONE;
    if (get_head(&in, &h) < 0 || h.total != all ||
        cur_take(&in, h.raw, &raw) < 0 || cur_take(&in, h.bos, &bos) < 0)
        return -EBADMSG;
    if (h.speed != speed || h.devid != devid)
        return -EPROTO;
    int r = get_set(cur_of(raw, h.raw), cur_of(bos, h.bos), hash, speed,
                    ret_fault, &set);
    if (r < 0)
        return r;
    struct usb_snapshot *s = usb_snapshot_new(set, h.mask);
    if (!s) {
        usb_dset_free(set);
        return -ENOMEM;
    }
    r = get_strings(&in, h.strings, s);
    if (r < 0) {
        usb_snapshot_free(s);
        return r;
    }
    *ret = s;
    return 0;
}
