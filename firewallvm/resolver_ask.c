/* SPDX-License-Identifier: GPL-2.0-or-later */
/* c-ares behind resolver_ask.h. effect. Fed by DNS servers (hostile). Knows
 * no queue: resolver.c does. */
#include "firewallvm/resolver_ask.h"

#include <ares.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mem.h"

#define CLASS_IN 1
#define TYPE_A 1
#define TYPE_AAAA 28
#define CHANNEL_FDS (2 * FW_DNS_MAX) /* UDP and TCP to each server */

struct channel {
    struct resolver_ask *a;
    ares_channel ares;
    bool busy, cancelled;
    struct resolver_request req;
    uint64_t deadline_ms;
    struct loop_timer *timer;
    struct {
        int fd;
        struct loop_io *io; /* NULL: free */
    } fds[CHANNEL_FDS];
};

struct resolver_ask {
    struct loop *loop;
    resolver_done_fn done;
    resolver_room_fn room;
    void *arg;
    unsigned servers;
    struct channel v[RESOLVER_CHANNELS];
};

/* ---- the loop's side of a channel ---- */
static void arm(struct channel *c)
{
    uint64_t now_ms = io_now_ms(), wait_ms;
    struct timeval tv, *next;

    if (!c->busy) {
        loop_timer_stop(c->timer);
        return;
    }
    wait_ms = c->deadline_ms > now_ms ? c->deadline_ms - now_ms : 0;
    next = ares_timeout(c->ares, NULL, &tv);
    if (next) {
        uint64_t t =
            (uint64_t)next->tv_sec * 1000 + (uint64_t)next->tv_usec / 1000 + 1;

        wait_ms = t < wait_ms ? t : wait_ms;
    }
    loop_timer_start(c->timer, (uint32_t)wait_ms);
}

static void process(struct channel *c, ares_socket_t in, ares_socket_t out)
{
    ares_process_fd(c->ares, in, out);
    /* However slowly the bytes of an answer drip in. */
    if (c->busy && io_now_ms() >= c->deadline_ms)
        ares_cancel(c->ares); /* on_answer() says that it failed */
    arm(c);
    if (!c->busy)
        c->a->room(c->a->arg);
}

