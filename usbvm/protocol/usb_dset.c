/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strict parser of a device's descriptors. pure. Fed by the device and, in
 * the user qube, by the USBVM (both hostile); see usb_dset.h. Numbers of
 * fields: USB 2.0, tables 9-8 to 9-13; USB 3.2, 9.6. */
#include "usbvm/protocol/usb_dset.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"

enum {
    TYPE_DEVICE = 1,
    TYPE_CONFIG = 2,
    TYPE_STRING = 3,
    TYPE_INTERFACE = 4,
    TYPE_ENDPOINT = 5,
    TYPE_BOS = 15,
    TYPE_CAPABILITY = 16,
    TYPE_COMPANION = 48,
    TYPE_ISO_COMPANION = 49,
};

#define HEADER_BYTES 2
#define DEVICE_BYTES 18
#define CONFIG_BYTES 9
#define INTERFACE_BYTES 9
#define ENDPOINT_BYTES 7
#define AUDIO_ENDPOINT_BYTES 9 /* bRefresh and bSynchAddress at its end */
#define COMPANION_BYTES 6
#define ISO_COMPANION_BYTES 8
#define BOS_BYTES 5
#define CAPABILITY_BYTES 3
#define CLASS_HUB 9
/* Two lanes at 10 Gbit/s move at most 96 bursts of 2 KiB in a microframe. */
#define SERVICE_MAX (192u << 10)

enum speed {
    SPEED_LOW = 1,
    SPEED_FULL = 2,
    SPEED_HIGH = 3,
    SPEED_SUPER = 5,
    SPEED_SUPER_PLUS = 6,
};

/* A set and the memory of all it points to. */
struct dset_mem {
    struct usb_dset set; /* first: usb_dset_free() takes its address */
    struct usb_alt alts[USB_DSET_ALTS];
    struct usb_ep eps[USB_DSET_ENDPOINTS];
    size_t n_alts, n_eps;
    uint8_t raw[];
};

struct parse {
    struct dset_mem *m;
    enum usb_dset_fault fault;
    struct usb_config *config; /* the one being read */
    size_t first_alt;          /* of it */
    struct usb_alt *alt;       /* being read; NULL before the first one */
    uint8_t want_eps;          /* its bNumEndpoints */
    struct usb_ep *ep;         /* companion must follow; NULL otherwise */
    bool want_iso;             /* SuperSpeedPlus companion must follow */
};

static int fault(struct parse *p, enum usb_dset_fault f)
{
    p->fault = f;
    return -EBADMSG;
}

static uint16_t le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p)
{
    return le16(p) | (uint32_t)le16(p + 2) << 16;
}

int usb_dset_next(struct cur *in, const uint8_t **ret, uint8_t *ret_len)
{
    uint8_t len = 0;
    struct cur head = *in;

    if (cur_u8(&head, &len) < 0 || len < HEADER_BYTES ||
        cur_take(in, len, ret) < 0)
        return -EBADMSG;
    *ret_len = len;
    return 0;
}

static bool is_super(const struct usb_dset *d)
{
    return d->speed >= SPEED_SUPER;
}

/* ---- device ---- */

static bool control_packet_ok(uint8_t speed, uint8_t size)
{
    switch (speed) {
    case SPEED_LOW:
        return size == 8;
    case SPEED_FULL:
        return size == 8 || size == 16 || size == 32 || size == 64;
    case SPEED_HIGH:
        return size == 64;
    default:
        return size == 9; /* as a power of two */
    }
}

