/* SPDX-License-Identifier: GPL-2.0-or-later */
/* firewallvmd's resolver: the worker's wants to DNS questions, answers to
 * records. glue. Fed by the worker (records, checked) and by DNS servers
 * (hostile). Runs as uid 109 without any capability, in an empty root.
 *
 * It is two processes. The outer one is confined first and then does nothing
 * but start the inner one, again and later each time it ends; it reads no
 * byte of anybody. The inner one has a narrower filter, reads the worker and
 * the network, and says RESOLVER_HELLO first: what an earlier one was asked
 * is lost. So whatever an answer does to it, the worker goes on. c-ares is
 * seeded once, before the sandbox: after a crash its ids begin anew, the
 * ports, which the kernel chooses, do not. */
#include "firewallvm/resolver.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "firewallvm/answer_packet.h"
#include "firewallvm/answer_queue.h"
#include "firewallvm/resolver_ask.h"
#include "firewallvm/resolver_record.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/privsep.h"
#include "lib/sandbox.h"

#define RESOLVER_UID 109
#define RESOLVER_MEMORY (64ull << 20)
#define RESOLVER_SYS (SANDBOX_SYS_SOCKET | SANDBOX_SYS_INET)
#define RECORDS_PER_TURN 64
#define PACKETS_PER_TURN 16
#define SLOTS (RESOLVER_NAMES_MAX * 2)
/* Between two lives of the inner process. */
#define WAIT_FIRST_MS 100u
#define WAIT_MAX_MS 30000u
#define WAIT_RESET_MS 60000u /* a life this long was a good one */

/* A want that waits for its turn, one for each name and family. */
struct slot {
    bool queued; /* is in the queue */
    uint32_t serial;
    char name[FW_NAME_MAX];
};

struct resolver {
    struct loop *loop;
    struct resolver_ask *ask;
    struct answer_waiting waiting;
    size_t head, n_queued;
    uint16_t queue[SLOTS]; /* slots, in the order they came */
    struct slot v[SLOTS];
};

static void end(struct resolver *res, int r)
{
    if (r != -ECONNRESET)
        log_err("ends: %s", err_text(r));
    loop_stop(res->loop, r == -ECONNRESET ? 0 : 1);
}

/* Nothing else is to be done before the worker has read it. */
static int send_answer(const struct resolver_answer *ans)
{
    uint8_t bytes[RESOLVER_ANSWER_BYTES];
    struct pollfd p = {.fd = PRIVSEP_CHILD_FD, .events = POLLOUT};
    int r = resolver_answer_encode(ans, bytes);

    while (r == 0) {
        r = privsep_send(PRIVSEP_CHILD_FD, bytes, sizeof(bytes));
        if (r != -EAGAIN)
            break;
        r = poll(&p, 1, -1) < 0 && errno != EINTR ? err_last() : 0;
    }
    return r == -EPIPE ? -ECONNRESET : r;
}

/* ---- the queue of wants ---- */
static struct slot *slot_of(struct resolver *res, uint32_t id, uint8_t family)
{
    return &res->v[id * 2 + (family == AF_INET6)];
}

static void enqueue(struct resolver *res, struct slot *s)
{
    if (s->queued)
        return;
    s->queued = true;
    res->queue[(res->head + res->n_queued++) % SLOTS] = (uint16_t)(s - res->v);
}

static void pump(struct resolver *res)
{
    while (res->n_queued > 0 && resolver_ask_ready(res->ask)) {
        unsigned at = res->queue[res->head];
        struct slot *s = &res->v[at];
        struct resolver_request req = {
            .type = RESOLVER_WANT,
            .id = at / 2,
            .serial = s->serial,
            .family = at % 2 ? AF_INET6 : AF_INET,
        };

        res->head = (res->head + 1) % SLOTS;
        res->n_queued--;
        s->queued = false;
        memcpy(req.name, s->name, sizeof(req.name));
        resolver_ask_start(res->ask, &req);
    }
}

static void on_room(void *arg)
{
    pump(arg);
}

static void on_done(const struct resolver_answer *ans, void *arg)
{
    struct resolver *res = arg;
    int r = send_answer(ans);

    if (r < 0)
        end(res, r);
}

/* ---- the worker's records ---- */
static int take(struct resolver *res, const struct resolver_request *req)
{
    struct slot *s = slot_of(res, req->id, req->family);

    switch (req->type) {
    case RESOLVER_SERVERS:
        return resolver_ask_servers(res->ask, &req->servers);
    case RESOLVER_WANT:
        resolver_ask_cancel(res->ask, req->id, req->family);
        s->serial = req->serial;
        memcpy(s->name, req->name, sizeof(s->name));
        enqueue(res, s);
        return 0;
    case RESOLVER_HELLO:
    case RESOLVER_ANSWER:
    case RESOLVER_SEEN:
    case RESOLVER_DOWN:
        break;
    }
    return -EBADMSG;
}

static void on_worker(int fd, unsigned events, void *arg)
{
    struct resolver *res = arg;
    uint8_t bytes[RESOLVER_REQUEST_BYTES];
    struct resolver_request req;
    int i, r = 0;

    (void)events;
    for (i = 0; i < RECORDS_PER_TURN && r == 0; i++) {
        r = privsep_recv(fd, bytes, sizeof(bytes));
        if (r == 0)
            r = resolver_request_decode(bytes, &req);
        if (r == 0)
            r = take(res, &req);
    }
    pump(res);
    if (r < 0 && r != -EAGAIN)
        end(res, r);
}

