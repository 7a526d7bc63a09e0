/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qdbd, the QubesDB daemon of an appliance. glue. Fed by dom0 over a vchan
 * (trusted) and by local processes over two unix sockets (the read-only one
 * is for anybody). spec/qubesdb.md. Decides nothing: qdb_replica and
 * qdb_local do.
 *
 * One connection to dom0 in the life of the process: connecting needs
 * /dev/xen and xenstore, which the sandbox takes away. So when dom0's side
 * goes, qdbd ends with 0, init starts it anew, the local daemons see the end
 * of their connections, open new ones, which are answered when the new copy
 * is complete, and write their status again. Nothing stale can stay behind.
 *
 * Set-up as root (CAP_CHOWN, SETUID, SETGID, SYS_CHROOT, SETPCAP): sockets,
 * /proc/meminfo, the vchan; then uid 100, an empty root, no capability, a
 * system call filter. */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/sandbox.h"
#include "qubesdb/qdb_local.h"
#include "qubesdb/qdb_meminfo.h"
#include "qubesdb/qdb_pump.h"
#include "qubesdb/qdb_replica.h"
#include "vchan/vchan.h"

#define QDBD_UID 100
#define QDBD_GID 100
#define QDBD_RW_GID 98 /* group that may write */
#define QDBD_ROOT "/var/empty"
#define QDBD_RUN "/run/qubes"
#define QDBD_CLIENTS 64u
#define QDBD_RO_CLIENTS 48u
#define QDBD_TURN 16u /* requests of one client per turn */
#define QDBD_MEMORY_MS 10000u
#define QDBD_MEMORY_KEY "/sysqube-status/memory"
#define QDBD_MEMINFO_MAX 4096u
#define QDBD_MAX_MEMORY (64u * 1024 * 1024)
#define RETRY_FIRST_MS 50u
#define RETRY_MAX_MS 2000u

struct qdbd;

struct client {
    struct qdbd *d;
    struct qdb_local *local;
    struct loop_io *io;
    int fd; /* -1: free slot */
};

struct qdbd {
    struct loop *loop;
    struct vchan *vchan;
    struct loop_io *vchan_io;
    struct loop_timer *again; /* a turn was cut short, or changes wait */
    struct loop_timer *memory;
    struct qdb_replica *rep;
    struct loop_io *listen_io[2];
    int listen_fd[2]; /* rw, ro */
    int meminfo_fd;
    bool full_said; /* that all slots are taken: once is enough */
    struct qdb_meminfo reported;
    struct client clients[QDBD_CLIENTS];
};

struct options {
    const char *vchan_dir;
    const char *run_dir;
    gid_t rw_gid;
};

/* ---- local clients ---- */

static void client_end(struct client *c)
{
    loop_io_free(STEAL(c->io));
    qdb_local_free(STEAL(c->local));
    close(STEAL_FD(c->fd));
}

/* Write what there is. @return 0; -errno: drop the client */
static int client_write(struct client *c, bool *ret_full)
{
    *ret_full = false;
    for (;;) {
        size_t len;
        const uint8_t *out = qdb_local_out(c->local, &len);
        if (len == 0)
            return 0;
        ssize_t n = send(c->fd, out, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            *ret_full = true;
            return 0;
        }
        if (n < 0)
            return err_last();
        qdb_local_out_done(c->local, (size_t)n);
    }
}

/* @return 0 nothing there; 1 got some; -errno */
static int client_read(struct client *c)
{
    size_t space;
    uint8_t *to = qdb_local_in(c->local, &space);
    ssize_t n = recv(c->fd, to, space, MSG_DONTWAIT);

    if (n == 0)
        return -ECONNRESET;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : err_last();
    qdb_local_in_done(c->local, (size_t)n);
    return 1;
}

/* A turn of one client. @return 0; -errno: drop it */
static int client_turn(struct client *c)
{
    bool full = false;
    unsigned events = LOOP_READ;

    for (unsigned i = 0; i < QDBD_TURN; i++) {
        int r = qdb_local_step(c->local);
        if (r == 0)
            r = client_read(c);
        if (r == 0)
            break;
        if (r == -EAGAIN) {
            r = client_write(c, &full);
            if (r == 0 && full)
                break;
        }
        if (r < 0)
            return r;
        if (i == QDBD_TURN - 1)
            events |= LOOP_WRITE; /* come back at once */
    }
    int r = client_write(c, &full);
    if (r < 0)
        return r;
    if (qdb_local_broken(c->local))
        return -ENOBUFS;
    if (full)
        events = LOOP_WRITE;
    return loop_io_events(c->io, events);
}

static void dom0_soon(struct qdbd *d)
{
    loop_timer_start(d->again, 0);
}

static void on_client(int fd, unsigned events, void *arg)
{
    struct client *c = arg;
    struct qdbd *d = c->d;

    (void)fd;
    (void)events;
    int r = client_turn(c);
    if (r < 0) {
        if (r != -ECONNRESET && r != -EPIPE)
            log_warn("local client dropped: %s", err_text(r));
        client_end(c);
    }
    /* It may have written something for dom0. */
    if (qdb_store_head(qdb_replica_store(d->rep), QDB_LINK_QUEUE))
        dom0_soon(d);
}

