/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysqube-qdb, dom0's QubesDB worker of one domain. glue. Started by
 * sysqubed with privsep_spawn(); descriptor 3 carries the records of
 * qdb_record.h. Fed by the VM over a vchan (hostile) and by sysqubed
 * (trusted). Decides nothing: qdb_worker does. After set-up it has its own
 * uid, an empty root, no capability, a system call filter and a memory
 * limit: the worst a VM can do to it is to end it. */
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/parse.h"
#include "lib/privsep.h"
#include "lib/sandbox.h"
#include "qubesdb/qdb_pump.h"
#include "qubesdb/qdb_worker.h"
#include "vchan/vchan.h"

#define WORKER_ROOT "/var/empty" /* unless --root says another */
#define WORKER_RING 4096u
#define WORKER_MAX_MEMORY (64u * 1024 * 1024)
#define WORKER_MAX_FILES 32u
#define WORKER_DOMID_MAX 0x7fefu
#define TURN_RECORDS 64u
#define LAST_WORD_MS 1000
#define FULL_MS 50u

struct glue {
    struct loop *loop;
    struct vchan *vchan;
    struct qdb_worker *worker;
    struct loop_io *vchan_io;
    struct loop_io *mon_io;
    struct loop_timer *again;
    int vchan_fd; /* the one vchan_io watches */
    bool mon_full;
};

struct options {
    uint32_t domid;
    uint32_t uid;
    enum vchan_body body;
    const char *dir;
    const char *root;
};

/* The last records before the end: worth a short wait, no more. */
static void say_last(const struct qdb_rec_up *rec)
{
    struct pollfd p = {.fd = PRIVSEP_CHILD_FD, .events = POLLOUT};

    if (privsep_send(PRIVSEP_CHILD_FD, rec, sizeof(*rec)) != -EAGAIN)
        return;
    if (poll(&p, 1, LAST_WORD_MS) == 1)
        privsep_send(PRIVSEP_CHILD_FD, rec, sizeof(*rec));
}

/* Records left unread at exit(2) would make the kernel report a reset to
 * sysqubed before our last record. */
static void read_off(void)
{
    static struct qdb_rec_down rec;
    int r;

    shutdown(PRIVSEP_CHILD_FD, SHUT_RD);
    do {
        r = privsep_recv(PRIVSEP_CHILD_FD, &rec, sizeof(rec));
    } while (r == 0 || r == -EBADMSG);
}

static void end_closed(struct glue *g, enum qdb_closed reason)
{
    struct qdb_rec_up rec;

    log_info("ending: %s", qdb_closed_text(reason));
    qdb_rec_closed(&rec, reason);
    say_last(&rec);
    read_off();
    loop_stop(g->loop, 0);
}

static void end_refused(struct glue *g, enum qdb_refused reason)
{
    struct qdb_rec_up rec;

    log_warn("refused: %s", qdb_refused_text(reason));
    qdb_rec_refused(&rec, reason, 1);
    say_last(&rec);
    end_closed(g, QDB_CLOSED_REFUSED);
}

static int step(void *arg)
{
    struct glue *g = arg;

    return qdb_worker_step(g->worker, io_now_ms());
}

/* A unix server's descriptor changes when it accepts. */
static int follow_vchan(struct glue *g);

/* @param ret_more  there is more to do at once @return 0; 1 ending */
static int turn_vchan(struct glue *g, bool *ret_more)
{
    int err = 0;

    switch (qdb_pump(g->vchan, qdb_worker_link(g->worker), step, g, &err)) {
    case QDB_PUMP_IDLE:
        *ret_more = false;
        return 0;
    case QDB_PUMP_MORE:
        *ret_more = true;
        return 0;
    case QDB_PUMP_CLOSED:
        end_closed(g, QDB_CLOSED_PEER);
        return 1;
    case QDB_PUMP_RING:
        end_refused(g, QDB_REFUSED_RING);
        return 1;
    case QDB_PUMP_CHANNEL:
        log_err("channel: %s", err_text(err));
        end_closed(g, QDB_CLOSED_CHANNEL);
        return 1;
    case QDB_PUMP_REFUSED:
        break;
    }
    if (err == -ENOMEM)
        end_closed(g, QDB_CLOSED_INTERNAL);
    else
        end_refused(g, qdb_worker_reason(err));
    return 1;
}