static void on_timer(void *arg)
{
    process(arg, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void on_fd(int fd, unsigned events, void *arg)
{
    process(arg, events & LOOP_READ ? fd : ARES_SOCKET_BAD,
            events & LOOP_WRITE ? fd : ARES_SOCKET_BAD);
}

static void on_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    unsigned events = (readable ? LOOP_READ : 0) | (writable ? LOOP_WRITE : 0);
    struct channel *c = arg;
    int at = -1, i;

    for (i = 0; i < CHANNEL_FDS; i++) {
        if (c->fds[i].io && c->fds[i].fd == fd) {
            at = i;
            break;
        }
        if (!c->fds[i].io && at < 0)
            at = i;
    }
    if (at < 0)
        return; /* never: c-ares has no more; the deadline would end it */
    if (!c->fds[at].io && events) {
        c->fds[at].fd = fd;
        if (loop_io_new(c->a->loop, fd, events, on_fd, c, &c->fds[at].io) < 0)
            c->fds[at].io = NULL;
    } else if (events) {
        loop_io_events(c->fds[at].io, events);
    } else if (c->fds[at].io) {
        loop_io_free(c->fds[at].io);
        c->fds[at].io = NULL;
    }
}

/* ---- set-up ---- */
/* Everything is given, so that c-ares looks into no file. */
static int new_channel(struct resolver_ask *a, struct channel *c)
{
    char lookups[] = "b", domain[] = "invalid";
    char *domains[] = {domain};
    struct in_addr none = {.s_addr = htonl(INADDR_LOOPBACK)};
    struct ares_options o = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
        .timeout = RESOLVER_TRY_MS,
        .tries = RESOLVER_TRIES,
        .ndots = 1,
        .servers = &none,
        .nservers = 1,
        .domains = domains,
        .ndomains = 1,
        .lookups = lookups,
        .sock_state_cb = on_state,
        .sock_state_cb_data = c,
        .ednspsz = RESOLVER_UDP_BYTES,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
               ARES_OPT_NDOTS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS |
               ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST | ARES_OPT_SOCK_STATE_CB |
               ARES_OPT_EDNSPSZ | ARES_OPT_ROTATE;
    int r = ares_init_options(&c->ares, &o, mask);

    c->a = a;
    if (r == ARES_ENOMEM)
        return -ENOMEM;
    return r == ARES_SUCCESS ? 0 : -EIO;
}

int resolver_ask_new(struct resolver_ask **ret)
{
    struct resolver_ask *a;
    int i, r = 0;

    /* Without it c-ares would quietly take a guessable seed. */
    if (access("/dev/urandom", R_OK) != 0)
        return -ENOENT;
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        return -EIO;
    a = calloc(1, sizeof(*a));
    if (!a)
        return -ENOMEM;
    for (i = 0; i < RESOLVER_CHANNELS && r == 0; i++)
        r = new_channel(a, &a->v[i]);
    if (r < 0) {
        while (--i > 0)
            ares_destroy(a->v[i - 1].ares);
        free(a);
        return r;
    }
    *ret = a;
    return 0;
}

int resolver_ask_attach(struct resolver_ask *a, struct loop *loop,
                        resolver_done_fn done, resolver_room_fn room, void *arg)
{
    int i, r = 0;

    a->loop = loop;
    a->done = done;
    a->room = room;
    a->arg = arg;
    for (i = 0; i < RESOLVER_CHANNELS && r == 0; i++)
        r = loop_timer_new(loop, on_timer, &a->v[i], &a->v[i].timer);
    return r;
}

static void cancel(struct channel *c)
{
    if (!c->busy)
        return;
    c->cancelled = true;
    ares_cancel(c->ares);
    arm(c);
}

static void to_node(const struct ipaddr *a, struct ares_addr_port_node *ret)
{
    *ret = (struct ares_addr_port_node){.family = a->family};
    if (a->family == AF_INET6)
        memcpy(&ret->addr.addr6, a->b, sizeof(ret->addr.addr6));
    else
        memcpy(&ret->addr.addr4, a->b, sizeof(ret->addr.addr4));
}

int resolver_ask_servers(struct resolver_ask *a, const struct fw_dns *servers)
{
    struct ares_addr_port_node v[FW_DNS_MAX];
    unsigned i;
    int r = 0;

    for (i = 0; i < servers->n; i++)
        to_node(&servers->addr[i], &v[i]);
    for (i = 1; i < servers->n; i++)
        v[i - 1].next = &v[i];
    a->servers = 0;
    for (i = 0; i < RESOLVER_CHANNELS; i++) {
        cancel(&a->v[i]);
        if (servers->n > 0 &&
            ares_set_servers_ports(a->v[i].ares, v) != ARES_SUCCESS)
            r = -EIO;
    }
    if (r == 0)
        a->servers = servers->n;
    return r;
}

/* ---- questions ---- */
static bool is_same_name(const char *a, const char *b)
{
    size_t n = strlen(a), k = strlen(b);

    n -= n > 0 && a[n - 1] == '.';
    k -= k > 0 && b[k - 1] == '.';
    return n == k && memcmp(a, b, n) == 0;
}

static void read_answer(const struct resolver_request *req,
                        const uint8_t *untrusted, size_t len,
                        struct resolver_answer *ret)
{
    struct dns_answer got;

    if (dns_answer_parse(untrusted, len, &got) < 0 ||
        got.family != req->family || !is_same_name(got.name, req->name))
        return;
    ret->status = got.status;
    ret->n = got.n;
    memcpy(ret->v, got.v, sizeof(ret->v));
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *abuf,
                      int alen)
{
    struct channel *c = arg;
    struct resolver_answer ans = {
        .type = RESOLVER_ANSWER,
        .id = c->req.id,
        .serial = c->req.serial,
        .family = c->req.family,
        .status = DNS_FAILED,
    };

    (void)timeouts;
    c->busy = false;
    if (c->cancelled)
        return;
    if (abuf && alen > 0 &&
        (status == ARES_SUCCESS || status == ARES_ENODATA ||
         status == ARES_ENOTFOUND))
        read_answer(&c->req, abuf, (size_t)alen, &ans);
    c->a->done(&ans, c->a->arg);
}

static struct channel *free_channel(const struct resolver_ask *a)
{
    int i;

    for (i = 0; i < RESOLVER_CHANNELS; i++)
        if (!a->v[i].busy)
            return (struct channel *)(uintptr_t)&a->v[i];
    return NULL;
}

bool resolver_ask_ready(const struct resolver_ask *a)
{
    return free_channel(a) != NULL;
}

void resolver_ask_start(struct resolver_ask *a,
                        const struct resolver_request *req)
{
    struct channel *c = free_channel(a);

    if (!c)
        return;
    c->req = *req;
    c->busy = true;
    c->cancelled = false;
    c->deadline_ms = io_now_ms() + RESOLVER_DEADLINE_MS;
    if (a->servers == 0) {
        on_answer(c, ARES_ECONNREFUSED, 0, NULL, 0);
        return;
    }
    ares_query(c->ares, req->name, CLASS_IN,
               req->family == AF_INET ? TYPE_A : TYPE_AAAA, on_answer, c);
    arm(c);
}

void resolver_ask_cancel(struct resolver_ask *a, uint32_t id, uint8_t family)
{
    int i;

    for (i = 0; i < RESOLVER_CHANNELS; i++) {
        struct channel *c = &a->v[i];

        if (c->busy && c->req.id == id && c->req.family == family)
            cancel(c);
    }
}
