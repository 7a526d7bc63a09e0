/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The xen body of a vchan: libxenvchan. effect. The shared page is written
 * by the peer at any time; the library copes with impossible ring indexes by
 * saying "nothing there" for ever, so they are looked at here before each
 * call (spec/vchan.md, weakness 1). Notices the death of the peer's process,
 * not of its domain: dom0 learns that from xenstore (weakness 2). */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxenvchan.h>
#include <xenevtchn.h>
#include <xenstore.h>

#include "lib/err.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "vchan/vchan_body.h"

#define VCHAN_XS_PATH_MAX 64 /* the library cuts longer ones */

struct vchan_xen {
    struct vchan v;
    struct libxenvchan *lib;
};

static struct vchan_xen *self_of(struct vchan *v)
{
    return (struct vchan_xen *)v;
}

static struct libxenvchan *lib_of(const struct vchan *v)
{
    return ((const struct vchan_xen *)v)->lib;
}

static void xen_free(struct vchan *v)
{
    struct vchan_xen *x = self_of(v);

    libxenvchan_close(x->lib);
    free(x);
}

static int xen_fd(const struct vchan *v)
{
    return libxenvchan_fd_for_select(lib_of(v));
}

/* An event channel says only "look again", for both directions. */
static unsigned xen_events(const struct vchan *v)
{
    (void)v;
    return LOOP_READ;
}

static void xen_want_read(struct vchan *v, bool want)
{
    (void)v;
    (void)want;
}

/* libxenvchan_wait() blocks without a pending event: ask first. */
static int xen_ready(struct vchan *v)
{
    struct pollfd p = {.fd = xen_fd(v), .events = POLLIN};

    if (poll(&p, 1, 0) <= 0)
        return 0;
    return libxenvchan_wait(lib_of(v)) < 0 ? -EIO : 0;
}

static enum vchan_state xen_state(struct vchan *v)
{
    switch (libxenvchan_is_open(lib_of(v))) {
    case 1:
        return VCHAN_CONNECTED;
    case 2:
        return VCHAN_WAITING;
    default:
        return VCHAN_CLOSED;
    }
}

/* The order is the library's private copy, the indexes are shared. */
static int ring_check(const struct libxenvchan_ring *ring)
{
    const volatile struct ring_shared *shr = ring->shr;
    uint32_t cons = shr->cons;
    uint32_t prod = shr->prod;

    return prod - cons > (uint32_t)1 << ring->order ? -EPROTO : 0;
}

static ssize_t xen_read(struct vchan *v, void *buf, size_t len)
{
    struct libxenvchan *lib = lib_of(v);
    int r = ring_check(&lib->read);

    if (r < 0)
        return r;
    r = libxenvchan_read(lib, buf, len);
    return r < 0 ? -ECONNRESET : r;
}

static ssize_t xen_write(struct vchan *v, const void *buf, size_t len)
{
    struct libxenvchan *lib = lib_of(v);
    int r = ring_check(&lib->write);

    if (r < 0)
        return r;
    r = libxenvchan_write(lib, buf, len);
    return r < 0 ? -ECONNRESET : r;
}

/* Which bits the two sides ask in: spec/vchan.md. The peer may write them at
 * any time; a wrong one costs it a wake-up. */
static void ask_when_consumed(struct libxenvchan *lib)
{
    uint8_t *wish =
        lib->is_server ? &lib->ring->cli_notify : &lib->ring->srv_notify;

    (void)__atomic_fetch_or(wish, VCHAN_NOTIFY_READ, __ATOMIC_SEQ_CST);
}

static int tell_written(struct libxenvchan *lib)
{
    uint8_t *wish =
        lib->is_server ? &lib->ring->srv_notify : &lib->ring->cli_notify;
    uint8_t before = __atomic_fetch_and(wish, (uint8_t)~VCHAN_NOTIFY_WRITE,
                                        __ATOMIC_SEQ_CST);

    if (!(before & VCHAN_NOTIFY_WRITE))
        return 0;
    return xenevtchn_notify(lib->event, lib->event_port) < 0 ? err_last() : 0;
}

/* @return bytes of free space; -EPROTO */
static ssize_t ring_room(const struct libxenvchan_ring *ring, uint32_t prod)
{
    const volatile struct ring_shared *shr = ring->shr;
    uint32_t size = (uint32_t)1 << ring->order;
    uint32_t fill = prod - shr->cons;

    return fill > size ? -EPROTO : (ssize_t)(size - fill);
}

/* One piece into the ring at @p at, which wraps. */
static void ring_put(struct libxenvchan_ring *ring, uint32_t at,
                     const uint8_t *p, size_t len)
{
    size_t size = (size_t)1 << ring->order;
    size_t off = at & (size - 1);
    size_t first = len < size - off ? len : size - off;
    uint8_t *buf = ring->buffer;

    memcpy(buf + off, p, first);
    memcpy(buf, p + first, len - first);
}

/* All pieces are copied before the index moves: the library, called once for
 * each, would move it and notify in between. */
