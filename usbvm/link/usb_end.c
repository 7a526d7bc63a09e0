/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One end of a stream of PDUs. effect. See usb_end.h. */
#include "usbvm/link/usb_end.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/err.h"

#define DIRECT_MIN 4096u /* shorter rests go through the stage */
#define PAUSED_LOOK_MS 500

STAILQ_HEAD(item_queue, usb_end_item);

struct usb_end {
    struct loop *loop;
    struct vchan *v;
    int fd;
    const struct usb_end_ops *ops;
    void *arg;

    struct loop_io *io;
    int io_fd; /* that io watches */
    struct loop_timer *again;
    bool paused;  /* head() said -EAGAIN */
    bool blocked; /* the socket is full */
    bool sending; /* within a flush */
    int err;      /* closed for good */
    bool told;    /* closed() was called */
    bool met;     /* connected() was called */

    struct item_queue items;
    size_t queued; /* bytes */

    size_t at, end; /* within stage */
    bool dry;       /* the last read got all there was */
    struct usbip_frame frame;
    uint8_t stage[USB_END_STAGE];
};

static ssize_t sock_result(ssize_t n, bool reading)
{
    if (n > 0)
        return n;
    if (n == 0)
        return reading ? -ECONNRESET : 0;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    return errno == EPIPE ? -ECONNRESET : err_last();
}

static ssize_t end_read(struct usb_end *e, void *buf, size_t len)
{
    ssize_t n = e->v ? vchan_read(e->v, buf, len)
                     : sock_result(recv(e->fd, buf, len, MSG_DONTWAIT), true);

    e->dry = n >= 0 && (size_t)n < len;
    return n;
}

static ssize_t end_writev(struct usb_end *e, struct iovec *iov, unsigned n)
{
    struct msghdr mh = {.msg_iov = iov, .msg_iovlen = n};

    if (e->v)
        return vchan_writev(e->v, iov, n);
    return sock_result(sendmsg(e->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL), false);
}

/* Fill the empty stage. @return bytes; 0 none now; < 0 */
static ssize_t fill(struct usb_end *e)
{
    if (e->dry) {
        e->dry = false;
        return 0; /* the next event says when to look again */
    }
    ssize_t n = end_read(e, e->stage, sizeof(e->stage));
    e->at = 0;
    e->end = n > 0 ? (size_t)n : 0;
    return n;
}

/* Up to @p len bytes to @p dst: first what is staged; a long rest is read
 * straight to where it belongs. @return bytes; 0 none now; < 0 */
static ssize_t get(struct usb_end *e, uint8_t *dst, size_t len)
{
    if (e->at == e->end && len >= DIRECT_MIN && !e->dry)
        return end_read(e, dst, len);
    if (e->at == e->end) {
        ssize_t n = fill(e);
        if (n <= 0)
            return n;
    }
    size_t n = e->end - e->at < len ? e->end - e->at : len;
    memcpy(dst, e->stage + e->at, n);
    e->at += n;
    return (ssize_t)n;
}

static int on_whole(struct usb_end *e)
{
    int r = e->ops->whole(e->frame.head, e->arg);

    usbip_frame_next(&e->frame);
    return r < 0 ? r : 1;
}

static int on_head(struct usb_end *e)
{
    struct usb_end_body body = {0};
    int r = e->ops->head(e->frame.head, &body, e->arg);

    if (r < 0)
        return r;
    if (usbip_frame_body(&e->frame, body.payload, body.payload_len, body.descs,
                         body.descs_len) == USBIP_FRAME_WHOLE)
        return on_whole(e);
    return 1;
}

/* @return 1 went on; 0 more is needed; -EAGAIN paused; < 0 */
static int step(struct usb_end *e)
{
    uint8_t *into = NULL;
    size_t want = usbip_frame_want(&e->frame, &into);

    if (want == 0)
        return on_head(e); /* it was paused there */
    ssize_t n = get(e, into, want);
    if (n <= 0)
        return (int)n;
    switch (usbip_frame_got(&e->frame, (size_t)n)) {
    case USBIP_FRAME_HEAD:
        return on_head(e);
    case USBIP_FRAME_WHOLE:
        return on_whole(e);
    case USBIP_FRAME_MORE:
        break;
    }
    return 1;
}

