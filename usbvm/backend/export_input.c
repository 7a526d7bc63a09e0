/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports in, events out. glue. See export_input.h. */
#include "usbvm/backend/export_input.h"

#include <linux/hid.h>
#include <linux/usb/ch9.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/log.h"
#include "usbvm/link/input_end.h"
#include "usbvm/protocol/usb_input.h"

#define SOURCES_MAX 8
_Static_assert(SOURCES_MAX <= INPUT_END_RECORDS / USB_INPUT_GROUP, "room");
#define REPORT_MAX 64
#define ERRORS_MAX 10 /* one after the other */
#define TO_INTERFACE (USB_DIR_OUT | USB_TYPE_CLASS | USB_RECIP_INTERFACE)
#define LED_REPORT (2u << 8) /* type output, number 0 */

struct buffer {
    uint8_t room[EXPORT_DEV_HEADROOM];
    uint8_t data[REPORT_MAX];
};

/* One interface that sends reports. */
struct source {
    struct export_xfer in; /* first: on_done() finds it by this */
    struct export_input *c;
    struct buffer buf;
    uint8_t number, ep;
    uint16_t packet;
    bool keyboard;
    bool protocol; /* boot protocol is set */
    bool idle;     /* and it is told to be silent while nothing changes */
    bool running;
    bool waits; /* for room in the channel */
    uint8_t leds;
    unsigned errors;
    struct usb_keyboard keys;
    struct usb_mouse mouse;
};

/* What is asked of endpoint 0, one request at a time. */
enum ask { ASK_NOTHING, ASK_PROTOCOL, ASK_IDLE, ASK_LEDS };

struct export_input {
    struct export_xfer control; /* likewise */
    struct buffer buf;
    enum ask ask;
    struct source *asked;
    struct export_input_config conf;
    const struct export_conn_ops *ops;
    void *arg;
    struct input_end *end;
    bool attached, ended;
    uint8_t leds; /* as the qube wants them */
    uint64_t in, out;
    size_t n;
    struct source sources[SOURCES_MAX];
};

static void end_with(struct export_input *c, enum usb_export_why why)
{
    if (c->ended)
        return;
    c->ended = true;
    c->ops->ended(why, c->arg);
}

/* ---- which interfaces ---- */

static const struct usb_ep *input_ep(const struct usb_alt *a)
{
    for (unsigned i = 0; i < a->n_eps; i++)
        if (a->eps[i].type == USB_XFER_INTERRUPT && (a->eps[i].address & 0x80))
            return &a->eps[i];
    return NULL;
}

/* @return 0 it is none that was granted; else the kind of its events */
static unsigned kind_of(const struct export_input_config *conf,
                        const struct usb_alt *a)
{
    unsigned kind =
        a->proto == USB_INTERFACE_PROTOCOL_KEYBOARD ? USB_EVENTS_KEYBOARD
        : a->proto == USB_INTERFACE_PROTOCOL_MOUSE  ? USB_EVENTS_POINTER
                                                    : 0;

    if (a->alt != 0 || a->cls != USB_CLASS_HID ||
        a->sub != USB_INTERFACE_SUBCLASS_BOOT ||
        !(conf->interfaces >> a->number & 1))
        return 0;
    return kind & conf->kinds;
}

static void add_source(struct export_input *c, const struct usb_alt *a)
{
    const struct usb_ep *ep = input_ep(a);
    unsigned kind = kind_of(&c->conf, a);

    if (kind == 0 || !ep || c->n == SOURCES_MAX)
        return;
    c->sources[c->n++] = (struct source){
        .c = c,
        .number = a->number,
        .ep = ep->address,
        .packet = ep->packet < REPORT_MAX ? ep->packet : REPORT_MAX,
        .keyboard = kind == USB_EVENTS_KEYBOARD,
    };
}

/* The first configuration that has any. @return its value; -ENOENT */
static int find_sources(struct export_input *c)
{
    const struct usb_dset *set = c->conf.set;

    for (size_t i = 0; i < set->n_configs; i++) {
        for (size_t k = 0; k < set->configs[i].n_alts; k++)
            add_source(c, &set->configs[i].alts[k]);
        if (c->n > 0)
            return set->configs[i].value;
    }
    return -ENOENT;
}

