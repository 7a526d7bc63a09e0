/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The worker's side of the resolver. effect. See resolver_client.h. */
#include "firewallvm/resolver_client.h"

#include <stdlib.h>
#include <string.h>

#include "firewallvm/resolver.h"
#include "firewallvm/resolver_record.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/privsep.h"

#define ANSWERS_PER_TURN 64

struct resolver_client {
    struct names *names;
    int fd;
    struct loop_io *io;
    struct resolver_client_cb cb;
    struct fw_dns servers;
    bool has_servers;  /* were ever given */
    bool send_servers; /* before anything else */
    bool has_unsent;   /* the socket was full */
    bool warned;       /* of a malformed record */
    uint8_t unsent[RESOLVER_REQUEST_BYTES];
};

int resolver_client_new(struct names *names, int queue_fd,
                        struct resolver_client **ret)
{
    const char hello = 0;
    char name[] = "firewallvmd", role[] = RESOLVER_ARG;
    char *const argv[] = {name, role, NULL};
    struct resolver_client *c = calloc(1, sizeof(*c));
    pid_t pid;
    int r;

    if (!c)
        return -ENOMEM;
    c->names = names;
    c->fd = -1;
    r = privsep_spawn("/proc/self/exe", argv, &c->fd, &pid);
    if (r == 0)
        r = io_send_fd(c->fd, &hello, 1, queue_fd);
    if (r < 0) {
        resolver_client_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

void resolver_client_free(struct resolver_client *c)
{
    if (!c)
        return;
    loop_io_free(c->io);
    if (c->fd >= 0)
        close(c->fd);
    free(c);
}

static void end(struct resolver_client *c, int r)
{
    loop_io_events(c->io, 0);
    c->cb.gone(c->cb.arg, r == -EPIPE ? -ECONNRESET : r);
}

/* ---- to the resolver ---- */
/* The next record to send. @return false there is none */
static bool next_request(struct resolver_client *c, int *ret_r)
{
    struct resolver_request req = {0};

    if (c->has_unsent)
        return true;
    if (c->send_servers) {
        req.type = RESOLVER_SERVERS;
        req.servers = c->servers;
        c->send_servers = false;
    } else if (!c->has_servers || !names_want(c->names, io_now_ms(), &req)) {
        return false;
    }
    *ret_r = resolver_request_encode(&req, c->unsent);
    c->has_unsent = *ret_r == 0;
    return true;
}

void resolver_client_feed(struct resolver_client *c)
{
    int r = 0;

    while (r == 0 && next_request(c, &r)) {
        if (r == 0)
            r = privsep_send(c->fd, c->unsent, sizeof(c->unsent));
        if (r == 0)
            c->has_unsent = false;
    }
    if (r < 0 && r != -EAGAIN) {
        end(c, r);
        return;
    }
    loop_io_events(c->io, LOOP_READ | (c->has_unsent ? LOOP_WRITE : 0));
}

void resolver_client_servers(struct resolver_client *c,
                             const struct fw_dns *servers)
{
    c->servers = *servers;
    c->has_servers = true;
    c->send_servers = true;
    c->has_unsent = false;
    names_lost(c->names, io_now_ms());
    resolver_client_feed(c);
}

/* ---- from the resolver ---- */
static void take(struct resolver_client *c, const struct resolver_answer *ans)
{
    if (ans->type == RESOLVER_ANSWER) {
        names_answer(c->names, ans, io_now_ms());
        return;
    }
    if (ans->type == RESOLVER_SEEN) {
        c->cb.seen(c->cb.arg, ans);
        return;
    }
    c->cb.up(c->cb.arg, ans->type == RESOLVER_HELLO);
    if (ans->type == RESOLVER_DOWN)
        return;
    c->send_servers = c->has_servers;
    c->has_unsent = false;
    names_lost(c->names, io_now_ms());
}

/* A resolver gone bad may lie about names, no more: what is no record is
 * left alone, so that it cannot end the worker.
 * @return 1 a record was taken; 0 one was not; -errno */
static int take_one(struct resolver_client *c)
{
    uint8_t bytes[RESOLVER_ANSWER_BYTES];
    struct resolver_answer ans;
    int r = privsep_recv(c->fd, bytes, sizeof(bytes));

    if (r == 0)
        r = resolver_answer_decode(bytes, &ans);
    if (r == 0) {
        take(c, &ans);
        return 1;
    }
    if (r == -EBADMSG && !c->warned)
        log_warn("resolver: a record that is none");
    if (r == -EBADMSG)
        c->warned = true;
    return r == -EBADMSG ? 0 : r;
}

static void on_io(int fd, unsigned events, void *arg)
{
    struct resolver_client *c = arg;
    bool changed = false;
    int i, r = 0;

    (void)fd;
    (void)events;
    for (i = 0; i < ANSWERS_PER_TURN && r >= 0; i++) {
        r = take_one(c);
        if (r == 1)
            changed = true;
    }
    if (r < 0 && r != -EAGAIN) {
        end(c, r);
        return;
    }
    resolver_client_feed(c);
    if (changed)
        c->cb.changed(c->cb.arg);
}

int resolver_client_attach(struct resolver_client *c, struct loop *loop,
                           const struct resolver_client_cb *cb)
{
    c->cb = *cb;
    return loop_io_new(loop, c->fd, LOOP_READ, on_io, c, &c->io);
}
