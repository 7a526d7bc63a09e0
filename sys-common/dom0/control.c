/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket. effect. See control.h. A client that breaks off or
 * goes over a limit is freed at the end of the turn, never inside a send. */
#include "dom0/control.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dom0/config.h"
#include "dom0/request.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mem.h"

#define IN_FIRST 4096 /* bytes; enough for all but whole lists */

struct control_client {
    struct control_client *next;
    struct control *c;
    int fd;
    struct loop_io *io;
    char *in; /* grows up to REQUEST_LINE_MAX */
    size_t in_len, in_cap;
    size_t in_seen; /* bytes without a newline */
    char *out;
    size_t out_len, out_cap;
    int pass;       /* descriptor to send, or -1 */
    size_t pass_at; /* with this byte of out */
    bool dead;
};

struct control {
    struct loop *loop;
    char path[CONFIG_PATH_MAX];
    int fd;
    struct loop_io *io;
    struct loop_timer *sweep;
    struct control_handler h;
    struct control_client *clients;
    size_t n;
};

static void client_free(struct control_client *cl)
{
    loop_io_free(cl->io);
    close(cl->fd);
    if (cl->pass >= 0)
        close(cl->pass);
    free(cl->in);
    free(cl->out);
    free(cl);
}

static void mark_dead(struct control_client *cl)
{
    if (cl->dead)
        return;
    cl->dead = true;
    (void)loop_io_events(cl->io, 0);
    (void)loop_timer_start(cl->c->sweep, 0);
}

static void on_sweep(void *arg)
{
    struct control *c = arg;
    struct control_client **at = &c->clients;

    while (*at) {
        struct control_client *cl = *at;

        if (!cl->dead) {
            at = &cl->next;
            continue;
        }
        *at = cl->next;
        c->n--;
        c->h.gone(cl, c->h.arg);
        client_free(cl);
    }
}

