/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firewall's benchmark, one figure a call: ours (firewallvmd's monitor
 * in this process, from rule text to kernel and flow cut) and theirs (nft
 * and conntrack processes) by turns. glue. One line a round on standard
 * output: OURS THEIRS, in nanoseconds. Runs in the router's namespace of the
 * scene that bench_firewall.py makes. */
#include <getopt.h>
#include <netinet/in.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tests/bench/firewall/nft_text.h"
#include "tests/property/engine.h"
#include "tests/property/flows.h"
#include "tests/property/wire.h"

#define QUBES_MAX 200
#define BURST 2000
#define WARM_UP 200

extern char **environ;

struct bench {
    unsigned qubes, rules, rounds, flows;
    const char *folder; /* for nft's files */
    pid_t pid_qubes, pid_far, pid_fw, pid_qubes2, pid_far2, pid_fw2;
    bool answered;
    struct engine engine;
    struct engine_source v[QUBES_MAX];
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void check(int r, const char *what)
{
    if (r >= 0)
        return;
    fprintf(stderr, "fwbench: %s: %s\n", what, err_text(r));
    exit(2);
}

/* ---- lists: what a person writes, different in each qube and version ---- */
static struct gen_list *make_list(unsigned q, unsigned n, unsigned version)
{
    struct gen_list *l = calloc(1, sizeof(*l));
    unsigned i;

    if (!l)
        exit(2);
    l->policy = FW_DROP;
    l->n = n;
    for (i = 0; i < n; i++) {
        struct fw_match *m = &l->v[i].m;
        unsigned k = i + version * 7;
        m->action = i % 5 == 0 ? FW_DROP : FW_ACCEPT;
        m->dst_kind = FW_DST_NET;
        m->dst = (struct ipnet){{AF_INET, {198, 18}}, 32};
        m->dst.addr.b[2] = (uint8_t)(q + k / 250);
        m->dst.addr.b[3] = (uint8_t)(1 + k % 250);
        m->proto = i % 5 == 4 ? FW_PROTO_UDP : FW_PROTO_TCP;
        m->has_ports = true;
        m->port_first = m->port_last = (uint16_t)(1 + k);
        if (i % 5 == 0)
            m->dst.prefix = 29;
        if (i % 5 == 4)
            m->port_last = (uint16_t)(m->port_first + 100);
    }
    return l;
}

static void make_sources(struct bench *b)
{
    unsigned q;

    for (q = 0; q < b->qubes; q++) {
        b->v[q].addr = (struct ipaddr){AF_INET, {10, 137, 0, 0}};
        b->v[q].addr.b[3] = (uint8_t)(5 + q);
        b->v[q].list = make_list(q, b->rules, 0);
    }
}

/* ---- processes ---- */
static void run(const char *const argv[])
{
    char *const *args = (char *const *)(uintptr_t)argv;
    posix_spawn_file_actions_t io;
    int status = -1;
    pid_t pid;

    posix_spawn_file_actions_init(&io);
    posix_spawn_file_actions_addopen(&io, 1, "/dev/null", 1, 0);
    posix_spawn_file_actions_addopen(&io, 2, "/dev/null", 1, 0);
    if (posix_spawnp(&pid, argv[0], &io, NULL, args, environ) != 0 ||
        waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "fwbench: %s failed: %d\n", argv[0], status);
        exit(2);
    }
    posix_spawn_file_actions_destroy(&io);
}

/* In a namespace where our table is not: nft reads what is there first. */
static uint64_t time_nft(const struct bench *b, const char *file)
{
    const char *const argv[] = {"nft", "-f", file, NULL};
    uint64_t begin, took;

    check(wire_enter(b->pid_fw2), "namespace");
    begin = now_ns();
    run(argv);
    took = now_ns() - begin;
    check(wire_enter(b->pid_fw), "namespace");
    return took;
}

static void told(uint64_t ours, uint64_t theirs)
{
    printf("%llu %llu\n", (unsigned long long)ours, (unsigned long long)theirs);
}

/* ---- figures ---- */
static uint64_t time_start(struct bench *b)
{
    static const struct fw_dns dns = {.addr = {{AF_INET, {10, 139, 1, 1}}},
                                      .n = 1};
    uint64_t begin = now_ns();

    check(b->engine.verbs->start(&b->engine, b->v, b->qubes, &dns), "start");
    return now_ns() - begin;
}

static uint64_t time_apply(struct bench *b, const struct engine_source *s)
{
    uint64_t begin = now_ns();

    check(b->engine.verbs->apply(&b->engine, s), "apply");
    return now_ns() - begin;
}

static const char *file_in(const struct bench *b, const char *name)
{
    char *path;

    if (asprintf(&path, "%s/%s", b->folder, name) < 0)
        exit(2);
    return path;
}