/* Anybody may connect to the read-only socket: some slots are not for it. */
static struct client *free_client(struct qdbd *d, bool readonly)
{
    size_t n = readonly ? QDBD_RO_CLIENTS : QDBD_CLIENTS;

    for (size_t i = 0; i < n; i++)
        if (d->clients[i].fd < 0)
            return &d->clients[i];
    return NULL;
}

static int client_new(struct qdbd *d, struct client *c, int fd, bool readonly)
{
    int r = qdb_local_new(d->rep, readonly, &c->local);

    c->d = d;
    if (r == 0)
        r = loop_io_new(d->loop, fd, LOOP_READ, on_client, c, &c->io);
    if (r < 0)
        qdb_local_free(STEAL(c->local));
    else
        c->fd = fd;
    return r;
}

static void on_listen(int fd, unsigned events, void *arg)
{
    struct qdbd *d = arg;
    bool readonly = fd == d->listen_fd[1];
    struct client *c = free_client(d, readonly);
    CLEANUP_FD int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (conn < 0)
        return;
    if (!c) {
        if (!d->full_said)
            log_warn("too many local clients");
        d->full_said = true;
        return;
    }
    d->full_said = false;
    int r = client_new(d, c, conn, readonly);
    if (r < 0)
        log_warn("local client refused: %s", err_text(r));
    else
        (void)STEAL_FD(conn);
}

/* Called for each key that changed. The events lie in the clients' buffers
 * until their turn. */
static void on_changed(const char *path, void *arg)
{
    struct qdbd *d = arg;

    for (size_t i = 0; i < QDBD_CLIENTS; i++) {
        struct client *c = &d->clients[i];
        if (c->fd < 0)
            continue;
        qdb_local_changed(c->local, path);
        size_t len;
        qdb_local_out(c->local, &len);
        if (len > 0 || qdb_local_broken(c->local))
            loop_io_events(c->io, LOOP_READ | LOOP_WRITE);
    }
}

/* ---- memory status ---- */

static int meminfo_read(int fd, struct qdb_meminfo *ret)
{
    char text[QDBD_MEMINFO_MAX];

    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_last();
    ssize_t n = read(fd, text, sizeof(text));
    if (n < 0)
        return err_last();
    return qdb_meminfo_parse(text, (size_t)n, ret);
}

static void on_memory(void *arg)
{
    struct qdbd *d = arg;
    struct qdb_meminfo now;
    char text[64];

    loop_timer_start(d->memory, QDBD_MEMORY_MS);
    if (meminfo_read(d->meminfo_fd, &now) < 0 ||
        !qdb_meminfo_differs(&d->reported, &now))
        return;
    int n = snprintf(text, sizeof(text), "%llu %llu",
                     (unsigned long long)now.used_kib,
                     (unsigned long long)now.total_kib);
    if (qdb_replica_write(d->rep, QDBD_MEMORY_KEY, text, (size_t)n) < 0)
        return;
    d->reported = now;
    dom0_soon(d);
}

/* ---- dom0 ---- */

/* The copy is there: from now on local clients are answered. */
static void open_doors(struct qdbd *d)
{
    for (size_t i = 0; i < 2; i++) {
        if (d->listen_io[i])
            return;
        int r = loop_io_new(d->loop, d->listen_fd[i], LOOP_READ, on_listen, d,
                            &d->listen_io[i]);
        if (r < 0) {
            log_err("cannot listen: %s", err_text(r));
            loop_stop(d->loop, 1);
            return;
        }
    }
    log_info("copy complete, %u keys",
             qdb_store_count(qdb_replica_store(d->rep), QDB_OWNER_DOM0));
    on_memory(d);
}

static int step(void *arg)
{
    return qdb_link_step(arg);
}

static void dom0_turn(struct qdbd *d)
{
    struct qdb_link *l = qdb_replica_link(d->rep);
    bool had = qdb_replica_synced(d->rep);
    int err = 0;

    switch (qdb_pump(d->vchan, l, step, l, &err)) {
    case QDB_PUMP_IDLE:
        break;
    case QDB_PUMP_MORE:
        dom0_soon(d);
        break;
    case QDB_PUMP_CLOSED:
        log_info("dom0's side has gone, ending to start anew");
        loop_stop(d->loop, 0);
        return;
    case QDB_PUMP_RING:
    case QDB_PUMP_CHANNEL:
    case QDB_PUMP_REFUSED:
        log_err("conversation with dom0 failed: %s", err_text(err));
        loop_stop(d->loop, 1);
        return;
    }
    loop_io_events(d->vchan_io, vchan_events(d->vchan));
    if (!had && qdb_replica_synced(d->rep))
        open_doors(d);
}

static void on_vchan(int fd, unsigned events, void *arg)
{
    struct qdbd *d = arg;

    (void)fd;
    (void)events;
    int r = vchan_ready(d->vchan);
    if (r < 0) {
        log_err("vchan: %s", err_text(r));
        loop_stop(d->loop, 1);
        return;
    }
    dom0_turn(d);
}