/* ---- answers on their way to a qube ---- */
static void read_waiting(const struct answer_waiting *w,
                         struct resolver_answer *ret)
{
    struct answer_packet packet;
    struct dns_answer dns;

    *ret = (struct resolver_answer){
        .type = RESOLVER_SEEN, .id = w->id, .status = DNS_FAILED};
    if (answer_packet_parse(w->untrusted_packet, w->len, &packet) < 0 ||
        dns_answer_parse(packet.dns, packet.len, &dns) < 0)
        return;
    ret->client = packet.client;
    ret->family = dns.family;
    ret->status = dns.status;
    ret->n = dns.n;
    memcpy(ret->v, dns.v, sizeof(ret->v));
    memcpy(ret->name, dns.name, sizeof(ret->name));
}

static void on_queue(int fd, unsigned events, void *arg)
{
    struct resolver *res = arg;
    struct resolver_answer ans;
    int i, r = 1;

    (void)events;
    for (i = 0; i < PACKETS_PER_TURN && r == 1; i++) {
        r = answer_queue_read(fd, &res->waiting);
        if (r != 1)
            break;
        read_waiting(&res->waiting, &ans);
        r = send_answer(&ans);
        r = r == 0 ? 1 : r;
    }
    if (r < 0 && r != -ENOBUFS)
        end(res, r);
}

/* ---- the inner process ---- */
static int inner(struct resolver_ask *ask, int queue_fd, pid_t parent)
{
    static const struct resolver_answer hello = {.type = RESOLVER_HELLO};
    CLEANUP_FREE struct resolver *res = calloc(1, sizeof(*res));
    struct loop_io *io, *queue_io;
    int r = res ? sandbox_tighten(RESOLVER_SYS, parent) : -ENOMEM;

    if (r == 0)
        r = loop_new(&res->loop);
    if (r == 0) {
        res->ask = ask;
        r = resolver_ask_attach(ask, res->loop, on_done, on_room, res);
    }
    if (r == 0)
        r = loop_io_new(res->loop, PRIVSEP_CHILD_FD, LOOP_READ, on_worker, res,
                        &io);
    if (r == 0 && queue_fd >= 0)
        r = loop_io_new(res->loop, queue_fd, LOOP_READ, on_queue, res,
                        &queue_io);
    if (r == 0)
        r = send_answer(&hello);
    if (r == -ECONNRESET)
        return 0;
    if (r < 0) {
        log_err("set-up: %s", err_text(r));
        return 1;
    }
    return loop_run(res->loop) == 0 ? 0 : 1;
}

/* ---- the outer process ---- */
static void wait_ms(uint32_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000,
                         .tv_nsec = (long)(ms % 1000) * 1000000};

    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

static void log_end(int status, uint32_t ms)
{
    if (WIFSIGNALED(status))
        log_warn("ended by signal %d, again in %u ms", WTERMSIG(status), ms);
    else
        log_warn("ended with %d, again in %u ms", WEXITSTATUS(status), ms);
}

/* No answer is to wait for what is not there. */
static int tell_down(void)
{
    static const struct resolver_answer down = {.type = RESOLVER_DOWN};
    int r = send_answer(&down);

    return r == -ECONNRESET ? 0 : r;
}

/* @return 0 the worker is gone; -errno */
static int keep(struct resolver_ask *ask, int queue_fd)
{
    pid_t parent = getpid();
    uint32_t wait = WAIT_FIRST_MS;

    for (;;) {
        uint64_t born_ms = io_now_ms();
        pid_t pid = fork();
        int status;

        if (pid < 0)
            return err_last();
        if (pid == 0)
            _exit(inner(ask, queue_fd, parent));
        while (waitpid(pid, &status, 0) < 0)
            if (errno != EINTR)
                return err_last();
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            return 0;
        if (io_now_ms() - born_ms >= WAIT_RESET_MS)
            wait = WAIT_FIRST_MS;
        log_end(status, wait);
        if (tell_down() < 0)
            return -EIO;
        wait_ms(wait);
        wait = wait * 2 < WAIT_MAX_MS ? wait * 2 : WAIT_MAX_MS;
    }
}

int resolver_main(void)
{
    static const struct sandbox SANDBOX = {
        .uid = RESOLVER_UID,
        .gid = RESOLVER_UID,
        .root = "/var/empty",
        .sys = RESOLVER_SYS | SANDBOX_SYS_FORK,
        .max_memory = RESOLVER_MEMORY,
        .max_files = 64,
    };
    struct resolver_ask *ask;
    int queue_fd = -1;
    char hello;
    int r = resolver_ask_new(&ask);

    /* The first message brings the queue of answers, if there is one. */
    if (r == 0 && io_recv_fd(PRIVSEP_CHILD_FD, &hello, 1, &queue_fd) != 1)
        r = -EPROTO;
    if (r == 0)
        r = sandbox_enter(&SANDBOX);
    if (r == 0)
        r = keep(ask, queue_fd);
    if (r < 0)
        log_err("%s", err_text(r));
    return r < 0 ? 1 : 0;
}