/* Every list at once, the table anew. */
static void load(struct bench *b)
{
    const char *file = file_in(b, "load.nft");
    unsigned i;

    nft_text_table(file, b->v, b->qubes);
    for (i = 0; i < b->rounds; i++) {
        uint64_t ours = time_start(b);
        told(ours, time_nft(b, file));
    }
}

/* One list among the others: two versions of it by turns. */
static void change(struct bench *b)
{
    struct engine_source s[2];
    const char *file[2];
    unsigned i;

    nft_text_table(file_in(b, "load.nft"), b->v, b->qubes);
    time_nft(b, file_in(b, "load.nft"));
    time_start(b);
    for (i = 0; i < 2; i++) {
        s[i] = b->v[b->qubes / 2];
        s[i].list = make_list(b->qubes / 2, b->rules, i + 1);
        file[i] = file_in(b, i ? "change1.nft" : "change0.nft");
        nft_text_chain(file[i], &s[i]);
    }
    for (i = 0; i < b->rounds; i++) {
        uint64_t ours = time_apply(b, &s[i % 2]);
        told(ours, time_nft(b, file[i % 2]));
    }
}

/* ---- live flows ---- */
static void flow_packet(const struct bench *b, unsigned q, unsigned i,
                        struct gen_packet *ret)
{
    *ret = (struct gen_packet){
        .src = b->v[q].addr,
        .facts = {{AF_INET, {203, 0, 113, 80}}, IPPROTO_UDP, 443, 0},
        .sport = (uint16_t)(2000 + i),
    };
}

static void make_flows(struct bench *b, struct wire *w, struct nl *nl)
{
    CLEANUP_FREE struct flow_seen *v = NULL;
    struct frame f[FRAME_PIECES];
    struct gen_packet k;
    unsigned i, n;
    int found;

    for (i = 0; i < b->flows; i++) {
        flow_packet(b, 0, i, &k);
        n = frame_build(&k, (uint16_t)i, f);
        check(wire_send(w, 0, f, n), "send");
    }
    check(wire_flush(w), "send");
    for (i = 0; i < b->flows; i++) {
        flow_packet(b, 0, i, &k);
        frame_answer(&k, (uint16_t)i, f);
        check(wire_send_far(w, f), "answer");
    }
    found = flows_read(nl, &v);
    if (found != (int)b->flows) {
        fprintf(stderr, "fwbench: %d flows of %u live\n", found, b->flows);
        exit(2);
    }
}

static void none_left(struct nl *nl)
{
    CLEANUP_FREE struct flow_seen *v = NULL;
    int n = flows_read(nl, &v);

    if (n != 0) {
        fprintf(stderr, "fwbench: %d flows were not cut\n", n);
        exit(2);
    }
}

static uint64_t time_conntrack(const struct bench *b)
{
    uint64_t begin = now_ns();
    char sport[8], src[IPADDR_TEXT_MAX];
    struct gen_packet k;
    unsigned i;

    for (i = 0; i < b->flows; i++) {
        flow_packet(b, 0, i, &k);
        snprintf(sport, sizeof(sport), "%u", k.sport);
        ipaddr_format(&k.src, src);
        {
            const char *const argv[] = {
                "conntrack",    "-D",  "-s",  src,       "-d",
                "203.0.113.80", "-p",  "udp", "--sport", sport,
                "--dport",      "443", NULL};
            run(argv);
        }
    }
    return now_ns() - begin;
}

static void cut(struct bench *b)
{
    const struct gen_list open = {.policy = FW_ACCEPT};
    const struct gen_list shut = {.policy = FW_DROP};
    struct engine_source s = b->v[0];
    uint64_t ours, theirs;
    struct wire *w;
    struct nl *nl;
    unsigned i;

    check(nl_new(NETLINK_NETFILTER, 0, &nl), "netlink");
    check(wire_new(b->pid_qubes, b->pid_far, 1, &w), "wire");
    wire_deafen(w);
    time_start(b);
    for (i = 0; i < b->rounds; i++) {
        s.list = &open;
        time_apply(b, &s);
        make_flows(b, w, nl);
        theirs = time_conntrack(b);
        none_left(nl);
        make_flows(b, w, nl);
        s.list = &shut;
        ours = time_apply(b, &s);
        none_left(nl);
        told(ours, theirs);
    }
}

/* ---- forwarding: the last qube of many, the only one ---- */
struct lane {
    struct wire *w;
    unsigned q;
    struct frame f[FRAME_PIECES];
    struct ipaddr src;
    unsigned heard;
};

static void count(const uint8_t *data, size_t len, bool inside, void *arg)
{
    struct lane *l = arg;
    struct ipaddr src;
    uint16_t number;

    if (!inside && frame_read(data, len, &src, &number))
        l->heard += ipaddr_eq(&src, &l->src);
}

static uint64_t burst(struct lane *l, unsigned n)
{
    uint64_t begin = now_ns();
    unsigned i;

    for (i = 0; i < n; i++)
        check(wire_send(l->w, l->q, l->f, 1), "send");
    check(wire_flush(l->w), "send");
    return now_ns() - begin;
}