/* @return 1 there may be more now; 0 not; < 0 */
static int turn(struct usb_end *e)
{
    int r = 1;

    for (int i = 0; i < USB_END_TURN && r == 1 && !e->err; i++)
        r = step(e);
    e->paused = r == -EAGAIN;
    return r == -EAGAIN ? 0 : r;
}

static unsigned wanted(struct usb_end *e)
{
    if (e->v) {
        vchan_want_read(e->v, !e->paused);
        return vchan_events(e->v);
    }
    return (e->paused ? 0 : LOOP_READ) | (e->blocked ? LOOP_WRITE : 0);
}

static void on_event(int fd, unsigned events, void *arg);
static void flush_and_watch(struct usb_end *e);

/* Watch what is to be watched now; the descriptor of a vchan may change. */
static void watch(struct usb_end *e)
{
    int fd = e->v ? vchan_fd(e->v) : e->fd;
    int r = 0;

    if (e->io && e->io_fd != fd) {
        loop_io_free(e->io);
        e->io = NULL;
    }
    if (e->io)
        r = loop_io_events(e->io, e->err ? 0 : wanted(e));
    else if (!e->err)
        r = loop_io_new(e->loop, fd, wanted(e), on_event, e, &e->io);
    e->io_fd = fd;
    if (r < 0 && !e->err)
        e->err = r;
}

static void fail(struct usb_end *e, int err)
{
    if (!e->err)
        e->err = err;
    (void)loop_timer_start(e->again, 0);
}

static bool peer_left(struct usb_end *e)
{
    struct pollfd p = {.fd = e->v ? vchan_fd(e->v) : e->fd,
                       .events = POLLRDHUP};

    if (e->v && vchan_state(e->v) == VCHAN_CLOSED)
        return true;
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLRDHUP));
}

static void read_turn(struct usb_end *e)
{
    if (e->paused) {
        if (peer_left(e))
            fail(e, -ECONNRESET);
        else
            (void)loop_timer_start(e->again, PAUSED_LOOK_MS);
        return;
    }
    int r = e->err ? 0 : turn(e);
    if (e->ops->turn)
        e->ops->turn(e->arg);
    if (r < 0)
        fail(e, r);
    else if (r == 1)
        (void)loop_timer_start(e->again, 0);
    else if (e->paused)
        (void)loop_timer_start(e->again, PAUSED_LOOK_MS);
}

static void on_again(void *arg)
{
    struct usb_end *e = arg;

    if (!e->err)
        read_turn(e);
    if (e->err && !e->told) {
        e->told = true;
        watch(e);
        e->ops->closed(e->err, e->arg);
        return;
    }
    flush_and_watch(e);
}

static void on_event(int fd, unsigned events, void *arg)
{
    struct usb_end *e = arg;
    int r = e->v ? vchan_ready(e->v) : 0;

    (void)fd;
    (void)events;
    e->blocked = false;
    e->dry = false;
    if (r < 0) {
        fail(e, r);
    } else {
        if (!e->met && usb_end_connected(e)) {
            e->met = true;
            if (e->ops->connected)
                e->ops->connected(e->arg);
        }
        read_turn(e);
    }
    flush_and_watch(e);
}