static void on_again(void *arg)
{
    dom0_turn(arg);
}

static void on_term(int signo, void *arg)
{
    struct qdbd *d = arg;

    (void)signo;
    loop_stop(d->loop, 0);
}

/* ---- set-up ---- */

static int open_socket(const struct options *o, const char *name, mode_t mode,
                       gid_t gid)
{
    char path[108];

    if (snprintf(path, sizeof(path), "%s/%s", o->run_dir, name) >=
        (int)sizeof(path))
        return -ENAMETOOLONG;
    CLEANUP_FD int fd = io_unix_listen(path, mode);
    if (fd < 0)
        return fd;
    if (chown(path, (uid_t)-1, gid) != 0)
        return err_last();
    return STEAL_FD(fd);
}

static int open_files(struct qdbd *d, const struct options *o)
{
    int r = io_mkdirs(o->run_dir, 0755);

    if (r < 0)
        return r;
    d->meminfo_fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    if (d->meminfo_fd < 0)
        return err_last();
    d->listen_fd[0] = open_socket(o, "qubesdb.sock", 0660, o->rw_gid);
    if (d->listen_fd[0] < 0)
        return d->listen_fd[0];
    d->listen_fd[1] = open_socket(o, "qubesdb.ro.sock", 0666, (gid_t)-1);
    return d->listen_fd[1] < 0 ? d->listen_fd[1] : 0;
}

/* Nothing else can go on before dom0 is there, so this waits. */
static int connect_dom0(struct qdbd *d, const struct options *o)
{
    struct vchan_addr addr = {.body = vchan_body_from_env(),
                              .peer = 0,
                              .port = VCHAN_PORT_QUBESDB,
                              .dir = o->vchan_dir};
    unsigned wait_ms = RETRY_FIRST_MS;

    for (;;) {
        int r = vchan_client_new(&addr, &d->vchan);
        if (r != -EAGAIN)
            return r;
        usleep(wait_ms * 1000);
        wait_ms = wait_ms * 2 < RETRY_MAX_MS ? wait_ms * 2 : RETRY_MAX_MS;
    }
}

static int enter_sandbox(void)
{
    const struct sandbox s = {
        .uid = QDBD_UID,
        .gid = QDBD_GID,
        .root = QDBD_ROOT,
        .sys = SANDBOX_SYS_SOCKET | SANDBOX_SYS_IOCTL,
        .max_memory = QDBD_MAX_MEMORY,
        .max_files = QDBD_CLIENTS + 32,
    };

    return sandbox_enter(&s);
}

static int set_up_loop(struct qdbd *d, struct loop_sig **ret_sig)
{
    int r = loop_new(&d->loop);

    if (r == 0)
        r = qdb_replica_new(on_changed, d, &d->rep);
    if (r == 0)
        r = loop_timer_new(d->loop, on_again, d, &d->again);
    if (r == 0)
        r = loop_timer_new(d->loop, on_memory, d, &d->memory);
    if (r == 0)
        r = loop_sig_new(d->loop, SIGTERM, on_term, d, ret_sig);
    if (r == 0)
        r = loop_io_new(d->loop, vchan_fd(d->vchan), vchan_events(d->vchan),
                        on_vchan, d, &d->vchan_io);
    return r;
}

static int parse_options(int argc, char **argv, struct options *ret)
{
    static const struct option longs[] = {
        {"vchan-dir", required_argument, NULL, 'v'},
        {"run-dir", required_argument, NULL, 'r'},
        {0},
    };
    int c;

    *ret = (struct options){.run_dir = QDBD_RUN, .rw_gid = QDBD_RW_GID};
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (c == 'v')
            ret->vchan_dir = optarg;
        else if (c == 'r')
            ret->run_dir = optarg;
        else
            return -EINVAL;
    }
    return optind == argc ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
    static struct qdbd d;
    struct loop_sig *term = NULL;
    struct options o;

    log_init("qdbd", LOG_LEVEL_INFO);
    if (parse_options(argc, argv, &o) < 0) {
        fprintf(stderr, "usage: qdbd [--vchan-dir DIR] [--run-dir DIR]\n");
        return 2;
    }
    for (size_t i = 0; i < QDBD_CLIENTS; i++)
        d.clients[i].fd = -1;
    int r = open_files(&d, &o);
    if (r < 0) {
        log_err("cannot set up %s: %s", o.run_dir, err_text(r));
        return 1;
    }
    r = connect_dom0(&d, &o);
    if (r < 0) {
        log_err("cannot connect to dom0: %s", err_text(r));
        return 1;
    }
    r = set_up_loop(&d, &term);
    if (r == 0)
        r = enter_sandbox();
    if (r < 0) {
        log_err("cannot set up: %s", err_text(r));
        return 1;
    }
    dom0_soon(&d); /* the request for the copy waits to be written */
    /* No clean-up at the end: exit(2) closes all, and tells the peer. */
    return loop_run(d.loop);
}
