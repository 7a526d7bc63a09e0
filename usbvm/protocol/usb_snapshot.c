/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The approved descriptors as the qube sees them, and what is active. pure.
 * See usb_snapshot.h. */
#include "usbvm/protocol/usb_snapshot.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"

enum {
    TYPE_DEVICE = 1,
    TYPE_CONFIG = 2,
    TYPE_STRING = 3,
    TYPE_INTERFACE = 4,
    TYPE_QUALIFIER = 6,
    TYPE_ASSOCIATION = 11,
    TYPE_BOS = 15,
    TYPE_CS_INTERFACE = 0x24, /* specific to the interface's class */
};

#define SPEED_HIGH 3
#define DEVICE_BYTES 18
#define INTERFACE_BYTES 9
#define ASSOCIATION_BYTES 8
#define QUALIFIER_BYTES 10
#define CLASS_COMM 0x02
#define COMM_ETHERNET 0x0f
#define CLASS_VENDOR 0xff
#define EP_SLOTS 32 /* 16 numbers in two directions */

struct string {
    uint8_t index;
    uint16_t language;
    uint8_t len;
    uint8_t raw[255];
};

struct usb_snapshot {
    struct usb_dset *set;
    uint32_t mask;
    uint8_t *shown; /* all configurations, refused interfaces rewritten */
    struct cur configs[USB_DSET_CONFIGS]; /* of it */
    uint8_t qualifier[QUALIFIER_BYTES];
    size_t n_strings;
    struct string strings[USB_SNAPSHOT_STRINGS];
    const struct usb_config *config; /* NULL: not configured */
    const struct usb_alt *alt[USB_DSET_INTERFACES];
    /* What is open, so that a request finds its endpoint at once. */
    const struct usb_ep *ep[EP_SLOTS];
    uint8_t ep_interface[EP_SLOTS];
};

static bool granted(const struct usb_snapshot *s, uint8_t number)
{
    return number < USB_DSET_INTERFACES && (s->mask >> number & 1);
}

static size_t slot_of(uint8_t address)
{
    return (size_t)(address & 0x0f) | (address & 0x80 ? 16 : 0);
}

/* ---- rewriting ---- */

/* An association goes unless all it spans is granted. */
static bool association_stays(const struct usb_snapshot *s, const uint8_t *b,
                              uint8_t len)
{
    if (len < ASSOCIATION_BYTES)
        return true;
    for (unsigned i = 0; i < b[3]; i++)
        if (b[2] + i >= USB_DSET_INTERFACES || !granted(s, (uint8_t)(b[2] + i)))
            return false;
    return true;
}

/* What a refused interface becomes: nothing that a driver binds to. */
static void put_refused(struct wbuf *w, uint8_t number)
{
    const uint8_t b[INTERFACE_BYTES] = {
        INTERFACE_BYTES, TYPE_INTERFACE, number, 0, 0, CLASS_VENDOR, 0, 0, 0,
    };

    wbuf_bytes(w, b, sizeof(b));
}

/* Copy one configuration. Only shortens, so it always fits. */
static struct cur rewrite(const struct usb_snapshot *s,
                          const struct usb_config *c, uint8_t *to)
{
    struct wbuf w = wbuf_of(to, c->len);
    struct cur in = cur_of(c->raw, c->len);
    const uint8_t *b;
    uint8_t len;
    bool keep = true;

    while (usb_dset_next(&in, &b, &len) == 0) {
        if (b[1] == TYPE_INTERFACE) {
            keep = granted(s, b[2]);
            if (!keep && b[3] == 0)
                put_refused(&w, b[2]);
        } else if (b[1] == TYPE_ASSOCIATION) {
            /* it begins something new, whatever stood before it */
            if (association_stays(s, b, len))
                wbuf_bytes(&w, b, len);
            continue;
        }
        if (keep)
            wbuf_bytes(&w, b, len);
    }
    assert(wbuf_done(&w) == 0 && w.len <= UINT16_MAX);
    to[2] = (uint8_t)(w.len & 0xff); /* wTotalLength */
    to[3] = (uint8_t)(w.len >> 8);
    return cur_of(to, w.len);
}