static void flush(struct control_client *cl)
{
    size_t done = 0;

    while (!cl->dead && done < cl->out_len) {
        size_t len = cl->out_len - done;
        ssize_t n;

        if (cl->pass >= 0 && done == cl->pass_at) {
            /* the first byte of that line takes the descriptor along */
            n = io_send_fd(cl->fd, cl->out + done, 1, cl->pass) ? -1 : 1;
            if (n == 1)
                close(STEAL_FD(cl->pass));
        } else {
            if (cl->pass >= 0 && done < cl->pass_at)
                len = cl->pass_at - done;
            n = send(cl->fd, cl->out + done, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            mark_dead(cl);
            return;
        }
        done += (size_t)n;
    }
    cl->out_len -= done;
    memmove(cl->out, cl->out + done, cl->out_len);
    if (cl->pass >= 0)
        cl->pass_at -= done;
    if (!cl->dead)
        (void)loop_io_events(cl->io,
                             LOOP_READ | (cl->out_len ? LOOP_WRITE : 0));
}

static int out_put(struct control_client *cl, const char *p, size_t len)
{
    if (cl->out_len + len > CONTROL_OUT_MAX)
        return -ENOBUFS;
    if (cl->out_len + len > cl->out_cap) {
        size_t cap = (cl->out_len + len) * 2;
        char *n = realloc(cl->out, cap);

        if (!n)
            return -ENOMEM;
        cl->out = n;
        cl->out_cap = cap;
    }
    memcpy(cl->out + cl->out_len, p, len);
    cl->out_len += len;
    return 0;
}

void control_send_fd(struct control_client *cl, json_t *o, int fd)
{
    CLEANUP_FREE char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

    json_decref(o);
    if (!cl || cl->dead || !text || (fd >= 0 && cl->pass >= 0)) {
        if (fd >= 0)
            close(fd);
        if (cl && !text)
            mark_dead(cl);
        return;
    }
    if (fd >= 0) {
        cl->pass = fd;
        cl->pass_at = cl->out_len;
    }
    if (out_put(cl, text, strlen(text)) || out_put(cl, "\n", 1)) {
        mark_dead(cl);
        return;
    }
    flush(cl);
}

void control_send(struct control_client *c, json_t *o)
{
    control_send_fd(c, o, -1);
}

void control_progress(struct control_client *c, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    control_send(c, json_pack("{s:s}", "progress", text));
}

static void take_lines(struct control_client *cl)
{
    size_t from = 0, at = cl->in_seen;
    char *nl;

    while (!cl->dead && (nl = memchr(cl->in + at, '\n', cl->in_len - at))) {
        size_t len = (size_t)(nl - cl->in) - from;
        struct text line = {cl->in + from, len};

        at = from += len + 1;
        cl->c->h.line(cl, line, cl->c->h.arg);
    }
    cl->in_len -= from;
    memmove(cl->in, cl->in + from, cl->in_len);
    cl->in_seen = cl->in_len;
}

/* Room for at least one more byte. */
static int in_grow(struct control_client *cl)
{
    size_t cap = cl->in_cap ? cl->in_cap * 2 : IN_FIRST;
    char *in;

    if (cl->in_len < cl->in_cap)
        return 0;
    if (cl->in_cap >= REQUEST_LINE_MAX) {
        log_warn("control: a request over %d bytes", REQUEST_LINE_MAX);
        return -ENOBUFS;
    }
    in = realloc(cl->in, cap);
    if (!in)
        return -ENOMEM;
    cl->in = in;
    cl->in_cap = cap;
    return 0;
}

static void on_client(int fd, unsigned events, void *arg)
{
    struct control_client *cl = arg;
    ssize_t n;

    if (events & LOOP_WRITE)
        flush(cl);
    if (cl->dead || !(events & LOOP_READ))
        return;
    if (in_grow(cl)) {
        mark_dead(cl);
        return;
    }
    n = recv(fd, cl->in + cl->in_len, cl->in_cap - cl->in_len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        mark_dead(cl);
        return;
    }
    cl->in_len += (size_t)n;
    take_lines(cl);
}

static int client_new(struct control *c, int fd)
{
    struct control_client *cl = calloc(1, sizeof(*cl));
    int r;

    if (!cl)
        return -ENOMEM;
    cl->c = c;
    cl->fd = fd;
    cl->pass = -1;
    r = loop_io_new(c->loop, fd, LOOP_READ, on_client, cl, &cl->io);
    if (r) {
        free(cl);
        return r;
    }
    cl->next = c->clients;
    c->clients = cl;
    c->n++;
    return 0;
}

static void on_accept(int fd, unsigned events, void *arg)
{
    struct control *c = arg;
    int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (s < 0)
        return;
    if (c->n >= CONTROL_CLIENTS_MAX || client_new(c, s)) {
        log_warn("control: no room for another client");
        close(s);
    }
}

static int make_parent(const char *path)
{
    char dir[CONFIG_PATH_MAX];
    char *slash;

    snprintf(dir, sizeof(dir), "%s", path);
    slash = strrchr(dir, '/');
    if (!slash || slash == dir)
        return 0;
    *slash = 0;
    return io_mkdirs(dir, 0755);
}

int control_new(struct loop *loop, const char *path,
                const struct control_handler *h, struct control **ret)
{
    struct control *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    c->loop = loop;
    c->h = *h;
    c->fd = -1;
    snprintf(c->path, sizeof(c->path), "%s", path);
    r = make_parent(path);
    if (!r) {
        c->fd = io_unix_listen(path, 0600);
        r = c->fd < 0 ? c->fd : 0;
    }
    r = r ? r : loop_timer_new(loop, on_sweep, c, &c->sweep);
    r = r ? r : loop_io_new(loop, c->fd, LOOP_READ, on_accept, c, &c->io);
    if (r) {
        control_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

void control_free(struct control *c)
{
    if (!c)
        return;
    while (c->clients) {
        struct control_client *cl = c->clients;

        c->clients = cl->next;
        client_free(cl);
    }
    loop_io_free(c->io);
    loop_timer_free(c->sweep);
    if (c->fd >= 0) {
        close(c->fd);
        (void)unlink(c->path);
    }
    free(c);
}
