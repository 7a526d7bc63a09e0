/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The console of a qube on the netns platform. effect. See
 * netns_console.h. A reader that does not read loses bytes, it never stops
 * the qube. */
#include "dom0/netns_console.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "dom0/config.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/mem.h"

struct client {
    struct netns_console *c;
    int fd; /* -1: free */
    struct loop_io *io;
};

struct netns_console {
    struct loop *loop;
    int master, slave, log;
    struct loop_io *io;
    size_t logged;
    char log_path[CONFIG_PATH_MAX + 32];
    char path[64];
    struct client clients[CONSOLE_CLIENTS_MAX];
    char ring[CONSOLE_RING];
    size_t ring_at, ring_len;
};

static int open_log(struct netns_console *c)
{
    char old[sizeof(c->log_path) + 4];
    int fd;

    snprintf(old, sizeof(old), "%s.1", c->log_path);
    (void)rename(c->log_path, old);
    fd = open(c->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_last();
    if (c->log >= 0)
        close(c->log);
    c->log = fd;
    c->logged = 0;
    return 0;
}

static void drop_client(struct client *cl)
{
    loop_io_free(cl->io);
    cl->io = NULL;
    if (cl->fd >= 0)
        close(cl->fd);
    cl->fd = -1;
}

static void keep(struct netns_console *c, const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        c->ring[c->ring_at] = p[i];
        c->ring_at = (c->ring_at + 1) % CONSOLE_RING;
        if (c->ring_len < CONSOLE_RING)
            c->ring_len++;
    }
}

static void from_qube(int fd, unsigned events, void *arg)
{
    struct netns_console *c = arg;
    char buf[4096];
    ssize_t n = read(fd, buf, sizeof(buf));

    (void)events;
    if (n <= 0)
        return;
    if (write(c->log, buf, (size_t)n) == n)
        c->logged += (size_t)n;
    if (c->logged > CONSOLE_LOG_MAX)
        (void)open_log(c);
    keep(c, buf, (size_t)n);
    for (size_t i = 0; i < CONSOLE_CLIENTS_MAX; i++) {
        if (c->clients[i].fd >= 0)
            (void)send(c->clients[i].fd, buf, (size_t)n,
                       MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

static void from_client(int fd, unsigned events, void *arg)
{
    struct client *cl = arg;
    char buf[512];
    ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

    (void)events;
    if (n > 0)
        (void)!write(cl->c->master, buf, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        drop_client(cl);
}

static int open_pty(struct netns_console *c)
{
    struct termios t;

    c->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (c->master < 0 || grantpt(c->master) || unlockpt(c->master) ||
        ptsname_r(c->master, c->path, sizeof(c->path)))
        return err_last();
    /* Held open by us: without any open slave the master reports errors. */
    c->slave = open(c->path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (c->slave < 0)
        return err_last();
    if (!tcgetattr(c->slave, &t)) {
        t.c_oflag &= ~(tcflag_t)OPOST;
        (void)tcsetattr(c->slave, TCSANOW, &t);
    }
    return io_set_nonblock(c->master, true);
}

int netns_console_new(struct loop *loop, const char *log,
                      struct netns_console **ret)
{
    struct netns_console *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    c->loop = loop;
    c->master = c->slave = c->log = -1;
    for (size_t i = 0; i < CONSOLE_CLIENTS_MAX; i++)
        c->clients[i] = (struct client){c, -1, NULL};
    snprintf(c->log_path, sizeof(c->log_path), "%s", log);
    r = open_log(c);
    r = r ? r : open_pty(c);
    r = r ? r : loop_io_new(loop, c->master, LOOP_READ, from_qube, c, &c->io);
    if (r) {
        netns_console_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

void netns_console_free(struct netns_console *c)
{
    if (!c)
        return;
    if (c->io)
        from_qube(c->master, LOOP_READ, c); /* the last words */
    loop_io_free(c->io);
    for (size_t i = 0; i < CONSOLE_CLIENTS_MAX; i++)
        drop_client(&c->clients[i]);
    if (c->master >= 0)
        close(c->master);
    if (c->slave >= 0)
        close(c->slave);
    if (c->log >= 0)
        close(c->log);
    free(c);
}

int netns_console_slave(const struct netns_console *c)
{
    return c->slave;
}

const char *netns_console_path(const struct netns_console *c)
{
    return c->path;
}

static void show_ring(const struct netns_console *c, int fd)
{
    size_t from = (c->ring_at + CONSOLE_RING - c->ring_len) % CONSOLE_RING;
    size_t first = CONSOLE_RING - from;

    if (first > c->ring_len)
        first = c->ring_len;
    (void)send(fd, c->ring + from, first, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)send(fd, c->ring, c->ring_len - first, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int netns_console_attach(struct netns_console *c)
{
    struct client *cl = NULL;
    int pair[2], r;

    for (size_t i = 0; i < CONSOLE_CLIENTS_MAX && !cl; i++) {
        if (c->clients[i].fd < 0)
            cl = &c->clients[i];
    }
    if (!cl)
        return -EBUSY;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return err_last();
    cl->fd = pair[0];
    r = loop_io_new(c->loop, cl->fd, LOOP_READ, from_client, cl, &cl->io);
    if (r) {
        drop_client(cl);
        close(pair[1]);
        return r;
    }
    show_ring(c, cl->fd);
    return pair[1];
}
