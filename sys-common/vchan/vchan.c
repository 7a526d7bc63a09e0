/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Choice between the bodies of a vchan. effect. Fed by our own code; the
 * peer's bytes pass through unseen. See vchan.h. */
#include "vchan/vchan.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/io.h"
#include "vchan/vchan_body.h"

#define VCHAN_DOMID_MAX 0x7fefu /* below DOMID_FIRST_RESERVED */
#define VCHAN_RING_MAX (1u << 20)
#define LOOK_MS 250

enum vchan_body vchan_body_from_env(void)
{
    const char *platform = getenv("SYSQUBE_PLATFORM");

    return platform && strcmp(platform, "netns") == 0 ? VCHAN_UNIX : VCHAN_XEN;
}

static int addr_check(const struct vchan_addr *addr)
{
    if (addr->peer > VCHAN_DOMID_MAX || addr->self > VCHAN_DOMID_MAX ||
        addr->port == 0 || addr->port > INT32_MAX)
        return -EINVAL;
    return 0;
}

int vchan_server_new(const struct vchan_addr *addr, size_t ring_bytes,
                     struct vchan **ret)
{
    return vchan_server_new_rings(addr, ring_bytes, ring_bytes, ret);
}

int vchan_server_new_rings(const struct vchan_addr *addr, size_t read_bytes,
                           size_t write_bytes, struct vchan **ret)
{
    int r = addr_check(addr);

    if (r < 0)
        return r;
    if (read_bytes == 0 || read_bytes > VCHAN_RING_MAX || write_bytes == 0 ||
        write_bytes > VCHAN_RING_MAX)
        return -EINVAL;
    if (addr->body == VCHAN_UNIX)
        return vchan_unix_server(addr, write_bytes, ret);
    return vchan_xen_server(addr, read_bytes, write_bytes, ret);
}

int vchan_client_new(const struct vchan_addr *addr, struct vchan **ret)
{
    int r = addr_check(addr);

    if (r < 0)
        return r;
    if (addr->body == VCHAN_UNIX)
        return vchan_unix_client(addr, ret);
    return vchan_xen_client(addr, ret);
}

static int waker_open(const struct vchan_addr *addr, struct vchan_waker *ret)
{
    *ret = (struct vchan_waker){.fd = -1};
    return addr->body == VCHAN_UNIX ? vchan_unix_waker(addr, ret)
                                    : vchan_xen_waker(addr, ret);
}

/* Wait for a reason to try again. A server that is half made gives none when
 * it is whole: so there is a look of our own now and then. */
static void waker_wait(const struct vchan_addr *addr, struct vchan_waker *w,
                       uint64_t left_ms)
{
    struct pollfd p = {.fd = w->fd, .events = POLLIN};

    if (poll(&p, 1, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS) <= 0)
        return;
    if (addr->body == VCHAN_UNIX)
        vchan_unix_waker_drain(w);
    else
        vchan_xen_waker_drain(w);
}

int vchan_client_wait(const struct vchan_addr *addr, int timeout_ms,
                      struct vchan **ret)
{
    uint64_t end = io_now_ms() + (uint64_t)timeout_ms, now = 0;
    struct vchan_waker w;
    int r = addr_check(addr);

    if (r == 0)
        r = waker_open(addr, &w);
    if (r < 0)
        return r;
    while ((r = vchan_client_new(addr, ret)) == -EAGAIN &&
           (now = io_now_ms()) < end)
        waker_wait(addr, &w, end - now);
    if (addr->body == VCHAN_UNIX)
        vchan_unix_waker_close(&w);
    else
        vchan_xen_waker_close(&w);
    return r == -EAGAIN ? -ETIMEDOUT : r;
}

int vchan_server_forget(const struct vchan_addr *addr)
{
    int r = addr_check(addr);

    if (r < 0)
        return r;
    return addr->body == VCHAN_UNIX ? vchan_unix_forget(addr)
                                    : vchan_xen_forget(addr);
}

void vchan_free(struct vchan *v)
{
    if (v)
        v->ops->free(v);
}

int vchan_fd(const struct vchan *v)
{
    return v->ops->fd(v);
}

unsigned vchan_events(const struct vchan *v)
{
    return v->ops->events(v);
}

void vchan_want_read(struct vchan *v, bool want)
{
    v->ops->want_read(v, want);
}

int vchan_ready(struct vchan *v)
{
    return v->ops->ready(v);
}

enum vchan_state vchan_state(struct vchan *v)
{
    return v->ops->state(v);
}

ssize_t vchan_read(struct vchan *v, void *buf, size_t len)
{
    return v->ops->read(v, buf, len);
}

ssize_t vchan_write(struct vchan *v, const void *buf, size_t len)
{
    return v->ops->write(v, buf, len);
}

ssize_t vchan_writev(struct vchan *v, const struct iovec *iov, unsigned n)
{
    if (n == 0 || n > VCHAN_IOV_MAX)
        return -EINVAL;
    return v->ops->writev(v, iov, n);
}