int usb_end_new(struct loop *loop, struct vchan *v, int fd,
                const struct usb_end_ops *ops, void *arg, struct usb_end **ret)
{
    struct usb_end *e = malloc(sizeof(*e)); /* the stage stays untouched */
    int r;

    if (!e)
        return -ENOMEM;
    memset(e, 0, offsetof(struct usb_end, stage));
    e->loop = loop;
    e->v = v;
    e->fd = fd;
    e->ops = ops;
    e->arg = arg;
    STAILQ_INIT(&e->items);
    r = loop_timer_new(loop, on_again, e, &e->again);
    if (r == 0)
        watch(e);
    if (r == 0 && !e->io)
        r = e->err;
    /* A Xen vchan tells of new bytes only after a read that found fewer than
     * it asked for; who read before this end did may have found all. */
    if (r == 0 && v && usb_end_connected(e))
        r = loop_timer_start(e->again, 0);
    if (r < 0) {
        e->v = NULL;
        e->fd = -1;
        usb_end_free(e);
        return r;
    }
    *ret = e;
    return 0;
}

void usb_end_free(struct usb_end *e)
{
    if (!e)
        return;
    loop_io_free(e->io);
    loop_timer_free(e->again);
    vchan_free(e->v);
    if (e->fd >= 0)
        close(e->fd);
    free(e);
}

void usb_end_push(struct usb_end *e, struct usb_end_item *item)
{
    for (unsigned i = 0; i < item->n; i++)
        e->queued += item->iov[i].iov_len;
    STAILQ_INSERT_TAIL(&e->items, item, next);
}

/* Pieces of as many items as fit in one write. */
static unsigned gather(struct usb_end *e, struct iovec iov[VCHAN_IOV_MAX],
                       size_t *ret_len)
{
    struct usb_end_item *item;
    unsigned n = 0;

    *ret_len = 0;
    STAILQ_FOREACH(item, &e->items, next)
    {
        if (n + item->n > VCHAN_IOV_MAX)
            break;
        for (unsigned i = 0; i < item->n; i++) {
            if (item->iov[i].iov_len == 0)
                continue;
            iov[n++] = item->iov[i];
            *ret_len += item->iov[i].iov_len;
        }
    }
    return n;
}

/* @p len bytes left: items that are through are given back. */
static void advance(struct usb_end *e, size_t len)
{
    struct usb_end_item *item;

    e->queued -= len;
    while ((item = STAILQ_FIRST(&e->items)) != NULL) {
        size_t rest = 0;
        for (unsigned i = 0; i < item->n; i++) {
            struct iovec *iov = &item->iov[i];
            size_t n = len < iov->iov_len ? len : iov->iov_len;
            iov->iov_base = (uint8_t *)iov->iov_base + n;
            iov->iov_len -= n;
            len -= n;
            rest += iov->iov_len;
        }
        if (rest > 0)
            return;
        STAILQ_REMOVE_HEAD(&e->items, next);
        item->sent(item, e->arg);
    }
}

/* One write. @return is there room for another? */
static bool send_some(struct usb_end *e)
{
    struct iovec iov[VCHAN_IOV_MAX];
    size_t len;
    unsigned n = gather(e, iov, &len);
    ssize_t sent = end_writev(e, iov, n);

    if (sent < 0) {
        fail(e, (int)sent);
        return false;
    }
    e->blocked = (size_t)sent < len;
    advance(e, (size_t)sent);
    return !e->blocked;
}

static void send_all(struct usb_end *e)
{
    bool room = true;

    if (e->sending)
        return;
    e->sending = true;
    while (room && !e->err && !STAILQ_EMPTY(&e->items))
        room = send_some(e);
    e->sending = false;
}

static void flush_and_watch(struct usb_end *e)
{
    send_all(e);
    if (!e->sending)
        watch(e);
}

/* What is watched changes here only by a write that did not go through. */
void usb_end_flush(struct usb_end *e)
{
    bool blocked = e->blocked;

    send_all(e);
    if (!e->sending && (e->err || e->blocked != blocked))
        watch(e);
}

void usb_end_resume(struct usb_end *e)
{
    if (!e->paused || e->err)
        return;
    e->paused = false;
    (void)loop_timer_start(e->again, 0);
}

bool usb_end_connected(const struct usb_end *e)
{
    return !e->err && (!e->v || vchan_state(e->v) == VCHAN_CONNECTED);
}

size_t usb_end_queued(const struct usb_end *e)
{
    return e->queued;
}