static uint32_t source_mask(const struct export_input *c)
{
    uint32_t mask = 0;

    for (size_t i = 0; i < c->n; i++)
        mask |= UINT32_C(1) << c->sources[i].number;
    return mask;
}

static int32_t found_kinds(const struct export_input *c)
{
    unsigned kinds = 0;

    for (size_t i = 0; i < c->n; i++)
        kinds |=
            c->sources[i].keyboard ? USB_EVENTS_KEYBOARD : USB_EVENTS_POINTER;
    return (int32_t)kinds;
}

/* ---- reports ---- */

/* Each source may have a report on its way: there is room for all of them, as
 * a lost one could be a key that is never released. */
static void start(struct source *s)
{
    const struct usb_act act = {
        .kind = USB_ACT_TRANSFER,
        .type = USB_XFER_INTERRUPT,
        .ep = s->ep,
        .length = s->packet,
    };

    s->waits = input_end_room(s->c->end) < USB_INPUT_GROUP * s->c->n;
    if (s->waits || s->running || s->c->ended)
        return;
    int r = export_dev_submit(s->c->conf.dev, &act, s->buf.data, NULL, &s->in);
    if (r < 0)
        end_with(s->c, EXPORT_WHY_DEVICE_GONE);
    s->running = r == 0;
}

static int take_report(struct source *s)
{
    struct usb_input events[USB_INPUT_GROUP];
    int n =
        s->keyboard
            ? usb_input_keyboard(&s->keys, s->buf.data, s->in.actual, events)
            : usb_input_mouse(&s->mouse, s->buf.data, s->in.actual, events);

    s->c->in += s->in.actual;
    s->c->ops->active(s->c->arg);
    if (n <= 0)
        return n;
    return input_end_push(s->c->end, events, (size_t)n);
}

/* A report that cannot be used counts as an error: too many in a row, and
 * the device is not what it says. */
static void on_report(struct source *s)
{
    int r = s->in.status;

    s->running = false;
    if (r == -ESHUTDOWN)
        return; /* gone() comes */
    if (r == 0)
        r = take_report(s);
    if (r == 0)
        s->errors = 0;
    else if (++s->errors >= ERRORS_MAX)
        end_with(s->c, EXPORT_WHY_DEVICE_GONE);
    if (r == -EPIPE) {
        const struct usb_act act = {.kind = USB_ACT_CLEAR_HALT, .ep = s->ep};
        (void)export_dev_act(s->c->conf.dev, &act, 0);
    }
    start(s);
}

/* ---- endpoint 0 ---- */

static void ask(struct export_input *c, struct source *s, enum ask what)
{
    const uint8_t request = what == ASK_PROTOCOL ? HID_REQ_SET_PROTOCOL
                            : what == ASK_IDLE   ? HID_REQ_SET_IDLE
                                                 : HID_REQ_SET_REPORT;
    struct usb_act act = {
        .kind = USB_ACT_TRANSFER,
        .type = USB_XFER_CONTROL,
        .length = what == ASK_LEDS ? 1 : 0,
        .setup = {TO_INTERFACE, request, 0, 0, s->number, 0, 0, 0},
    };

    if (what == ASK_LEDS) {
        act.setup[3] = LED_REPORT >> 8;
        act.setup[6] = 1;
        c->buf.data[0] = s->leds = c->leds;
        c->out++;
    }
    c->ask = what;
    c->asked = s;
    int r =
        export_dev_submit(c->conf.dev, &act, c->buf.data, NULL, &c->control);
    if (r < 0)
        end_with(c, EXPORT_WHY_DEVICE_GONE);
}

/* The next thing to ask, if nothing is asked now. */
static void ask_next(struct export_input *c)
{
    if (c->ask != ASK_NOTHING || c->ended || !c->attached)
        return;
    for (size_t i = 0; i < c->n; i++) {
        struct source *s = &c->sources[i];
        if (!s->protocol)
            ask(c, s, ASK_PROTOCOL);
        else if (!s->idle)
            ask(c, s, ASK_IDLE);
        else if (s->keyboard && s->leds != c->leds)
            ask(c, s, ASK_LEDS);
        else
            continue;
        return;
    }
}

