/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Traffic of two qubes, both families, that goes on while a test changes
 * lists, and the count of what arrived. glue. Each qube sends TCP and UDP to
 * a few ports; at every tick each of these streams sends one packet of a
 * flow that goes on and one of a new flow. Commands on standard input:
 *   probe QUBE PORT   send a few of each kind now, answer how many arrived
 *   report            one line for each stream, then "end"; counts anew
 * End of input ends it. Runs in the router's namespace of scene.py. */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/mem.h"
#include "tests/property/wire.h"

#define QUBES 2
#define TICK_MS 5
#define PROBES 5
#define SETTLE_MS 300
#define OLD_PORT 700     /* source port of the flow that goes on */
#define PROBE_PORT 50000 /* of probes: up to 60000, then again */
#define NEW_PORT 1024    /* of new flows: up to PROBE_PORT */

static const uint16_t PORTS[] = {80, 9, 1000, 2000};
#define STREAMS (QUBES * 2 * 2 * ARRAY_LEN(PORTS))

struct stream {
    unsigned q;
    struct ipaddr src, dst;
    uint8_t proto;
    uint16_t port;
    uint16_t next;          /* source port of the next new flow */
    unsigned sent, got;     /* by ticks */
    unsigned probed, heard; /* by the last probe */
};

struct load {
    struct wire *w;
    uint16_t number;
    uint16_t next_probe;
    struct stream v[STREAMS];
};

static void make_streams(struct load *l)
{
    static const struct ipaddr src[] = {{AF_INET, {10, 137, 0, 5}},
                                        {AF_INET6,
                                         {0xfd, 9, 0x24, 0xef, 0x41, 0x79, 0, 0,
                                          0, 0, 0, 0, 0x0a, 0x89, 0, 5}}};
    static const struct ipaddr dst[] = {
        {AF_INET, {203, 0, 113, 80}},
        {AF_INET6, {0x20, 1, 0x0d, 0xb8, 0, 0x80, [15] = 0x80}}};
    size_t i;

    for (i = 0; i < STREAMS; i++) {
        struct stream *s = &l->v[i];
        unsigned six = i / 2 % 2;
        s->proto = i % 2 ? IPPROTO_UDP : IPPROTO_TCP;
        s->q = (unsigned)(i / 4 % QUBES);
        s->port = PORTS[i / 4 / QUBES];
        s->src = src[six];
        s->dst = dst[six];
        s->src.b[ipaddr_len(&s->src) - 1] = (uint8_t)(5 + s->q);
        s->next = NEW_PORT;
    }
}

static void die(int r, const char *what)
{
    fprintf(stderr, "fwload: %s: %s\n", what, err_text(r));
    exit(2);
}

static void send_one(struct load *l, const struct stream *s, uint16_t sport)
{
    const struct gen_packet k = {
        .src = s->src,
        .facts = {s->dst, s->proto, s->port, 0},
        .sport = sport,
    };
    struct frame f[FRAME_PIECES];
    int r = wire_send(l->w, s->q, f, frame_build(&k, l->number++, f));

    if (r < 0)
        die(r, "send");
}

static void tick(struct load *l)
{
    size_t i;
    int r;

    for (i = 0; i < STREAMS; i++) {
        struct stream *s = &l->v[i];
        send_one(l, s, OLD_PORT);
        send_one(l, s, s->next);
        s->next = s->next + 1 == PROBE_PORT ? NEW_PORT : s->next + 1;
        s->sent += 2;
    }
    r = wire_flush(l->w);
    if (r < 0)
        die(r, "send");
}

/* Whose packet arrived, by source, protocol and destination port. */
static void arrived(const uint8_t *b, size_t len, bool inside, void *arg)
{
    struct load *l = arg;
    struct ipaddr src;
    uint16_t number, sport, port;
    size_t i, at;
    uint8_t proto;

    if (inside || !frame_read(b, len, &src, &number))
        return;
    at = FRAME_ETH + (src.family == AF_INET ? 20 : 40);
    proto = b[FRAME_ETH + (src.family == AF_INET ? 9 : 6)];
    if (len < at + 4)
        return;
    sport = (uint16_t)(b[at] << 8 | b[at + 1]);
    port = (uint16_t)(b[at + 2] << 8 | b[at + 3]);
    for (i = 0; i < STREAMS; i++) {
        struct stream *s = &l->v[i];
        if (s->port != port || s->proto != proto || !ipaddr_eq(&s->src, &src))
            continue;
        if (sport >= PROBE_PORT)
            s->heard++;
        else
            s->got++;
    }
}

static void listen_for(struct load *l, unsigned ms)
{
    uint64_t end = io_now_ms() + ms;
    int r;

    do {
        r = wire_wait(l->w, 10);
        if (r == 0)
            r = wire_read(l->w, arrived, l);
        if (r < 0 && r != -ETIMEDOUT)
            die(r, "read");
    } while (io_now_ms() < end);
}

/* ---- commands ---- */
static void probe(struct load *l, unsigned q, uint16_t port)
{
    unsigned i, n;

    for (i = 0; i < STREAMS; i++) {
        struct stream *s = &l->v[i];
        s->probed = s->heard = 0;
        for (n = 0; n < PROBES && s->q == q && s->port == port; n++) {
            send_one(l, s, l->next_probe);
            l->next_probe =
                l->next_probe == 60000 ? PROBE_PORT : l->next_probe + 1;
            s->probed++;
        }
    }
    wire_flush(l->w);
    listen_for(l, SETTLE_MS / 10);
    for (i = 0; i < STREAMS; i++)
        if (l->v[i].probed > 0)
            printf("%s%c %u ", l->v[i].proto == IPPROTO_TCP ? "tcp" : "udp",
                   l->v[i].src.family == AF_INET ? '4' : '6', l->v[i].heard);
    printf("\n");
}

static void report(struct load *l)
{
    size_t i;

    listen_for(l, SETTLE_MS);
    for (i = 0; i < STREAMS; i++) {
        struct stream *s = &l->v[i];
        printf("%u %s%c %u %u %u\n", s->q,
               s->proto == IPPROTO_TCP ? "tcp" : "udp",
               s->src.family == AF_INET ? '4' : '6', s->port, s->sent, s->got);
        s->sent = s->got = 0;
    }
    printf("end\n");
}

/* @return false at the end of input */
static bool command(struct load *l)
{
    unsigned q, port;
    char line[64];

    if (!fgets(line, sizeof(line), stdin))
        return false;
    if (sscanf(line, "probe %u %u", &q, &port) == 2)
        probe(l, q, (uint16_t)port);
    else if (strcmp(line, "report\n") == 0)
        report(l);
    else
        die(-EBADMSG, line);
    fflush(stdout);
    return true;
}

int main(int argc, char *argv[])
{
    struct load l = {.next_probe = PROBE_PORT};
    struct pollfd in = {.fd = 0, .events = POLLIN};
    int r;

    if (argc != 3) {
        fprintf(stderr, "usage: fwload QUBES-PID FAR-PID\n");
        return 2;
    }
    setvbuf(stdin, NULL, _IONBF, 0);
    make_streams(&l);
    r = wire_new(atoi(argv[1]), atoi(argv[2]), QUBES, &l.w);
    if (r < 0)
        die(r, "wire");
    for (;;) {
        tick(&l);
        r = wire_read(l.w, arrived, &l);
        if (r < 0)
            die(r, "read");
        if (poll(&in, 1, TICK_MS) > 0 && !command(&l))
            break;
    }
    wire_free(l.w);
    return 0;
}