static int read_device(struct parse *p, struct cur *in, uint8_t *ret_configs)
{
    struct usb_dset *d = &p->m->set;
    const uint8_t *b;

    if (d->speed < SPEED_LOW || d->speed > SPEED_SUPER_PLUS || d->speed == 4)
        return fault(p, USB_FAULT_SPEED);
    if (cur_take(in, DEVICE_BYTES, &b) < 0 || b[0] != DEVICE_BYTES ||
        b[1] != TYPE_DEVICE)
        return fault(p, USB_FAULT_DEVICE);
    if (!control_packet_ok(d->speed, b[7]))
        return fault(p, USB_FAULT_PACKET_SIZE);
    d->device = b;
    d->cls = b[4];
    d->sub = b[5];
    d->proto = b[6];
    d->vendor = le16(b + 8);
    d->product = le16(b + 10);
    d->release = le16(b + 12);
    if (d->cls == CLASS_HUB)
        return fault(p, USB_FAULT_HUB);
    *ret_configs = b[17];
    if (*ret_configs < 1 || *ret_configs > USB_DSET_CONFIGS)
        return fault(p, USB_FAULT_CONFIGS);
    return 0;
}

/* ---- endpoints ---- */

/* Bulk endpoints of 8 to 64 bytes at high speed break USB 2.0, 5.8.3, but
 * are common in serial adapters and harmless to host controllers. */
static bool bulk_packet_ok(uint8_t speed, uint16_t size)
{
    bool small = size == 8 || size == 16 || size == 32 || size == 64;

    switch (speed) {
    case SPEED_LOW:
        return false;
    case SPEED_FULL:
        return small;
    case SPEED_HIGH:
        return small || size == 512;
    default:
        return size == 1024;
    }
}

static bool periodic_packet_ok(uint8_t speed, bool iso, uint16_t size)
{
    if (!iso && size == 0)
        return false;
    switch (speed) {
    case SPEED_LOW:
        return !iso && size <= 8;
    case SPEED_FULL:
        return size <= (iso ? 1023 : 64);
    default:
        return size <= 1024;
    }
}

/* wMaxPacketSize: size, and at high speed transactions in a microframe. */
static int read_packet_size(struct parse *p, struct usb_ep *e, uint16_t raw)
{
    uint8_t speed = p->m->set.speed;
    uint16_t extra = (raw >> 11) & 3;
    bool ok;

    e->packet = raw & 0x7ff;
    if (e->type == USB_XFER_BULK)
        ok = bulk_packet_ok(speed, e->packet) && extra == 0;
    else
        ok = periodic_packet_ok(speed, e->type == USB_XFER_ISO, e->packet) &&
             extra <= (speed == SPEED_HIGH ? 2 : 0);
    if (!ok || raw >> 13 != 0)
        return fault(p, USB_FAULT_PACKET_SIZE);
    e->service = e->packet * (1u + extra);
    return 0;
}

/* Interrupt endpoints may say any interval but 0: many give the number of
 * frames at high speed, too, and kernels mend that. */
static int check_interval(struct parse *p, const struct usb_ep *e)
{
    if (e->type == USB_XFER_BULK)
        return 0;
    if (e->interval == 0 || (e->type == USB_XFER_ISO && e->interval > 16))
        return fault(p, USB_FAULT_INTERVAL);
    return 0;
}

static bool has_ep(const struct usb_alt *a, uint8_t address)
{
    for (size_t i = 0; i < a->n_eps; i++)
        if (a->eps[i].address == address)
            return true;
    return false;
}

/* An endpoint may stand in several settings of its own interface, not in
 * another one. */
static bool is_duplicate(const struct parse *p, uint8_t address)
{
    for (size_t i = p->first_alt; i < p->m->n_alts; i++) {
        const struct usb_alt *a = &p->m->alts[i];
        if ((a == p->alt || a->number != p->alt->number) && has_ep(a, address))
            return true;
    }
    return false;
}

