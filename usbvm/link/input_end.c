/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input records over a vchan. effect. See input_end.h. */
#include "usbvm/link/input_end.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"

#define TURN 64 /* reads in one turn of the loop */

struct input_end {
    struct loop *loop;
    struct vchan *v;
    const struct input_end_ops *ops;
    void *arg;
    struct loop_io *io;
    int io_fd;
    struct loop_timer *again;
    bool met; /* connected() was called */
    int err;
    bool told;
    size_t in_len, out_len;
    uint8_t in[USB_INPUT_BYTES * 32];
    uint8_t out[USB_INPUT_BYTES * INPUT_END_RECORDS];
};

static void on_event(int fd, unsigned events, void *arg);

static void watch(struct input_end *e)
{
    int fd = vchan_fd(e->v), r = 0;

    if (e->io && e->io_fd != fd) {
        loop_io_free(e->io);
        e->io = NULL;
    }
    if (e->io)
        r = loop_io_events(e->io, e->err ? 0 : vchan_events(e->v));
    else if (!e->err)
        r = loop_io_new(e->loop, fd, vchan_events(e->v), on_event, e, &e->io);
    e->io_fd = fd;
    if (r < 0 && !e->err)
        e->err = r;
}

/* closed() comes from a turn of its own: its owner may be in the middle of
 * something. */
static void fail(struct input_end *e, int err)
{
    if (!e->err)
        e->err = err;
    (void)loop_timer_start(e->again, 0);
}

static void flush(struct input_end *e)
{
    while (!e->err && e->out_len > 0) {
        ssize_t n = vchan_write(e->v, e->out, e->out_len);
        if (n < 0)
            fail(e, (int)n);
        if (n <= 0)
            break;
        e->out_len -= (size_t)n;
        memmove(e->out, e->out + n, e->out_len);
    }
    if (e->out_len == 0 && e->ops->room)
        e->ops->room(e->arg);
    watch(e);
}

/* All whole records of the buffer. @return 0; < 0 */
static int take(struct input_end *e)
{
    size_t at = 0;
    int r = 0;

    for (; r == 0 && e->in_len - at >= USB_INPUT_BYTES; at += USB_INPUT_BYTES) {
        struct usb_input rec = usb_input_decode(e->in + at);
        r = e->ops->record(&rec, e->arg);
    }
    e->in_len -= at;
    memmove(e->in, e->in + at, e->in_len);
    return r;
}

static int read_turn(struct input_end *e)
{
    for (int i = 0; i < TURN; i++) {
        ssize_t n =
            vchan_read(e->v, e->in + e->in_len, sizeof(e->in) - e->in_len);
        if (n <= 0)
            return (int)n;
        e->in_len += (size_t)n;
        int r = take(e);
        if (r < 0)
            return r;
    }
    (void)loop_timer_start(e->again, 0); /* more may be there */
    return 0;
}

static void turn(struct input_end *e)
{
    if (!e->met && vchan_state(e->v) == VCHAN_CONNECTED) {
        e->met = true;
        if (e->ops->connected)
            e->ops->connected(e->arg);
    }
    int r = e->met ? read_turn(e) : 0;
    if (r < 0)
        fail(e, r);
    flush(e);
}

static void on_again(void *arg)
{
    struct input_end *e = arg;

    if (!e->err)
        turn(e);
    if (!e->err || e->told)
        return;
    e->told = true;
    watch(e);
    e->ops->closed(e->err, e->arg);
}

static void on_event(int fd, unsigned events, void *arg)
{
    struct input_end *e = arg;
    int r = vchan_ready(e->v);

    (void)fd;
    (void)events;
    if (r < 0)
        fail(e, r);
    else
        turn(e);
}

int input_end_new(struct loop *loop, struct vchan *v,
                  const struct input_end_ops *ops, void *arg,
                  struct input_end **ret)
{
    struct input_end *e = calloc(1, sizeof(*e));
    int r;

    if (!e)
        return -ENOMEM;
    e->loop = loop;
    e->v = v;
    e->ops = ops;
    e->arg = arg;
    r = loop_timer_new(loop, on_again, e, &e->again);
    if (r == 0)
        watch(e);
    if (r == 0)
        r = e->err;
    if (r == 0)
        r = loop_timer_start(e->again, 0); /* what is there makes no event */
    if (r < 0) {
        loop_io_free(e->io);
        loop_timer_free(e->again);
        free(e);
        return r;
    }
    *ret = e;
    return 0;
}

void input_end_free(struct input_end *e)
{
    if (!e)
        return;
    loop_io_free(e->io);
    loop_timer_free(e->again);
    vchan_free(e->v);
    free(e);
}

size_t input_end_room(const struct input_end *e)
{
    return INPUT_END_RECORDS -
           (e->out_len + USB_INPUT_BYTES - 1) / USB_INPUT_BYTES;
}

int input_end_push(struct input_end *e, const struct usb_input *rec, size_t n)
{
    if (n > input_end_room(e))
        return -ENOBUFS;
    for (size_t i = 0; i < n; i++) {
        usb_input_encode(&rec[i], e->out + e->out_len);
        e->out_len += USB_INPUT_BYTES;
    }
    flush(e);
    return 0;
}
