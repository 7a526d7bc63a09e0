/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events in, an input device. glue. See import_input.h. */
#include "usbvm/frontend/import_input.h"

#include <fcntl.h>
#include <linux/uinput.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "device/usb_grant.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "usbvm/link/input_end.h"
#include "usbvm/protocol/usb_input.h"

#define UINPUT "/dev/uinput"
#define BUTTONS 8
#define LED_EVENTS 16

_Static_assert(IMPORT_INPUT_IOCTL == UI_DEV_CREATE, "ioctl");

struct import_input {
    const struct import_conn_ops *ops;
    void (*attached)(void *arg);
    void *arg;
    unsigned kinds; /* granted; from the hello on: those there are */
    int fd;         /* uinput */
    struct loop_io *io;
    struct input_end *end;
    bool met; /* the hello was taken */
    bool ended;
    size_t n; /* events of the group that is being gathered */
    struct input_event group[USB_INPUT_GROUP];
};

static void end_with(struct import_input *c, enum usb_import_why why)
{
    if (c->ended)
        return;
    c->ended = true;
    c->ops->ended(why, USB_REASON_NONE, c->arg);
}

/* ---- uinput ---- */

static int set(int fd, unsigned long request, int value)
{
    return ioctl(fd, request, value) < 0 ? err_last() : 0;
}

static int allow_keyboard(int fd)
{
    int r = set(fd, UI_SET_EVBIT, EV_LED);

    for (unsigned i = 0; r == 0 && i < 256; i++)
        if (usb_input_key((uint8_t)i))
            r = set(fd, UI_SET_KEYBIT, usb_input_key((uint8_t)i));
    for (int i = 0; r == 0 && i < USB_INPUT_LEDS; i++)
        r = set(fd, UI_SET_LEDBIT, i);
    if (r == 0)
        r = set(fd, UI_SET_EVBIT, EV_REP); /* a held key repeats here */
    return r;
}

static int allow_pointer(int fd)
{
    static const int axes[] = {REL_X, REL_Y, REL_WHEEL};
    int r = set(fd, UI_SET_EVBIT, EV_REL);

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(axes); i++)
        r = set(fd, UI_SET_RELBIT, axes[i]);
    for (int i = 0; r == 0 && i < BUTTONS; i++)
        r = set(fd, UI_SET_KEYBIT, BTN_MOUSE + i);
    return r;
}

int import_input_open(uint16_t backend, unsigned kinds)
{
    struct uinput_setup setup = {.id = {.bustype = BUS_VIRTUAL}};
    CLEANUP_FD int fd = open(UINPUT, O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return err_last();
    snprintf(setup.name, sizeof(setup.name), "Sysqube input of domain %u",
             backend);
    int r = set(fd, UI_SET_EVBIT, EV_KEY);
    if (r == 0 && (kinds & USB_EVENTS_KEYBOARD))
        r = allow_keyboard(fd);
    if (r == 0 && (kinds & USB_EVENTS_POINTER))
        r = allow_pointer(fd);
    if (r == 0 && ioctl(fd, UI_DEV_SETUP, &setup) < 0)
        r = err_last();
    return r < 0 ? r : STEAL_FD(fd);
}

/* LEDs, as programs of this qube set them. */
static void on_uinput(int fd, unsigned events, void *arg)
{
    struct import_input *c = arg;
    struct input_event ev[LED_EVENTS];
    ssize_t n = read(fd, ev, sizeof(ev));

    (void)events;
    if (n < 0 && errno != EAGAIN)
        end_with(c, IMPORT_WHY_KERNEL);
    for (ssize_t i = 0; n > 0 && i < n / (ssize_t)sizeof(ev[0]); i++) {
        const struct usb_input led = {ev[i].type, ev[i].code, ev[i].value};
        if (usb_input_check_led(&led) == 0)
            (void)input_end_push(c->end, &led, 1);
    }
}

/* ---- the USBVM ---- */

static int take_hello(struct import_input *c, const struct usb_input *u)
{
    unsigned kinds = (unsigned)u->value;

    if (u->type != USB_INPUT_HELLO || u->code != USB_INPUT_VERSION ||
        kinds == 0 || (kinds & ~c->kinds) != 0)
        return -EPROTO;
    if (ioctl(c->fd, UI_DEV_CREATE) < 0)
        return err_last();
    c->met = true;
    c->kinds = kinds;
    c->attached(c->arg);
    return 0;
}

/* A group is written when it is whole, so no half of it is ever seen. */
static int on_record(const struct usb_input *untrusted, void *arg)
{
    struct import_input *c = arg;

    if (!c->met)
        return take_hello(c, untrusted);
    int r = usb_input_check(untrusted, c->kinds);
    if (r < 0 || c->n == USB_INPUT_GROUP)
        return -EPROTO;
    c->group[c->n++] = (struct input_event){.type = untrusted->type,
                                            .code = untrusted->code,
                                            .value = untrusted->value};
    if (untrusted->type != EV_SYN)
        return 0;
    size_t len = c->n * sizeof(c->group[0]);
    c->n = 0;
    return write(c->fd, c->group, len) == (ssize_t)len ? 0 : err_last();
}

static void on_closed(int err, void *arg)
{
    struct import_input *c = arg;

    if (err != -ECONNRESET)
        log_err("events: %s", err_text(err));
    end_with(c, err == -ECONNRESET ? IMPORT_WHY_CHANNEL
                : err == -EPROTO
                    ? c->met ? IMPORT_WHY_PROTOCOL : IMPORT_WHY_HELLO
                    : IMPORT_WHY_INTERNAL);
}

static const struct input_end_ops end_ops = {
    .record = on_record,
    .closed = on_closed,
};

int import_input_new(struct loop *loop, struct vchan *v, int fd, unsigned kinds,
                     const struct import_conn_ops *ops,
                     void (*attached)(void *arg), void *arg,
                     struct import_input **ret)
{
    struct import_input *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    c->ops = ops;
    c->attached = attached;
    c->arg = arg;
    c->kinds = kinds;
    c->fd = fd;
    r = loop_io_new(loop, fd, LOOP_READ, on_uinput, c, &c->io);
    if (r == 0)
        r = input_end_new(loop, v, &end_ops, c, &c->end);
    if (r < 0)
        return r; /* the process ends */
    *ret = c;
    return 0;
}