static int rewrite_all(struct usb_snapshot *s)
{
    size_t total = 0, at = 0;

    for (size_t i = 0; i < s->set->n_configs; i++)
        total += s->set->configs[i].len;
    s->shown = malloc(total);
    if (!s->shown)
        return -ENOMEM;
    for (size_t i = 0; i < s->set->n_configs; i++) {
        s->configs[i] = rewrite(s, &s->set->configs[i], s->shown + at);
        at += s->set->configs[i].len;
    }
    return 0;
}

/* USB 2.0, table 9-9: the device descriptor without identity. The other
 * speed looks the same, as the device never comes at it. */
static void make_qualifier(struct usb_snapshot *s)
{
    const uint8_t *d = s->set->device;
    const uint8_t q[QUALIFIER_BYTES] = {
        QUALIFIER_BYTES,
        TYPE_QUALIFIER,
        d[2],
        d[3],
        d[4],
        d[5],
        d[6],
        d[7],
        d[17],
        0,
    };

    memcpy(s->qualifier, q, sizeof(q));
}

struct usb_snapshot *usb_snapshot_new(struct usb_dset *set, uint32_t mask)
{
    struct usb_snapshot *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->set = set;
    s->mask = mask;
    if (rewrite_all(s) < 0) {
        free(s);
        return NULL;
    }
    make_qualifier(s);
    return s;
}

void usb_snapshot_free(struct usb_snapshot *s)
{
    if (!s)
        return;
    usb_dset_free(s->set);
    free(s->shown);
    free(s);
}

const struct usb_dset *usb_snapshot_set(const struct usb_snapshot *s)
{
    return s->set;
}

uint32_t usb_snapshot_mask(const struct usb_snapshot *s)
{
    return s->mask;
}

/* ---- strings ---- */

static const struct string *find_string(const struct usb_snapshot *s,
                                        uint8_t index, uint16_t language)
{
    for (size_t i = 0; i < s->n_strings; i++)
        if (s->strings[i].index == index && s->strings[i].language == language)
            return &s->strings[i];
    return NULL;
}

int usb_snapshot_add_string(struct usb_snapshot *s, uint8_t index,
                            uint16_t language, struct cur untrusted_raw)
{
    if (usb_dset_check_string(index, untrusted_raw.p, untrusted_raw.left) < 0 ||
        (index == 0 && language != 0))
        return -EBADMSG;
    if (find_string(s, index, language))
        return -EEXIST;
    if (s->n_strings == USB_SNAPSHOT_STRINGS)
        return -ENOBUFS;
    struct string *t = &s->strings[s->n_strings++];
    t->index = index;
    t->language = language;
    t->len = (uint8_t)untrusted_raw.left;
    memcpy(t->raw, untrusted_raw.p, untrusted_raw.left);
    return 0;
}

int usb_snapshot_string_at(const struct usb_snapshot *s, size_t i,
                           uint8_t *ret_index, uint16_t *ret_language,
                           struct cur *ret_raw)
{
    if (i >= s->n_strings)
        return -ENOENT;
    *ret_index = s->strings[i].index;
    *ret_language = s->strings[i].language;
    *ret_raw = cur_of(s->strings[i].raw, s->strings[i].len);
    return 0;
}

size_t usb_snapshot_string_indexes(const struct usb_snapshot *s, uint8_t *ret,
                                   size_t cap)
{
    bool named[256] = {false};
    const uint8_t *b;
    uint8_t len;
    uint8_t cls = 0;
    size_t n = 0;

    for (size_t i = 14; i <= 16; i++) /* iManufacturer, iProduct, iSerial */
        named[s->set->device[i]] = true;
    for (size_t i = 0; i < s->set->n_configs; i++) {
        struct cur in = s->configs[i];
        while (usb_dset_next(&in, &b, &len) == 0) {
            if (b[1] == TYPE_CONFIG) {
                named[b[6]] = true; /* iConfiguration */
            } else if (b[1] == TYPE_INTERFACE) {
                named[b[8]] = true; /* iInterface */
                cls = b[5];
            } else if (b[1] == TYPE_CS_INTERFACE && cls == CLASS_COMM &&
                       len >= 4 && b[2] == COMM_ETHERNET) {
                named[b[3]] = true; /* iMACAddress: no driver goes without */
            }
        }
    }
    for (size_t i = 1; i < ARRAY_LEN(named) && n < cap; i++)
        if (named[i])
            ret[n++] = (uint8_t)i;
    return n;
}

