/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys of granted USB devices. pure. Fed by dom0, the USBVM and user qubes
 * (the last two hostile); see usb_grant.h. */
#include "device/usb_grant.h"

#include <inttypes.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/mem.h"

#define INTERFACES 32 /* numbers 0..31: kernel USB_MAXINTERFACES */
#define REASON_SET PARSE_LOWER PARSE_DIGIT "-"

/* ---- single values ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int usb_hash_parse(struct text untrusted, uint8_t ret[USB_GRANT_HASH_BYTES])
{
    uint8_t out[USB_GRANT_HASH_BYTES];

    if (untrusted.len != sizeof(out) * 2)
        return -EBADMSG;
    for (size_t i = 0; i < sizeof(out); i++) {
        int hi = hex_digit(untrusted.p[2 * i]);
        int lo = hex_digit(untrusted.p[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return -EBADMSG;
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    memcpy(ret, out, sizeof(out));
    return 0;
}

void usb_hash_format(const uint8_t hash[USB_GRANT_HASH_BYTES],
                     char ret[USB_GRANT_HASH_BYTES * 2 + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < USB_GRANT_HASH_BYTES; i++) {
        ret[2 * i] = digits[hash[i] >> 4];
        ret[2 * i + 1] = digits[hash[i] & 15];
    }
    ret[USB_GRANT_HASH_BYTES * 2] = '\0';
}

static bool speed_ok(uint32_t speed)
{
    return speed >= 1 && speed <= 6 && speed != 4;
}

static bool vport_ok(uint32_t vport)
{
    return vport >= USB_GRANT_VPORT_MIN && vport <= USB_GRANT_VPORT_MAX &&
           vport % 2 == 0;
}

static bool domid_ok(uint32_t domid)
{
    return domid >= 1 && domid <= USB_GRANT_DOMID_MAX;
}

static bool mode_ok(enum usb_mode mode, unsigned events)
{
    unsigned all = USB_EVENTS_KEYBOARD | USB_EVENTS_POINTER;

    if (mode == USB_MODE_RAW)
        return events == 0;
    return mode == USB_MODE_EVDEV && events != 0 && (events & ~all) == 0;
}

/* The next field of @p rest must be called @p name. */
static int field(struct text *rest, const char *name, struct text *ret)
{
    size_t len = strlen(name);
    struct text piece;

    if (!parse_split(rest, ' ', &piece) || piece.len <= len ||
        memcmp(piece.p, name, len) != 0 || piece.p[len] != '=')
        return -EBADMSG;
    *ret = (struct text){piece.p + len + 1, piece.len - len - 1};
    return 0;
}

static int field_u64(struct text *rest, const char *name, uint64_t min,
                     uint64_t max, uint64_t *ret)
{
    struct text value;

    if (field(rest, name, &value) < 0)
        return -EBADMSG;
    return parse_u64(value, min, max, ret) < 0 ? -EBADMSG : 0;
}

static int field_u32(struct text *rest, const char *name, uint32_t min,
                     uint32_t max, uint32_t *ret)
{
    uint64_t v = 0;
    int r = field_u64(rest, name, min, max, &v);

    if (r == 0)
        *ret = (uint32_t)v;
    return r;
}

static int field_domid(struct text *rest, const char *name, uint16_t *ret)
{
    uint32_t v = 0;
    int r = field_u32(rest, name, 1, USB_GRANT_DOMID_MAX, &v);

    *ret = (uint16_t)v;
    return r;
}

static int field_vport(struct text *rest, uint16_t *ret)
{
    uint32_t v = 0;

    if (field_u32(rest, "vport", USB_GRANT_VPORT_MIN, USB_GRANT_VPORT_MAX, &v) <
            0 ||
        !vport_ok(v))
        return -EBADMSG;
    *ret = (uint16_t)v;
    return 0;
}

static int field_speed(struct text *rest, uint8_t *ret)
{
    uint32_t v = 0;

    if (field_u32(rest, "speed", 1, 6, &v) < 0 || !speed_ok(v))
        return -EBADMSG;
    *ret = (uint8_t)v;
    return 0;
}

static int field_hash(struct text *rest, uint8_t ret[USB_GRANT_HASH_BYTES])
{
    struct text value;

    if (field(rest, "hash", &value) < 0)
        return -EBADMSG;
    return usb_hash_parse(value, ret);
}