static int read_endpoint(struct parse *p, const uint8_t *b, uint8_t len)
{
    struct dset_mem *m = p->m;

    if (!p->alt || (len != ENDPOINT_BYTES && len != AUDIO_ENDPOINT_BYTES) ||
        (b[2] & 0x70) != 0 || (b[2] & 0x0f) == 0 || (b[3] & 3) == 0)
        return fault(p, USB_FAULT_ENDPOINT);
    if (p->alt->n_eps == p->want_eps)
        return fault(p, USB_FAULT_ENDPOINTS);
    if (is_duplicate(p, b[2]))
        return fault(p, USB_FAULT_DUPLICATE);
    if (m->n_eps == USB_DSET_ENDPOINTS)
        return fault(p, USB_FAULT_LIMIT);
    struct usb_ep *e = &m->eps[m->n_eps];
    *e = (struct usb_ep){.address = b[2], .type = b[3] & 3, .interval = b[6]};
    int r = read_packet_size(p, e, le16(b + 4));
    if (r == 0)
        r = check_interval(p, e);
    if (r < 0)
        return r;
    m->n_eps++;
    p->alt->n_eps++;
    p->ep = is_super(&m->set) ? e : NULL;
    return 0;
}

/* USB 3.2, 9.6.7: burst and, for isochronous endpoints, how often. */
static int read_companion(struct parse *p, const uint8_t *b, uint8_t len)
{
    struct usb_ep *e = STEAL(p->ep);
    uint8_t burst = b[2], attr = b[3];
    uint32_t mult = 1;

    if (b[1] != TYPE_COMPANION || len != COMPANION_BYTES || burst > 15)
        return fault(p, USB_FAULT_COMPANION);
    if (e->type == USB_XFER_BULK)
        return (attr & 0x1f) <= 16 ? 0 : fault(p, USB_FAULT_COMPANION);
    if (e->type == USB_XFER_ISO) {
        p->want_iso = attr & 0x80;
        mult += attr & 3;
    }
    e->service *= (burst + 1u) * mult;
    if (mult > 3 || (!p->want_iso && le16(b + 4) > e->service))
        return fault(p, USB_FAULT_COMPANION);
    return 0;
}

/* USB 3.2, 9.6.8 */
static int read_iso_companion(struct parse *p, const uint8_t *b, uint8_t len)
{
    p->want_iso = false;
    if (b[1] != TYPE_ISO_COMPANION || len != ISO_COMPANION_BYTES ||
        le32(b + 4) > SERVICE_MAX)
        return fault(p, USB_FAULT_COMPANION);
    p->m->eps[p->m->n_eps - 1].service = le32(b + 4);
    return 0;
}

/* ---- interfaces ---- */

/* The alternate setting is over. */
static int close_alt(struct parse *p)
{
    if (p->ep || p->want_iso)
        return fault(p, USB_FAULT_COMPANION);
    if (p->alt && p->alt->n_eps != p->want_eps)
        return fault(p, USB_FAULT_ENDPOINTS);
    p->alt = NULL;
    return 0;
}

static int read_interface(struct parse *p, const uint8_t *b, uint8_t len)
{
    struct dset_mem *m = p->m;
    int r = close_alt(p);

    if (r < 0)
        return r;
    if (len != INTERFACE_BYTES)
        return fault(p, USB_FAULT_INTERFACE);
    if (b[2] >= USB_DSET_INTERFACES)
        return fault(p, USB_FAULT_INTERFACES);
    if (b[5] == CLASS_HUB)
        return fault(p, USB_FAULT_HUB);
    for (size_t i = p->first_alt; i < m->n_alts; i++)
        if (m->alts[i].number == b[2] && m->alts[i].alt == b[3])
            return fault(p, USB_FAULT_ALTERNATE);
    if (m->n_alts == USB_DSET_ALTS)
        return fault(p, USB_FAULT_LIMIT);
    p->alt = &m->alts[m->n_alts++];
    *p->alt = (struct usb_alt){
        .number = b[2],
        .alt = b[3],
        .cls = b[5],
        .sub = b[6],
        .proto = b[7],
        .eps = &m->eps[m->n_eps],
    };
    p->want_eps = b[4];
    p->config->mask |= UINT32_C(1) << b[2];
    return 0;
}

/* ---- configurations ---- */

