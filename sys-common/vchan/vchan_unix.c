/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The unix body of a vchan: a stream socket, one client in a server's life.
 * effect. For the netns platform and tests. The peer's bytes pass through
 * unseen. Unlike rings it has no indexes a peer could corrupt, and the kernel
 * notices the peer's death by itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "vchan/vchan_body.h"

#define VCHAN_UNIX_DIR "/run/vchan"
#define VCHAN_UNIX_PATH_MAX 108 /* sun_path */
#define VCHAN_UNIX_MODE 0600

struct vchan_unix {
    struct vchan v;
    int fd; /* listening socket, then the connection; -1 when closed */
    enum vchan_state state;
    bool read_off;
    bool write_blocked;
    size_t write_bytes; /* wanted send buffer, 0: as it is */
};

static struct vchan_unix *self_of(struct vchan *v)
{
    return (struct vchan_unix *)v;
}

static const struct vchan_unix *const_self_of(const struct vchan *v)
{
    return (const struct vchan_unix *)v;
}

static void unix_free(struct vchan *v)
{
    struct vchan_unix *u = self_of(v);

    if (u->fd >= 0)
        close(u->fd);
    free(u);
}

static int unix_fd(const struct vchan *v)
{
    return const_self_of(v)->fd;
}

static unsigned unix_events(const struct vchan *v)
{
    const struct vchan_unix *u = const_self_of(v);
    unsigned events = u->write_blocked ? LOOP_WRITE : 0;

    if (u->state == VCHAN_WAITING || !u->read_off)
        events |= LOOP_READ;
    return events;
}

static void unix_want_read(struct vchan *v, bool want)
{
    self_of(v)->read_off = !want;
}

/* Larger than it is, as far as net.core.wmem_max allows; less works too. */
static void ask_send_buffer(int fd, size_t bytes)
{
    int size = (int)bytes, now = 0;
    socklen_t len = sizeof(now);

    if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &now, &len) == 0 && now < size)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static int unix_ready(struct vchan *v)
{
    struct vchan_unix *u = self_of(v);

    if (u->state != VCHAN_WAITING)
        return 0;
    int fd = accept4(u->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED
                   ? 0
                   : err_last();
    close(u->fd); /* a second client is refused by the kernel */
    u->fd = fd;
    u->state = VCHAN_CONNECTED;
    ask_send_buffer(fd, u->write_bytes);
    return 0;
}

static enum vchan_state unix_state(struct vchan *v)
{
    return self_of(v)->state;
}

static ssize_t unix_read(struct vchan *v, void *buf, size_t len)
{
    struct vchan_unix *u = self_of(v);
    ssize_t n;

    if (u->state == VCHAN_WAITING)
        return 0;
    if (u->state == VCHAN_CLOSED)
        return -ECONNRESET;
    do {
        n = recv(u->fd, buf, len, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n > 0 || (n == 0 && len == 0))
        return n;
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n < 0 && errno != ECONNRESET)
        return err_last();
    u->state = VCHAN_CLOSED;
    return -ECONNRESET;
}

static ssize_t unix_writev(struct vchan *v, const struct iovec *iov,
                           unsigned n_iov)
{
    struct vchan_unix *u = self_of(v);
    struct msghdr mh = {.msg_iovlen = n_iov};
    size_t len = 0;
    ssize_t n;

    memcpy(&mh.msg_iov, &iov, sizeof(iov)); /* sendmsg only reads them */
    for (unsigned i = 0; i < n_iov; i++)
        len += iov[i].iov_len;

    if (u->state == VCHAN_WAITING)
        return 0;
    if (u->state == VCHAN_CLOSED)
        return -ECONNRESET;
    do {
        n = sendmsg(u->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN)
        return errno == EPIPE ? -ECONNRESET : err_last();
    if (n < 0)
        n = 0;
    u->write_blocked = (size_t)n < len;
    return n;
}

static ssize_t unix_write(struct vchan *v, const void *buf, size_t len)
{
    struct iovec iov = {.iov_len = len};

    memcpy(&iov.iov_base, &buf, sizeof(buf));
    return unix_writev(v, &iov, 1);
}

static const struct vchan_ops unix_ops = {
    .free = unix_free,
    .fd = unix_fd,
    .events = unix_events,
    .want_read = unix_want_read,
    .ready = unix_ready,
    .state = unix_state,
    .read = unix_read,
    .write = unix_write,
    .writev = unix_writev,
};

static int unix_path(const struct vchan_addr *addr, uint32_t server,
                     char ret[VCHAN_UNIX_PATH_MAX])
{
    int n =
        snprintf(ret, VCHAN_UNIX_PATH_MAX, "%s/%u.%u.sock",
                 addr->dir ? addr->dir : VCHAN_UNIX_DIR, server, addr->port);

    return n < 0 || n >= VCHAN_UNIX_PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Takes the descriptor, also on failure. */
static int unix_new(int fd, enum vchan_state state, struct vchan **ret)
{
    struct vchan_unix *u = calloc(1, sizeof(*u));

    if (!u) {
        close(fd);
        return -ENOMEM;
    }
    u->v.ops = &unix_ops;
    u->fd = fd;
    u->state = state;
    *ret = &u->v;
    return 0;
}

int vchan_unix_server(const struct vchan_addr *addr, size_t write_bytes,
                      struct vchan **ret)
{
    char path[VCHAN_UNIX_PATH_MAX];
    int r = unix_path(addr, addr->self, path);

    if (r < 0)
        return r;
    int fd = io_unix_listen(path, VCHAN_UNIX_MODE);
    if (fd < 0)
        return fd;
    r = unix_new(fd, VCHAN_WAITING, ret);
    if (r == 0)
        self_of(*ret)->write_bytes = write_bytes;
    return r;
}

int vchan_unix_client(const struct vchan_addr *addr, struct vchan **ret)
{
    char path[VCHAN_UNIX_PATH_MAX];
    int r = unix_path(addr, addr->peer, path);

    if (r < 0)
        return r;
    CLEANUP_FD int fd = io_unix_connect(path);
    if (fd == -ENOENT || fd == -ECONNREFUSED)
        return -EAGAIN;
    if (fd < 0)
        return fd;
    r = io_set_nonblock(fd, true);
    if (r < 0)
        return r;
    return unix_new(STEAL_FD(fd), VCHAN_CONNECTED, ret);
}

int vchan_unix_waker(const struct vchan_addr *addr, struct vchan_waker *ret)
{
    const char *dir = addr->dir ? addr->dir : VCHAN_UNIX_DIR;
    CLEANUP_FD int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    if (fd < 0)
        return err_last();
    if (inotify_add_watch(fd, dir, IN_CREATE | IN_MOVED_TO) < 0)
        return err_last();
    ret->fd = STEAL_FD(fd);
    return 0;
}

void vchan_unix_waker_drain(struct vchan_waker *w)
{
    char events[1024];

    while (read(w->fd, events, sizeof(events)) > 0) {
        /* which file it was does not matter */
    }
}

void vchan_unix_waker_close(struct vchan_waker *w)
{
    close(w->fd);
}

int vchan_unix_forget(const struct vchan_addr *addr)
{
    char path[VCHAN_UNIX_PATH_MAX];
    int r = unix_path(addr, addr->self, path);

    if (r == 0 && unlink(path) != 0 && errno != ENOENT)
        r = err_last();
    return r;
}