/* "all", or numbers in ascending order. */
static int field_interfaces(struct text *rest, uint32_t *ret)
{
    struct text value, piece;
    uint32_t mask = 0, low = 0;

    if (field(rest, "interfaces", &value) < 0)
        return -EBADMSG;
    if (text_eq(value, "all")) {
        *ret = USB_GRANT_ALL;
        return 0;
    }
    while (parse_split(&value, ',', &piece)) {
        uint32_t n = 0;
        if (low >= INTERFACES || parse_u32(piece, low, INTERFACES - 1, &n) < 0)
            return -EBADMSG;
        mask |= 1u << n;
        low = n + 1;
    }
    /* All 32 by number would be a second way to write "all". */
    if (mask == USB_GRANT_ALL)
        return -EBADMSG;
    *ret = mask;
    return 0;
}

static const struct {
    const char *name;
    unsigned events;
} EVENTS[] = {
    {"keyboard", USB_EVENTS_KEYBOARD},
    {"pointer", USB_EVENTS_POINTER},
    {"keyboard,pointer", USB_EVENTS_KEYBOARD | USB_EVENTS_POINTER},
};

static int field_mode(struct text *rest, enum usb_mode *ret_mode,
                      unsigned *ret_events)
{
    struct text value;

    if (field(rest, "mode", &value) < 0)
        return -EBADMSG;
    if (text_eq(value, "raw")) {
        *ret_mode = USB_MODE_RAW;
        *ret_events = 0;
        return 0;
    }
    if (!text_eq(value, "evdev") || field(rest, "events", &value) < 0)
        return -EBADMSG;
    for (size_t i = 0; i < ARRAY_LEN(EVENTS); i++) {
        if (!text_eq(value, EVENTS[i].name))
            continue;
        *ret_mode = USB_MODE_EVDEV;
        *ret_events = EVENTS[i].events;
        return 0;
    }
    return -EBADMSG;
}

static int no_more(const struct text *rest)
{
    return rest->p == NULL ? 0 : -EBADMSG;
}

static void put_mode(struct wbuf *w, enum usb_mode mode, unsigned events)
{
    if (mode == USB_MODE_RAW) {
        wbuf_printf(w, " mode=raw");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(EVENTS); i++) {
        if (EVENTS[i].events == events)
            wbuf_printf(w, " mode=evdev events=%s", EVENTS[i].name);
    }
}

static void put_hash(struct wbuf *w, const uint8_t hash[USB_GRANT_HASH_BYTES])
{
    char hex[USB_GRANT_HASH_BYTES * 2 + 1];

    usb_hash_format(hash, hex);
    wbuf_printf(w, " hash=%s", hex);
}

/* End of a format function. */
static int finish(struct wbuf *w, char *ret)
{
    wbuf_u8(w, 0);
    if (wbuf_done(w) == 0)
        return 0;
    ret[0] = '\0';
    return -EBADMSG;
}

/* ---- the keys ---- */

int usb_grant_parse(struct text untrusted, struct usb_grant *ret)
{
    struct usb_grant g = {0};

    if (field_domid(&untrusted, "client", &g.client) < 0 ||
        field_vport(&untrusted, &g.vport) < 0 ||
        field_u64(&untrusted, "gen", 1, UINT64_MAX, &g.gen) < 0 ||
        field_hash(&untrusted, g.hash) < 0 ||
        field_interfaces(&untrusted, &g.interfaces) < 0 ||
        field_mode(&untrusted, &g.mode, &g.events) < 0 ||
        no_more(&untrusted) < 0)
        return -EBADMSG;
    *ret = g;
    return 0;
}

int usb_grant_format(const struct usb_grant *g, char ret[USB_GRANT_TEXT_MAX])
{
    struct wbuf w = wbuf_of(ret, USB_GRANT_TEXT_MAX);
    const char *sep = "";

    ret[0] = '\0';
    if (!domid_ok(g->client) || !vport_ok(g->vport) || g->gen == 0 ||
        g->interfaces == 0 || !mode_ok(g->mode, g->events))
        return -EBADMSG;
    wbuf_printf(&w, "client=%u vport=%u gen=%" PRIu64, g->client, g->vport,
                g->gen);
    put_hash(&w, g->hash);
    wbuf_printf(&w, " interfaces=");
    if (g->interfaces == USB_GRANT_ALL)
        wbuf_printf(&w, "all");
    for (unsigned i = 0; g->interfaces != USB_GRANT_ALL && i < INTERFACES;
         i++) {
        if ((g->interfaces >> i & 1) == 0)
            continue;
        wbuf_printf(&w, "%s%u", sep, i);
        sep = ",";
    }
    put_mode(&w, g->mode, g->events);
    return finish(&w, ret);
}