static int read_inner(struct parse *p, const uint8_t *b, uint8_t len)
{
    if (p->ep)
        return read_companion(p, b, len);
    if (p->want_iso)
        return read_iso_companion(p, b, len);
    switch (b[1]) {
    case TYPE_DEVICE:
    case TYPE_CONFIG:
        return fault(p, USB_FAULT_CONFIG);
    case TYPE_INTERFACE:
        return read_interface(p, b, len);
    case TYPE_ENDPOINT:
        return read_endpoint(p, b, len);
    default: /* of a class: for the qube's driver to judge */
        return 0;
    }
}

static unsigned bits(uint32_t v)
{
    return (unsigned)__builtin_popcount(v);
}

/* Every interface has its setting 0, and there are as many as was said. */
static int close_config(struct parse *p, uint8_t want_interfaces)
{
    struct usb_config *c = p->config;
    uint32_t zero = 0;
    int r = close_alt(p);

    if (r < 0)
        return r;
    c->alts = &p->m->alts[p->first_alt];
    c->n_alts = p->m->n_alts - p->first_alt;
    for (size_t i = 0; i < c->n_alts; i++)
        if (c->alts[i].alt == 0)
            zero |= UINT32_C(1) << c->alts[i].number;
    if (zero != c->mask)
        return fault(p, USB_FAULT_ALTERNATE);
    if (want_interfaces == 0 || bits(c->mask) != want_interfaces)
        return fault(p, USB_FAULT_INTERFACES);
    return 0;
}

static int read_config(struct parse *p, struct cur *in)
{
    struct usb_dset *d = &p->m->set;
    struct usb_config *c = &d->configs[d->n_configs];
    struct cur head = *in;
    const uint8_t *b, *raw;
    uint8_t len;

    if (usb_dset_next(&head, &b, &len) < 0)
        return fault(p, USB_FAULT_LENGTH);
    if (b[1] != TYPE_CONFIG || len != CONFIG_BYTES || b[5] == 0 ||
        usb_dset_config(d, b[5]))
        return fault(p, USB_FAULT_CONFIG);
    size_t total = le16(b + 2);
    if (total < CONFIG_BYTES || total > USB_DSET_CONFIG_BYTES ||
        cur_take(in, total, &raw) < 0)
        return fault(p, USB_FAULT_TOTAL);
    *c = (struct usb_config){.value = b[5], .raw = raw, .len = total};
    p->config = c;
    p->first_alt = p->m->n_alts;
    struct cur rest = cur_of(raw + CONFIG_BYTES, total - CONFIG_BYTES);
    uint8_t interfaces = b[4];
    while (rest.left > 0) {
        if (usb_dset_next(&rest, &b, &len) < 0)
            return fault(p, USB_FAULT_LENGTH);
        int r = read_inner(p, b, len);
        if (r < 0)
            return r;
    }
    d->n_configs++;
    return close_config(p, interfaces);
}

/* ---- BOS ---- */

static int read_bos(struct parse *p, struct cur in)
{
    struct usb_dset *d = &p->m->set;
    const uint8_t *b;
    uint8_t len;
    size_t n = 0;

    if (in.left == 0)
        return 0;
    d->bos = in.p;
    d->bos_len = in.left;
    if (usb_dset_next(&in, &b, &len) < 0 || b[1] != TYPE_BOS ||
        len != BOS_BYTES || le16(b + 2) != d->bos_len)
        return fault(p, USB_FAULT_BOS);
    uint8_t want = b[4];
    while (in.left > 0) {
        if (usb_dset_next(&in, &b, &len) < 0 || b[1] != TYPE_CAPABILITY ||
            len < CAPABILITY_BYTES)
            return fault(p, USB_FAULT_BOS);
        n++;
    }
    return n == want && n <= USB_DSET_BOS_CAPS ? 0 : fault(p, USB_FAULT_BOS);
}

/* ---- the whole ---- */