static void open_lane(struct bench *b, struct lane *l, unsigned qubes, pid_t fw,
                      pid_t qubes_pid, pid_t far)
{
    const struct gen_list *keep = b->v[qubes - 1].list;
    const struct gen_list open = {.policy = FW_ACCEPT};
    struct gen_packet k;
    unsigned all = b->qubes;

    check(wire_enter(fw), "namespace");
    check(engine_direct(&b->engine, false), "engine");
    check(wire_new(qubes_pid, far, qubes, &l->w), "wire");
    b->v[qubes - 1].list = &open;
    b->qubes = qubes;
    time_start(b);
    b->qubes = all;
    b->v[qubes - 1].list = keep;
    l->q = qubes - 1;
    l->src = b->v[l->q].addr;
    flow_packet(b, l->q, 0, &k);
    frame_build(&k, 1, l->f);
    burst(l, 1);
    if (b->answered) {
        struct frame back;
        frame_answer(&k, 1, &back);
        check(wire_send_far(l->w, &back), "answer");
    }
    burst(l, WARM_UP);
    check(wire_read(l->w, count, l), "read");
    if (l->heard != WARM_UP + 1) {
        fprintf(stderr, "fwbench: %u of %u passed\n", l->heard, WARM_UP + 1);
        exit(2);
    }
    wire_deafen(l->w);
}

static void forward(struct bench *b)
{
    struct lane one = {0}, many = {0};
    unsigned i;

    open_lane(b, &one, 1, b->pid_fw, b->pid_qubes, b->pid_far);
    open_lane(b, &many, b->qubes, b->pid_fw2, b->pid_qubes2, b->pid_far2);
    for (i = 0; i < b->rounds; i++) {
        uint64_t ours, theirs;
        if (i % 2 == 0) {
            theirs = burst(&one, BURST);
            ours = burst(&many, BURST);
        } else {
            ours = burst(&many, BURST);
            theirs = burst(&one, BURST);
        }
        told(ours / BURST, theirs / BURST);
    }
}

/* ---- glue ---- */
static const struct {
    const char *name;
    void (*run)(struct bench *b);
} FIGURES[] = {
    {"load", load}, {"change", change}, {"cut", cut}, {"forward", forward}};

static bool parse(int argc, char *argv[], struct bench *b)
{
    static const struct option LONG[] = {
        {"qubes", 1, NULL, 'n'},
        {"rules", 1, NULL, 'r'},
        {"rounds", 1, NULL, 'o'},
        {"flows", 1, NULL, 'l'},
        {"folder", 1, NULL, 'd'},
        {"scene", 1, NULL, '1'},
        {"second", 1, NULL, '2'},
        {"answered", 0, NULL, 'a'},
        {0},
    };
    int c, good = 3;

    while ((c = getopt_long(argc, argv, "", LONG, NULL)) != -1) {
        if (c == 'n')
            b->qubes = (unsigned)atoi(optarg);
        else if (c == 'r')
            b->rules = (unsigned)atoi(optarg);
        else if (c == 'o')
            b->rounds = (unsigned)atoi(optarg);
        else if (c == 'l')
            b->flows = (unsigned)atoi(optarg);
        else if (c == 'd')
            b->folder = optarg;
        else if (c == 'a')
            b->answered = true;
        else if (c == '1')
            good = sscanf(optarg, "%d,%d,%d", &b->pid_fw, &b->pid_qubes,
                          &b->pid_far);
        else if (c == '2')
            good = sscanf(optarg, "%d,%d,%d", &b->pid_fw2, &b->pid_qubes2,
                          &b->pid_far2);
        else
            return false;
        if (good != 3)
            return false;
    }
    return optind + 1 == argc && b->qubes > 0 && b->qubes <= QUBES_MAX &&
           b->rules <= FW_RULES_MAX && b->folder;
}

int main(int argc, char *argv[])
{
    struct bench b = {.qubes = 100, .rules = 10, .rounds = 9, .flows = 500};
    cpu_set_t one;
    bool usual;
    size_t i;

    if (!parse(argc, argv, &b)) {
        fprintf(stderr, "usage: fwbench load|change|cut|forward --folder DIR "
                        "[options]\n");
        return 2;
    }
    log_init("fwbench", LOG_LEVEL_ERR);
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
    make_sources(&b);
    /* Many packets a second are no matter of a qube's share here. */
    usual = strcmp(argv[optind], "load") == 0 ||
            strcmp(argv[optind], "change") == 0;
    check(engine_direct(&b.engine, usual), "engine");
    for (i = 0; i < ARRAY_LEN(FIGURES); i++)
        if (strcmp(argv[optind], FIGURES[i].name) == 0)
            FIGURES[i].run(&b);
    return 0;
}
