/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop on libevent core. effect. See loop.h. */
#include "lib/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>

struct loop {
    struct event_base *base;
    int code;
};

struct loop_io {
    struct loop *l;
    struct event *ev;
    int fd;
    loop_io_cb cb;
    void *arg;
};

struct loop_timer {
    struct event *ev;
    loop_cb cb;
    void *arg;
};

struct loop_sig {
    struct event *ev;
    loop_sig_cb cb;
    void *arg;
};

int loop_new(struct loop **ret)
{
    struct loop *l = calloc(1, sizeof(*l));
    struct event_config *cfg = event_config_new();

    if (l && cfg) {
        event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
        l->base = event_base_new_with_config(cfg);
    }
    if (cfg)
        event_config_free(cfg);
    if (!l || !l->base) {
        free(l);
        return -ENOMEM;
    }
    *ret = l;
    return 0;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    event_base_free(l->base);
    free(l);
}

static short to_ev(unsigned events)
{
    int e = EV_PERSIST;

    if (events & LOOP_READ)
        e |= EV_READ;
    if (events & LOOP_WRITE)
        e |= EV_WRITE;
    return (short)e;
}

static void io_fire(evutil_socket_t fd, short what, void *arg)
{
    struct loop_io *io = arg;
    unsigned e = 0;

    if (what & EV_READ)
        e |= LOOP_READ;
    if (what & EV_WRITE)
        e |= LOOP_WRITE;
    io->cb(fd, e, io->arg);
}

int loop_io_new(struct loop *l, int fd, unsigned events, loop_io_cb cb,
                void *arg, struct loop_io **ret)
{
    struct loop_io *io = calloc(1, sizeof(*io));

    if (!io)
        return -ENOMEM;
    *io = (struct loop_io){.l = l, .fd = fd, .cb = cb, .arg = arg};
    io->ev = event_new(l->base, fd, to_ev(events), io_fire, io);
    if (!io->ev) {
        free(io);
        return -ENOMEM;
    }
    if (events && event_add(io->ev, NULL) != 0) {
        loop_io_free(io);
        return -EINVAL;
    }
    *ret = io;
    return 0;
}

int loop_io_events(struct loop_io *io, unsigned events)
{
    short want = to_ev(events);

    if (event_get_events(io->ev) == want) {
        bool armed = event_pending(io->ev, EV_READ | EV_WRITE, NULL);
        if (events ? armed : !armed)
            return 0;
    }
    event_del(io->ev);
    if (event_assign(io->ev, io->l->base, io->fd, want, io_fire, io) != 0)
        return -EINVAL;
    if (events && event_add(io->ev, NULL) != 0)
        return -EINVAL;
    return 0;
}

void loop_io_free(struct loop_io *io)
{
    if (!io)
        return;
    if (io->ev)
        event_free(io->ev);
    free(io);
}

static void timer_fire(evutil_socket_t fd, short what, void *arg)
{
    struct loop_timer *t = arg;

    (void)fd;
    (void)what;
    t->cb(t->arg);
}

int loop_timer_new(struct loop *l, loop_cb cb, void *arg,
                   struct loop_timer **ret)
{
    struct loop_timer *t = calloc(1, sizeof(*t));

    if (!t)
        return -ENOMEM;
    t->cb = cb;
    t->arg = arg;
    t->ev = evtimer_new(l->base, timer_fire, t);
    if (!t->ev) {
        free(t);
        return -ENOMEM;
    }
    *ret = t;
    return 0;
}

int loop_timer_start(struct loop_timer *t, uint32_t ms)
{
    struct timeval tv = {.tv_sec = ms / 1000,
                         .tv_usec = (suseconds_t)(ms % 1000) * 1000};

    return evtimer_add(t->ev, &tv) == 0 ? 0 : -EINVAL;
}

void loop_timer_stop(struct loop_timer *t)
{
    evtimer_del(t->ev);
}

void loop_timer_free(struct loop_timer *t)
{
    if (!t)
        return;
    event_free(t->ev);
    free(t);
}

static void sig_fire(evutil_socket_t fd, short what, void *arg)
{
    struct loop_sig *s = arg;

    (void)what;
    s->cb(fd, s->arg);
}

int loop_sig_new(struct loop *l, int signo, loop_sig_cb cb, void *arg,
                 struct loop_sig **ret)
{
    struct loop_sig *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->cb = cb;
    s->arg = arg;
    s->ev = evsignal_new(l->base, signo, sig_fire, s);
    if (!s->ev || event_add(s->ev, NULL) != 0) {
        loop_sig_free(s);
        return -ENOMEM;
    }
    *ret = s;
    return 0;
}

void loop_sig_free(struct loop_sig *s)
{
    if (!s)
        return;
    if (s->ev)
        event_free(s->ev);
    free(s);
}

int loop_run(struct loop *l)
{
    l->code = 0;
    if (event_base_dispatch(l->base) < 0)
        return -EIO;
    return l->code;
}

void loop_stop(struct loop *l, int code)
{
    l->code = code;
    event_base_loopbreak(l->base);
}