int usb_attach_parse(struct text untrusted, struct usb_attach *ret)
{
    struct usb_attach a = {0};

    if (field_domid(&untrusted, "backend", &a.backend) < 0 ||
        field_vport(&untrusted, &a.vport) < 0 ||
        field_speed(&untrusted, &a.speed) < 0 ||
        field_u32(&untrusted, "devid", 1, UINT32_MAX, &a.devid) < 0 ||
        field_hash(&untrusted, a.hash) < 0 ||
        field_mode(&untrusted, &a.mode, &a.events) < 0 ||
        no_more(&untrusted) < 0)
        return -EBADMSG;
    *ret = a;
    return 0;
}

int usb_attach_format(const struct usb_attach *a, char ret[USB_GRANT_TEXT_MAX])
{
    struct wbuf w = wbuf_of(ret, USB_GRANT_TEXT_MAX);

    ret[0] = '\0';
    if (!domid_ok(a->backend) || !vport_ok(a->vport) || !speed_ok(a->speed) ||
        a->devid == 0 || !mode_ok(a->mode, a->events))
        return -EBADMSG;
    wbuf_printf(&w, "backend=%u vport=%u speed=%u devid=%" PRIu32, a->backend,
                a->vport, a->speed, a->devid);
    put_hash(&w, a->hash);
    put_mode(&w, a->mode, a->events);
    return finish(&w, ret);
}

int usb_dev_parse(struct text untrusted, struct usb_dev *ret)
{
    struct usb_dev d = {0};

    if (field_u64(&untrusted, "gen", 1, UINT64_MAX, &d.gen) < 0 ||
        field_speed(&untrusted, &d.speed) < 0 ||
        field_hash(&untrusted, d.hash) < 0 || no_more(&untrusted) < 0)
        return -EBADMSG;
    *ret = d;
    return 0;
}

int usb_dev_format(const struct usb_dev *d, char ret[USB_GRANT_TEXT_MAX])
{
    struct wbuf w = wbuf_of(ret, USB_GRANT_TEXT_MAX);

    ret[0] = '\0';
    if (d->gen == 0 || !speed_ok(d->speed))
        return -EBADMSG;
    wbuf_printf(&w, "gen=%" PRIu64 " speed=%u", d->gen, d->speed);
    put_hash(&w, d->hash);
    return finish(&w, ret);
}

/* ---- states ---- */

static int why_check(struct text t)
{
    if (t.len == 0 || t.len >= USB_GRANT_WHY_MAX || !text_printable(t) ||
        t.p[0] == ' ' || t.p[t.len - 1] == ' ')
        return -EBADMSG;
    return 0;
}

/* "failed WHY": both sides have it. */
static int failed_parse(struct text t, struct usb_link_state *ret)
{
    static const char word[] = "failed ";
    size_t len = sizeof(word) - 1;
    struct usb_link_state l = {.link = USB_LINK_FAILED};

    if (t.len <= len || memcmp(t.p, word, len) != 0)
        return -EBADMSG;
    struct text why = {t.p + len, t.len - len};
    if (why_check(why) < 0 || text_copy(why, l.why, sizeof(l.why)) < 0)
        return -EBADMSG;
    *ret = l;
    return 0;
}

int usb_export_parse(struct text untrusted, struct usb_link_state *ret)
{
    static const struct {
        const char *word;
        enum usb_link link;
    } words[] = {
        {"idle", USB_LINK_IDLE},
        {"waiting", USB_LINK_WAITING},
        {"attached", USB_LINK_ATTACHED},
    };

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!text_eq(untrusted, words[i].word))
            continue;
        *ret = (struct usb_link_state){.link = words[i].link};
        return 0;
    }
    return failed_parse(untrusted, ret);
}

int usb_import_parse(struct text untrusted, struct usb_link_state *ret)
{
    struct text rest = untrusted, word;
    uint32_t vhci = 0;

    if (text_eq(untrusted, "connecting")) {
        *ret = (struct usb_link_state){.link = USB_LINK_CONNECTING};
        return 0;
    }
    if (parse_split(&rest, ' ', &word) && text_eq(word, "attached")) {
        if (field_u32(&rest, "vhci", 0, UINT16_MAX, &vhci) < 0 ||
            no_more(&rest) < 0)
            return -EBADMSG;
        *ret = (struct usb_link_state){.link = USB_LINK_ATTACHED, .vhci = vhci};
        return 0;
    }
    return failed_parse(untrusted, ret);
}