/* Records for sysqubed, as many as it takes. @return 0; 1 ending */
static int turn_up(struct glue *g)
{
    struct qdb_rec_up rec;

    g->mon_full = false;
    while (qdb_worker_up(g->worker, io_now_ms(), &rec)) {
        int r = privsep_send(PRIVSEP_CHILD_FD, &rec, sizeof(rec));
        if (r == -EAGAIN) {
            g->mon_full = true;
            break;
        }
        if (r < 0) {
            loop_stop(g->loop, 0); /* nobody there to serve */
            return 1;
        }
        qdb_worker_up_done(g->worker);
    }
    unsigned events = LOOP_READ | (g->mon_full ? LOOP_WRITE : 0);
    return loop_io_events(g->mon_io, events) < 0 ? 1 : 0;
}

static void turn(struct glue *g)
{
    bool more = false;

    if (vchan_state(g->vchan) != VCHAN_WAITING && turn_vchan(g, &more) != 0)
        return;
    if (turn_up(g) != 0 || follow_vchan(g) < 0)
        return;
    uint32_t wait = qdb_worker_wait_ms(g->worker, io_now_ms());
    if (wait > 0 && g->mon_full && wait < FULL_MS)
        wait = FULL_MS; /* what waits for sysqubed needs no hurry */
    if (more)
        loop_timer_start(g->again, 0);
    else if (wait > 0)
        loop_timer_start(g->again, wait);
}

static void on_vchan(int fd, unsigned events, void *arg)
{
    struct glue *g = arg;

    (void)fd;
    (void)events;
    int r = vchan_ready(g->vchan);
    if (r < 0) {
        log_err("channel: %s", err_text(r));
        end_closed(g, QDB_CLOSED_CHANNEL);
        return;
    }
    turn(g);
}

static int follow_vchan(struct glue *g)
{
    int fd = vchan_fd(g->vchan);
    unsigned events = vchan_events(g->vchan);

    if (fd == g->vchan_fd)
        return loop_io_events(g->vchan_io, events);
    loop_io_free(g->vchan_io);
    g->vchan_io = NULL;
    g->vchan_fd = fd;
    int r = loop_io_new(g->loop, fd, events, on_vchan, g, &g->vchan_io);
    if (r < 0)
        end_closed(g, QDB_CLOSED_INTERNAL);
    return r;
}

static void on_again(void *arg)
{
    turn(arg);
}

/* One record of sysqubed. @return 0 handled; 1 none, or ending */
static int take_record(struct glue *g)
{
    static struct qdb_rec_down rec;
    int r = privsep_recv(PRIVSEP_CHILD_FD, &rec, sizeof(rec));

    if (r == -EAGAIN)
        return 1;
    if (r == 0)
        r = qdb_rec_down_check(&rec);
    if (r < 0) {
        if (r != -ECONNRESET)
            log_err("record: %s", err_text(r));
        loop_stop(g->loop, r == -ECONNRESET ? 0 : 1);
        return 1;
    }
    r = qdb_worker_down(g->worker, &rec);
    if (r == 0)
        return 0;
    if (r == 1)
        loop_stop(g->loop, 0);
    else if (r == -ENOBUFS)
        end_closed(g, QDB_CLOSED_CHANNEL);
    else
        end_closed(g, QDB_CLOSED_INTERNAL);
    return 1;
}

static void on_monitor(int fd, unsigned events, void *arg)
{
    struct glue *g = arg;

    (void)fd;
    if (events & LOOP_READ)
        for (unsigned i = 0; i < TURN_RECORDS; i++)
            if (take_record(g) != 0)
                break;
    turn(g);
}