/* That it sends in boot protocol is needed, the others are only nicer. */
static void on_answer(struct export_input *c)
{
    struct source *s = c->asked;
    enum ask what = c->ask;

    c->ask = ASK_NOTHING;
    if (what == ASK_PROTOCOL && c->control.status < 0) {
        log_err("interface %u: boot protocol: %s", s->number,
                err_text(c->control.status));
        end_with(c, EXPORT_WHY_INPUT);
        return;
    }
    if (what == ASK_PROTOCOL) {
        s->protocol = true;
        start(s);
    }
    if (what == ASK_IDLE)
        s->idle = true;
    ask_next(c);
}

static void on_done(struct export_xfer *x, void *arg)
{
    struct export_input *c = arg;

    if (x == &c->control)
        on_answer(c);
    else
        on_report((struct source *)(void *)x); /* its first member */
}

static void on_batch(void *arg)
{
    (void)arg; /* events were sent as they came */
}

static void on_gone(void *arg)
{
    end_with(arg, EXPORT_WHY_DEVICE_GONE);
}

static int on_configured(void *arg)
{
    struct export_input *c = arg;

    return c->ops->configured(c->arg);
}

static const struct export_dev_ops dev_ops = {
    .done = on_done,
    .batch = on_batch,
    .gone = on_gone,
    .configured = on_configured,
};

/* ---- the qube ---- */

static int on_record(const struct usb_input *untrusted, void *arg)
{
    struct export_input *c = arg;
    int r = usb_input_check_led(untrusted);

    if (r < 0)
        return r;
    uint8_t bit = (uint8_t)(1u << untrusted->code);
    c->leds = (uint8_t)(untrusted->value ? c->leds | bit : c->leds & ~bit);
    ask_next(c);
    return 0;
}

static void on_connected(void *arg)
{
    struct export_input *c = arg;

    c->attached = true;
    c->ops->attached(c->arg);
    ask_next(c);
}

static void on_room(void *arg)
{
    struct export_input *c = arg;

    for (size_t i = 0; i < c->n; i++)
        if (c->sources[i].waits)
            start(&c->sources[i]);
}

static void on_closed(int err, void *arg)
{
    end_with(arg, err == -ECONNRESET ? EXPORT_WHY_CLIENT_GONE
                  : err == -EPROTO   ? EXPORT_WHY_PROTOCOL
                                     : EXPORT_WHY_INTERNAL);
}

static const struct input_end_ops end_ops = {
    .record = on_record,
    .connected = on_connected,
    .room = on_room,
    .closed = on_closed,
};

static int open_device(struct export_input *c, struct loop *loop, int value)
{
    const struct usb_act act = {.kind = USB_ACT_SET_CONFIGURATION,
                                .configuration = (uint8_t)value};
    int r = export_dev_open(c->conf.dev, loop, c->conf.fd, &dev_ops, c);

    if (r == 0)
        r = export_dev_limit(c->conf.dev, source_mask(c));
    if (r == 0)
        r = export_dev_act(c->conf.dev, &act, source_mask(c));
    return r;
}

int export_input_new(struct loop *loop,
                     const struct export_input_config *config, struct vchan *v,
                     const struct export_conn_ops *ops, void *arg,
                     struct export_input **ret)
{
    struct usb_input hello = {USB_INPUT_HELLO, USB_INPUT_VERSION, 0};
    struct export_input *c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    c->conf = *config;
    c->ops = ops;
    c->arg = arg;
    int r = find_sources(c);
    if (r >= 0)
        r = open_device(c, loop, r);
    if (r == 0)
        r = input_end_new(loop, v, &end_ops, c, &c->end);
    hello.value = found_kinds(c);
    if (r == 0)
        r = input_end_push(c->end, &hello, 1);
    if (r < 0)
        return r; /* the process ends */
    *ret = c;
    return 0;
}

void export_input_stat(const struct export_input *c, struct usb_export_rec *rec)
{
    rec->in = c->in;
    rec->out = c->out;
    rec->flight = c->ask != ASK_NOTHING;
    for (size_t i = 0; i < c->n; i++)
        rec->flight += c->sources[i].running;
}