static int link_format(const struct usb_link_state *l, bool import, char *ret)
{
    struct wbuf w = wbuf_of(ret, USB_GRANT_TEXT_MAX);

    ret[0] = '\0';
    switch (l->link) {
    case USB_LINK_IDLE:
    case USB_LINK_WAITING:
        if (import)
            return -EBADMSG;
        wbuf_printf(&w, l->link == USB_LINK_IDLE ? "idle" : "waiting");
        break;
    case USB_LINK_CONNECTING:
        if (!import)
            return -EBADMSG;
        wbuf_printf(&w, "connecting");
        break;
    case USB_LINK_ATTACHED:
        if (l->vhci > UINT16_MAX)
            return -EBADMSG;
        wbuf_printf(&w, "attached");
        if (import)
            wbuf_printf(&w, " vhci=%" PRIu32, l->vhci);
        break;
    case USB_LINK_FAILED:
        if (why_check(text_of(l->why)) < 0)
            return -EBADMSG;
        wbuf_printf(&w, "failed %s", l->why);
        break;
    }
    return w.len > 0 ? finish(&w, ret) : -EBADMSG;
}

int usb_export_format(const struct usb_link_state *l,
                      char ret[USB_GRANT_TEXT_MAX])
{
    return link_format(l, false, ret);
}

int usb_import_format(const struct usb_link_state *l,
                      char ret[USB_GRANT_TEXT_MAX])
{
    return link_format(l, true, ret);
}

/* ---- statistics ---- */

static int reason_parse(struct text piece, struct usb_stat *s)
{
    struct text name, count = piece;

    if (s->n == USB_STAT_REASONS || !parse_split(&count, ':', &name) ||
        count.p == NULL || name.len == 0 || !text_only(name, REASON_SET) ||
        text_copy(name, s->reason[s->n].name, USB_STAT_REASON_MAX) < 0)
        return -EBADMSG;
    for (size_t i = 0; i < s->n; i++) {
        if (text_eq(name, s->reason[i].name))
            return -EBADMSG;
    }
    if (parse_u64(count, 1, UINT64_MAX, &s->reason[s->n].count) < 0)
        return -EBADMSG;
    s->n++;
    return 0;
}

int usb_stat_parse(struct text untrusted, struct usb_stat *ret)
{
    struct usb_stat s = {0};
    struct text piece;

    if (field_u64(&untrusted, "in", 0, UINT64_MAX, &s.in) < 0 ||
        field_u64(&untrusted, "out", 0, UINT64_MAX, &s.out) < 0 ||
        field_u32(&untrusted, "flight", 0, UINT32_MAX, &s.flight) < 0 ||
        field_u32(&untrusted, "p50us", 0, UINT32_MAX, &s.p50_us) < 0 ||
        field_u32(&untrusted, "p99us", 0, UINT32_MAX, &s.p99_us) < 0 ||
        field_u64(&untrusted, "refused", 0, UINT64_MAX, &s.refused) < 0)
        return -EBADMSG;
    while (parse_split(&untrusted, ' ', &piece)) {
        if (reason_parse(piece, &s) < 0)
            return -EBADMSG;
    }
    *ret = s;
    return 0;
}

int usb_stat_format(const struct usb_stat *s, char ret[USB_GRANT_TEXT_MAX])
{
    /* The last byte is for the NUL, which finish() adds. */
    struct wbuf w = wbuf_of(ret, USB_GRANT_TEXT_MAX);

    ret[0] = '\0';
    if (s->n > USB_STAT_REASONS)
        return -EBADMSG;
    wbuf_printf(&w,
                "in=%" PRIu64 " out=%" PRIu64 " flight=%" PRIu32
                " p50us=%" PRIu32 " p99us=%" PRIu32 " refused=%" PRIu64,
                s->in, s->out, s->flight, s->p50_us, s->p99_us, s->refused);
    for (size_t i = 0; i < s->n; i++) {
        struct text name = text_of(s->reason[i].name);
        struct wbuf before = w;
        if (s->reason[i].count == 0 || name.len == 0 ||
            name.len >= USB_STAT_REASON_MAX || !text_only(name, REASON_SET)) {
            ret[0] = '\0';
            return -EBADMSG;
        }
        wbuf_printf(&w, " %s:%" PRIu64, s->reason[i].name, s->reason[i].count);
        if (wbuf_done(&w) < 0) {
            w = before;
            break;
        }
    }
    return finish(&w, ret);
}