static int parse_number(const char *s, uint32_t max, uint32_t *ret)
{
    return parse_u32(text_of(s), 1, max, ret);
}

static int parse_options(int argc, char **argv, struct options *ret)
{
    static const struct option longs[] = {
        {"domid", required_argument, NULL, 'n'},
        {"body", required_argument, NULL, 'b'},
        {"dir", required_argument, NULL, 'd'},
        {"uid", required_argument, NULL, 'u'},
        {"root", required_argument, NULL, 'r'},
        {0},
    };
    const char *body = "";
    int c, r = 0;

    *ret = (struct options){.root = WORKER_ROOT};
    while (r == 0 && (c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (c == 'n')
            r = parse_number(optarg, WORKER_DOMID_MAX, &ret->domid);
        else if (c == 'u')
            r = parse_number(optarg, UINT32_MAX - 1, &ret->uid);
        else if (c == 'd')
            ret->dir = optarg;
        else if (c == 'r')
            ret->root = optarg;
        else if (c == 'b')
            body = optarg;
        else
            r = -EINVAL;
    }
    bool xen = strcmp(body, "xen") == 0;
    if (r < 0 || optind != argc || ret->domid == 0 || ret->uid == 0 ||
        (!xen && strcmp(body, "unix") != 0))
        return -EINVAL;
    ret->body = xen ? VCHAN_XEN : VCHAN_UNIX;
    return 0;
}

static int set_up(struct glue *g, const struct options *o)
{
    const struct vchan_addr addr = {.body = o->body,
                                    .peer = o->domid,
                                    .port = VCHAN_PORT_QUBESDB,
                                    .dir = o->dir,
                                    .self = 0};
    int r = loop_new(&g->loop);

    if (r == 0)
        r = qdb_worker_new(io_now_ms(), &g->worker);
    if (r == 0)
        r = loop_timer_new(g->loop, on_again, g, &g->again);
    if (r == 0)
        r = vchan_server_new(&addr, WORKER_RING, &g->vchan);
    if (r < 0)
        return r;
    g->vchan_fd = vchan_fd(g->vchan);
    r = loop_io_new(g->loop, g->vchan_fd, vchan_events(g->vchan), on_vchan, g,
                    &g->vchan_io);
    if (r == 0)
        r = loop_io_new(g->loop, PRIVSEP_CHILD_FD, LOOP_READ, on_monitor, g,
                        &g->mon_io);
    return r;
}

static int enter_sandbox(const struct options *o)
{
    const struct sandbox s = {
        .uid = o->uid,
        .gid = o->uid,
        .root = o->root,
        .sys =
            SANDBOX_SYS_SOCKET | (o->body == VCHAN_XEN ? SANDBOX_SYS_IOCTL : 0),
        .max_memory = WORKER_MAX_MEMORY,
        .max_files = WORKER_MAX_FILES,
    };

    return sandbox_enter(&s);
}

int main(int argc, char **argv)
{
    static struct glue g;
    static char name[32];
    struct options o;

    log_init("sysqube-qdb", LOG_LEVEL_INFO);
    if (parse_options(argc, argv, &o) < 0) {
        fprintf(stderr, "usage: sysqube-qdb --domid N --body xen|unix "
                        "[--dir DIR] [--root DIR] --uid U\n");
        return 2;
    }
    snprintf(name, sizeof(name), "sysqube-qdb[%u]", o.domid);
    log_init(name, LOG_LEVEL_INFO);
    int r = set_up(&g, &o);
    if (r == 0)
        r = enter_sandbox(&o);
    if (r < 0) {
        log_err("cannot set up: %s", err_text(r));
        return 1;
    }
    /* No clean-up at the end: libxenvchan's close would open xenstore, which
     * the sandbox forbids. exit(2) closes all, the kernel tells the peer,
     * and sysqubed removes the xenstore keys. */
    return loop_run(g.loop);
}