static int parse_all(struct parse *p, struct cur raw, struct cur bos)
{
    uint8_t configs = 0;
    int r = read_device(p, &raw, &configs);

    while (r == 0 && p->m->set.n_configs < configs) {
        if (raw.left == 0)
            return fault(p, USB_FAULT_CONFIGS);
        r = read_config(p, &raw);
    }
    if (r < 0)
        return r;
    if (raw.left > 0)
        return fault(p, USB_FAULT_CONFIGS);
    return read_bos(p, bos);
}

int usb_dset_parse(struct cur raw, struct cur bos, uint8_t speed,
                   enum usb_dset_fault *ret_fault, struct usb_dset **ret)
{
    struct parse p = {0};
    int r;

    if (raw.left > USB_DSET_BYTES || bos.left > USB_DSET_BOS_BYTES) {
        if (ret_fault)
            *ret_fault = USB_FAULT_LIMIT;
        return -EBADMSG;
    }
    p.m = malloc(sizeof(*p.m) + raw.left + bos.left);
    if (!p.m)
        return -ENOMEM;
    memset(&p.m->set, 0, sizeof(p.m->set));
    p.m->n_alts = p.m->n_eps = 0;
    p.m->set.speed = speed;
    if (raw.left > 0)
        memcpy(p.m->raw, raw.p, raw.left);
    if (bos.left > 0)
        memcpy(p.m->raw + raw.left, bos.p, bos.left);
    r = parse_all(&p, cur_of(p.m->raw, raw.left),
                  cur_of(p.m->raw + raw.left, bos.left));
    if (r < 0) {
        if (ret_fault)
            *ret_fault = p.fault;
        free(p.m);
        return r;
    }
    usb_dset_hash(raw, bos, p.m->set.hash);
    *ret = &p.m->set;
    return 0;
}

void usb_dset_free(struct usb_dset *d)
{
    free(d); /* the first member of its struct dset_mem */
}

const struct usb_config *usb_dset_config(const struct usb_dset *d,
                                         uint8_t value)
{
    for (size_t i = 0; i < d->n_configs; i++)
        if (d->configs[i].value == value)
            return &d->configs[i];
    return NULL;
}

const struct usb_alt *usb_dset_alt(const struct usb_config *c, uint8_t number,
                                   uint8_t alt)
{
    for (size_t i = 0; i < c->n_alts; i++)
        if (c->alts[i].number == number && c->alts[i].alt == alt)
            return &c->alts[i];
    return NULL;
}

void usb_dset_hash(struct cur raw, struct cur bos,
                   uint8_t ret[USB_DSET_HASH_BYTES])
{
    crypto_hash_sha256_state h;

    _Static_assert(USB_DSET_HASH_BYTES == crypto_hash_sha256_BYTES, "SHA-256");
    crypto_hash_sha256_init(&h);
    crypto_hash_sha256_update(&h, raw.p, raw.left);
    crypto_hash_sha256_update(&h, bos.p, bos.left);
    crypto_hash_sha256_final(&h, ret);
}

/* ---- strings ---- */

/* Surrogates come in pairs, high before low (Unicode, D91). */
static bool utf16_ok(const uint8_t *p, size_t len)
{
    bool high = false;

    for (size_t i = 0; i < len; i += 2) {
        uint16_t v = le16(p + i) & 0xfc00;
        if (high != (v == 0xdc00))
            return false;
        high = v == 0xd800;
    }
    return !high;
}

int usb_dset_check_string(uint8_t index, const uint8_t *p, size_t len)
{
    if (len < HEADER_BYTES || len > 255 || len % 2 != 0 || p[0] != len ||
        p[1] != TYPE_STRING)
        return -EBADMSG;
    if (index == 0)
        return len > HEADER_BYTES ? 0 : -EBADMSG;
    return utf16_ok(p + HEADER_BYTES, len - HEADER_BYTES) ? 0 : -EBADMSG;
}