static ssize_t xen_writev(struct vchan *v, const struct iovec *iov, unsigned n)
{
    struct libxenvchan *lib = lib_of(v);
    struct libxenvchan_ring *ring = &lib->write;
    uint32_t prod = ring->shr->prod, at = prod;
    size_t want = 0;

    if (libxenvchan_is_open(lib) == 0)
        return -ECONNRESET;
    for (unsigned i = 0; i < n; i++)
        want += iov[i].iov_len;
    ssize_t room = ring_room(ring, prod);
    if (room >= 0 && (size_t)room < want) {
        ask_when_consumed(lib);
        room = ring_room(ring, prod);
    }
    if (room <= 0)
        return room;
    for (unsigned i = 0; i < n && room > 0; i++) {
        size_t len =
            iov[i].iov_len < (size_t)room ? iov[i].iov_len : (size_t)room;
        ring_put(ring, at, iov[i].iov_base, len);
        at += (uint32_t)len;
        room -= (ssize_t)len;
    }
    if (at == prod)
        return 0;
    __atomic_store_n(&ring->shr->prod, at, __ATOMIC_RELEASE);
    int r = tell_written(lib);
    return r < 0 ? r : (ssize_t)(at - prod);
}

static const struct vchan_ops xen_ops = {
    .free = xen_free,
    .fd = xen_fd,
    .events = xen_events,
    .want_read = xen_want_read,
    .ready = xen_ready,
    .state = xen_state,
    .read = xen_read,
    .write = xen_write,
    .writev = xen_writev,
};

static int xen_wrap(struct libxenvchan *lib, struct vchan **ret)
{
    struct vchan_xen *x = calloc(1, sizeof(*x));

    if (!x) {
        libxenvchan_close(lib);
        return -ENOMEM;
    }
    lib->blocking = 0; /* no init of the library sets it */
    x->v.ops = &xen_ops;
    x->lib = lib;
    *ret = &x->v;
    return 0;
}

int vchan_xen_server(const struct vchan_addr *addr, size_t read_bytes,
                     size_t write_bytes, struct vchan **ret)
{
    char path[VCHAN_XS_PATH_MAX];

    snprintf(path, sizeof(path), "data/vchan/%u/%u", addr->peer, addr->port);
    struct libxenvchan *lib = libxenvchan_server_init(
        NULL, (int)addr->peer, path, read_bytes, write_bytes);
    if (!lib)
        return err_last();
    return xen_wrap(lib, ret);
}

/* Path of the server's keys for us. @return 0; -errno */
static int xen_client_path(struct xs_handle *xs, const struct vchan_addr *addr,
                           char ret[VCHAN_XS_PATH_MAX])
{
    CLEANUP_FREE char *domid = xs_read(xs, XBT_NULL, "domid", NULL);

    if (!domid)
        return err_last();
    snprintf(ret, VCHAN_XS_PATH_MAX, "/local/domain/%u/data/vchan/%s/%u",
             addr->peer, domid, addr->port);
    return 0;
}

/* Of its keys, the one that it writes last. */
static void xen_last_key(const char *path, char ret[VCHAN_XS_PATH_MAX + 16])
{
    snprintf(ret, VCHAN_XS_PATH_MAX + 16, "%s/event-channel", path);
}

/* @return 0; -EAGAIN they are not there (yet); -errno */
static int xen_server_path(const struct vchan_addr *addr,
                           char ret[VCHAN_XS_PATH_MAX])
{
    char probe[VCHAN_XS_PATH_MAX + 16];
    struct xs_handle *xs = xs_open(0);

    if (!xs)
        return err_last();
    int r = xen_client_path(xs, addr, ret);
    if (r < 0) {
        xs_close(xs);
        return r;
    }
    xen_last_key(ret, probe);
    CLEANUP_FREE char *port = xs_read(xs, XBT_NULL, probe, NULL);
    r = port ? 0 : err_last();
    xs_close(xs);
    return r == -ENOENT || r == -EACCES ? -EAGAIN : r;
}

int vchan_xen_client(const struct vchan_addr *addr, struct vchan **ret)
{
    char path[VCHAN_XS_PATH_MAX];
    int r = xen_server_path(addr, path);

    if (r < 0)
        return r;
    if (access("/dev/xen/gntdev", R_OK | W_OK) != 0 ||
        access("/dev/xen/evtchn", R_OK | W_OK) != 0)
        return err_last();
    /* Keys of a server that is gone, or is just being made, fail here. */
    struct libxenvchan *lib =
        libxenvchan_client_init(NULL, (int)addr->peer, path);
    if (!lib)
        return -EAGAIN;
    return xen_wrap(lib, ret);
}

int vchan_xen_waker(const struct vchan_addr *addr, struct vchan_waker *ret)
{
    char path[VCHAN_XS_PATH_MAX], key[VCHAN_XS_PATH_MAX + 16];
    struct xs_handle *xs = xs_open(0);

    if (!xs)
        return err_last();
    int r = xen_client_path(xs, addr, path);
    if (r == 0) {
        xen_last_key(path, key);
        if (!xs_watch(xs, key, "server"))
            r = err_last();
    }
    if (r < 0) {
        xs_close(xs);
        return r;
    }
    *ret = (struct vchan_waker){.handle = xs, .fd = xs_fileno(xs)};
    return 0;
}

void vchan_xen_waker_drain(struct vchan_waker *w)
{
    char **event;

    while ((event = xs_check_watch(w->handle)) != NULL)
        free(event);
}

void vchan_xen_waker_close(struct vchan_waker *w)
{
    xs_close(w->handle);
}

int vchan_xen_forget(const struct vchan_addr *addr)
{
    char path[VCHAN_XS_PATH_MAX];
    struct xs_handle *xs = xs_open(0);
    int r = 0;

    if (!xs)
        return err_last();
    snprintf(path, sizeof(path), "data/vchan/%u/%u", addr->peer, addr->port);
    if (!xs_rm(xs, XBT_NULL, path) && errno != ENOENT)
        r = err_last();
    xs_close(xs);
    return r;
}