/* ---- answers ---- */

static int string_of(const struct usb_snapshot *s, uint8_t index,
                     uint16_t language, struct cur *ret)
{
    const struct string *t = find_string(s, index, index ? language : 0);

    if (!t)
        return -ENOENT;
    *ret = cur_of(t->raw, t->len);
    return 0;
}

int usb_snapshot_descriptor(const struct usb_snapshot *s, uint16_t value,
                            uint16_t index, struct cur *ret)
{
    uint8_t type = (uint8_t)(value >> 8), which = (uint8_t)value;

    if (type == TYPE_STRING)
        return string_of(s, which, index, ret);
    if (type == TYPE_CONFIG) {
        if (which >= s->set->n_configs)
            return -ENOENT;
        *ret = s->configs[which];
        return 0;
    }
    if (which != 0)
        return -ENOENT;
    if (type == TYPE_DEVICE)
        *ret = cur_of(s->set->device, DEVICE_BYTES);
    else if (type == TYPE_BOS && s->set->bos)
        *ret = cur_of(s->set->bos, s->set->bos_len);
    else if (type == TYPE_QUALIFIER && s->set->speed == SPEED_HIGH)
        *ret = cur_of(s->qualifier, QUALIFIER_BYTES);
    else
        return -ENOENT;
    return 0;
}

/* ---- state ---- */

uint8_t usb_snapshot_configuration(const struct usb_snapshot *s)
{
    return s->config ? s->config->value : 0;
}

const struct usb_alt *usb_snapshot_interface(const struct usb_snapshot *s,
                                             uint8_t number)
{
    return granted(s, number) ? s->alt[number] : NULL;
}

int usb_snapshot_alternate(const struct usb_snapshot *s, uint8_t number)
{
    const struct usb_alt *a = usb_snapshot_interface(s, number);

    return a ? a->alt : -ENOENT;
}

static void open_endpoints(struct usb_snapshot *s)
{
    memset(s->ep, 0, sizeof(s->ep));
    for (uint8_t i = 0; i < USB_DSET_INTERFACES; i++) {
        const struct usb_alt *a = usb_snapshot_interface(s, i);
        for (size_t k = 0; a && k < a->n_eps; k++) {
            s->ep[slot_of(a->eps[k].address)] = &a->eps[k];
            s->ep_interface[slot_of(a->eps[k].address)] = i;
        }
    }
}

int usb_snapshot_set_configuration(struct usb_snapshot *s, uint8_t value)
{
    if (!usb_snapshot_has_configuration(s, value))
        return -ENOENT;
    s->config = usb_dset_config(s->set, value);
    memset(s->alt, 0, sizeof(s->alt));
    for (size_t i = 0; s->config && i < s->config->n_alts; i++) {
        const struct usb_alt *a = &s->config->alts[i];
        if (a->alt == 0)
            s->alt[a->number] = a;
    }
    open_endpoints(s);
    return 0;
}

int usb_snapshot_set_interface(struct usb_snapshot *s, uint8_t number,
                               uint8_t alt)
{
    if (!usb_snapshot_has_interface(s, number, alt))
        return -ENOENT;
    s->alt[number] = usb_dset_alt(s->config, number, alt);
    open_endpoints(s);
    return 0;
}

bool usb_snapshot_has_configuration(const struct usb_snapshot *s, uint8_t value)
{
    return value == 0 || usb_dset_config(s->set, value);
}

bool usb_snapshot_has_interface(const struct usb_snapshot *s, uint8_t number,
                                uint8_t alt)
{
    return s->config && granted(s, number) &&
           usb_dset_alt(s->config, number, alt);
}

const struct usb_ep *usb_snapshot_ep(const struct usb_snapshot *s,
                                     uint8_t address)
{
    return address & 0x70 ? NULL : s->ep[slot_of(address)];
}

int usb_snapshot_ep_interface(const struct usb_snapshot *s, uint8_t address)
{
    return usb_snapshot_ep(s, address) ? s->ep_interface[slot_of(address)]
                                       : -ENOENT;
}
