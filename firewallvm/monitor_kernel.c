/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nftables transactions and the flow cut behind struct monitor_ops. effect.
 * Fed by monitor.c with checked state. Logs what the kernel refused. */
#include "firewallvm/monitor_kernel.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "firewallvm/answer_compile.h"
#include "firewallvm/answer_queue.h"
#include "firewallvm/flow_judge.h"
#include "firewallvm/monitor_count.h"
#include "firewallvm/name_compile.h"
#include "firewallvm/rule_compile.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/nft.h"
#include "lib/nft_read.h"
#include "lib/privsep.h"

#define ANSWER_TIMEOUT_MS 5000
#define QUEUE_WAIT_MS 1000
#define IDS_AHEAD 0x3fffffffu /* of the queue, which counts up */

struct monitor_kernel {
    struct nl *nl;
    int worker_fd;
    bool offload; /* the kernel has flowtables */
    struct monitor_count *count;
    int queue_fd; /* of answers that wait, or -1 */
    enum nft_queue_way way;
    uint32_t last_passed;
};

static int commit(struct monitor_kernel *k, struct nft *b, const char *what)
{
    unsigned msg = 0;
    int r = nft_commit(b, k->nl, &msg);

    if (r < 0)
        log_warn("%s: message %u refused: %s", what, msg, err_text(r));
    nft_free(b);
    return r;
}

static int guard(struct monitor_kernel *k)
{
    struct nft *b;
    int r = nft_new(FW_TABLE, &b);

    if (r < 0)
        return r;
    compile_guard(b);
    return commit(k, b, "guard");
}

/* A kernel may be without flowtables: one is made and undone. */
static void probe_offload(struct monitor_kernel *k)
{
    struct nft *b;

    if (nft_new(FW_TABLE "-probe", &b) < 0)
        return;
    nft_table_reset(b);
    nft_flowtable_add(b, "probe");
    nft_chain_add(b, "probe");
    struct nft_rule *r = nft_rule_begin(b, "probe");
    nft_flow_add(r, "probe");
    nft_rule_end(b, r);
    nft_table_drop(b);
    k->offload = nft_commit(b, k->nl, NULL) == 0;
    if (!k->offload)
        log_info("this kernel has no flowtables: flows are not offloaded");
    nft_free(b);
}

/* Which way packets get into the queue: a rule is made and undone. */
static bool can_queue(struct monitor_kernel *k, enum nft_queue_way way)
{
    struct nft_rule *r;
    struct nft *b;
    bool ok;

    if (nft_new(FW_TABLE "-probe", &b) < 0)
        return false;
    nft_table_reset(b);
    nft_base_chain(b, "probe", "filter", NFT_HOOK_FORWARD, 0, false);
    r = nft_rule_begin(b, "probe");
    nft_match_iifname(r, "lo", false);
    nft_queue(r, ANSWER_QUEUE, way);
    nft_rule_end(b, r);
    nft_table_drop(b);
    ok = nft_commit(b, k->nl, NULL) == 0;
    nft_free(b);
    return ok;
}

/* The resolver of an earlier run may just be ending and holds the queue. */
static int open_queue(struct monitor_kernel *k)
{
    const uint64_t end_ms = io_now_ms() + QUEUE_WAIT_MS;
    int r;

    while ((r = answer_queue_open(&k->queue_fd)) == -EPERM &&
           io_now_ms() < end_ms)
        poll(NULL, 0, 10);
    return r;
}

static void probe_queue(struct monitor_kernel *k)
{
    if (open_queue(k) == 0) {
        if (can_queue(k, NFT_QUEUE_OWN))
            k->way = NFT_QUEUE_OWN;
        else if (can_queue(k, NFT_QUEUE_XT))
            k->way = NFT_QUEUE_XT;
    }
    if (k->way == NFT_QUEUE_NONE)
        log_info("this kernel has no packet queues: names with * open nothing");
}

int monitor_kernel_new(struct monitor_kernel **ret)
{
    struct monitor_kernel *k = calloc(1, sizeof(*k));
    int r = k ? nl_new(NETLINK_NETFILTER, 0, &k->nl) : -ENOMEM;

    if (r == 0)
        k->worker_fd = k->queue_fd = -1;
    if (r == 0)
        r = monitor_count_new(&k->count);
    if (r == 0)
        r = guard(k);
    if (r < 0) {
        monitor_kernel_free(k);
        return r;
    }
    probe_offload(k);
    probe_queue(k);
    *ret = k;
    return 0;
}

void monitor_kernel_free(struct monitor_kernel *k)
{
    if (!k)
        return;
    monitor_count_free(k->count);
    nl_free(k->nl);
    if (k->queue_fd >= 0)
        close(k->queue_fd);
    free(k);
}

uint32_t monitor_kernel_portid(const struct monitor_kernel *k)
{
    return nl_portid(k->nl);
}

void monitor_kernel_worker(struct monitor_kernel *k, int fd)
{
    k->worker_fd = fd;
}

int monitor_kernel_queue(const struct monitor_kernel *k)
{
    return k->way == NFT_QUEUE_NONE ? -1 : k->queue_fd;
}

/* ---- the flowtable ---- */
/* @return 0, or what the kernel says */
static int tell_devices(struct monitor_kernel *k, const char *const *names,
                        bool del)
{
    struct nft *b;
    int r = nft_new(FW_TABLE, &b);

    if (r < 0)
        return r;
    compile_devices(b, names, del);
    r = nft_commit(b, k->nl, NULL);
    nft_free(b);
    return r;
}

static void tell_device(struct monitor_kernel *k, const char *name, bool del)
{
    const char *names[2] = {name, NULL};
    int r = tell_devices(k, names, del);

    if (r < 0)
        log_debug("%s: flowtable: %s", name, err_text(r));
}

/* Together if that works; a device that has just gone must not hinder the
 * others. */
static void join_all(struct monitor_kernel *k, const struct fw_state *st)
{
    const char *names[NFT_DEVICES_MAX + 1];
    size_t i, n, at;

    for (at = 0; at < st->n_devices; at += n) {
        for (n = 0; n < NFT_DEVICES_MAX && at + n < st->n_devices; n++)
            names[n] = st->device[at + n];
        names[n] = NULL;
        if (tell_devices(k, names, false) == 0)
            continue;
        for (i = 0; i < n; i++)
            tell_device(k, names[i], false);
    }
}

/* @param r  result of the flow cut, @p cut flows. The kernel's flowtable
 * passes no packet of a flow that was deleted. */
static int after_cut(const char *what, int r, unsigned cut)
{
    if (r < 0)
        log_warn("%s: flows not cut: %s", what, err_text(r));
    else if (cut > 0)
        log_info("%s: %u flows ended", what, cut);
    return r;
}

/* ---- struct monitor_ops ---- */
/* How much of its quota a source has used is in the table that goes. */
struct quotas {
    struct fw_state *st;
    uint8_t family;
};

static int take_quota(const struct nft_seen *seen, void *arg)
{
    const struct quotas *q = arg;
    struct ipaddr addr = {.family = q->family};
    size_t i;

    if (seen->key_len != ipaddr_len(&addr))
        return -EBADMSG;
    memcpy(addr.b, seen->key, seen->key_len);
    for (i = 0; i < q->st->n; i++)
        if (ipaddr_eq(&q->st->v[i].addr, &addr))
            q->st->v[i].quota_used = seen->used;
    return 0;
}

static void recall_quotas(struct monitor_kernel *k, struct fw_state *st)
{
    static const uint8_t families[] = {AF_INET, AF_INET6};
    char name[FW_SET_NAME_MAX];
    size_t i;

    for (i = 0; i < ARRAY_LEN(families); i++) {
        struct quotas q = {.st = st, .family = families[i]};
        int r = nft_read_elems(
            k->nl, FW_TABLE, compile_set_name(FW_SET_QUOTA, families[i], name),
            take_quota, &q);

        if (r < 0 && r != -ENOENT)
            log_warn("quotas not read: %s", err_text(r));
    }
}

static int kernel_start(void *arg, struct fw_state *st)
{
    struct monitor_kernel *k = arg;
    unsigned cut = 0;
    struct nft *b;
    int r = nft_new(FW_TABLE, &b);

    if (r < 0)
        return r;
    recall_quotas(k, st);
    compile_base(b, st, k->offload);
    compile_answers(b, st, 0, k->way);
    compile_names_missing(b, st->sets, io_now_ms());
    r = compile_sources(b, st->v, st->n);
    if (r < 0) {
        nft_free(b);
        return r;
    }
    r = commit(k, b, "start");
    if (r < 0)
        return r;
    if (k->offload)
        join_all(k, st);
    r = flow_judge_all(k->nl, st, &cut);
    return after_cut("start", r, cut);
}

static int kernel_apply(void *arg, const struct fw_state *st,
                        struct fw_source *s, const struct fw_source *old)
{
    struct monitor_kernel *k = arg;
    char name[FW_CHAIN_MAX];
    unsigned cut = 0;
    struct nft *b;
    int r = nft_new(FW_TABLE, &b);

    if (r < 0)
        return r;
    compile_chain_name('q', &s->addr, name);
    compile_names_missing(b, st->sets, io_now_ms());
    r = compile_source(b, s, old);
    compile_names_needless(b, st->sets);
    if (r < 0) {
        nft_free(b);
        return r;
    }
    r = commit(k, b, name);
    if (r < 0)
        return r;
    s->placed = true;
    /* No flow of a source without a list is tracked, but to its address. */
    r = old ? flow_judge_source(k->nl, st, s, &cut)
            : flow_judge_new(k->nl, st, &s->addr, &cut);
    return after_cut(name, r, cut);
}

static void remove_traces(struct monitor_kernel *k, const struct ipaddr *addr)
{
    struct nft *b;
    unsigned i;

    for (i = 0; i < FW_TRACES; i++) {
        if (nft_new(FW_TABLE, &b) < 0)
            return;
        compile_trace_del(b, addr, i);
        nft_commit(b, k->nl, NULL); /* -ENOENT: it has gone by itself */
        nft_free(b);
    }
}

static int kernel_remove(void *arg, const struct fw_state *st,
                         const struct fw_source *s)
{
    struct monitor_kernel *k = arg;
    char name[FW_CHAIN_MAX];
    unsigned cut = 0;
    struct nft *b;
    int r = nft_new(FW_TABLE, &b);

    if (r < 0)
        return r;
    compile_chain_name('q', &s->addr, name);
    compile_source_del(b, s);
    compile_names_needless(b, st->sets);
    r = commit(k, b, name);
    if (r < 0)
        return r;
    r = flow_judge_gone(k->nl, &s->addr, &cut);
    remove_traces(k, &s->addr);
    return after_cut(name, r, cut);
}

static int kernel_dns(void *arg, const struct fw_dns *dns)
{
    struct monitor_kernel *k = arg;
    struct nft *b;
    int r = nft_new(FW_TABLE, &b);

    if (r < 0)
        return r;
    compile_dns(b, dns);
    return commit(k, b, "resolvers");
}

static int kernel_paths(void *arg, const struct fw_state *st,
                        enum fw_path_kind kind)
{
    const char *what = kind == FW_PATH_EDGE ? "edges" : "inbound";
    struct monitor_kernel *k = arg;
    unsigned cut = 0;
    struct nft *b;
    int r = nft_new(FW_TABLE, &b);

    if (r < 0)
        return r;
    compile_paths(b, kind, st->path[kind], st->n_path[kind]);
    r = commit(k, b, what);
    if (r < 0)
        return r;
    r = flow_judge_paths(k->nl, st, &cut);
    return after_cut(what, r, cut);
}

static int kernel_set(void *arg, const struct fw_state *st, unsigned set,
                      bool lost)
{
    struct monitor_kernel *k = arg;
    char name[FW_SET_NAME_MAX];
    unsigned cut = 0;
    struct nft *b;
    int r = nft_new(FW_TABLE, &b);

    if (r < 0)
        return r;
    compile_name_again(b, st->sets, set, io_now_ms());
    r = commit(k, b, compile_name_set(set, name));
    if (r < 0 || !lost)
        return r;
    r = flow_judge_set(k->nl, st, set, &cut);
    return after_cut(name, r, cut);
}

static int kernel_watch(void *arg, const struct fw_state *st, size_t had)
{
    struct monitor_kernel *k = arg;
    struct nft *b;
    int r = nft_new(FW_TABLE, &b);

    if (r < 0)
        return r;
    compile_answers(b, st, had, k->way);
    return commit(k, b, "answers");
}

static int kernel_pass(void *arg, uint32_t id, bool all)
{
    struct monitor_kernel *k = arg;

    if (k->way == NFT_QUEUE_NONE)
        return 0;
    if (all)
        return answer_queue_pass_all(k->queue_fd, k->last_passed + IDS_AHEAD);
    k->last_passed = id;
    return answer_queue_pass(k->queue_fd, id);
}

static uint64_t kernel_now_ms(void *arg)
{
    (void)arg;
    return io_now_ms();
}

static int kernel_device(void *arg, const char *name, bool there)
{
    struct monitor_kernel *k = arg;

    if (k->offload)
        tell_device(k, name, !there);
    return 0;
}

static int kernel_count_all(void *arg)
{
    struct monitor_kernel *k = arg;

    return monitor_count_read(k->count, k->nl);
}

static int kernel_count(void *arg, const struct fw_source *s,
                        struct fw_totals *ret_totals, struct fw_count *ret_v,
                        size_t *ret_n)
{
    struct monitor_kernel *k = arg;

    monitor_count_totals(k->count, &s->addr, ret_totals);
    return monitor_count_rules(k->nl, s, ret_v, ret_n);
}

/* The worker reads what it asked for; one that does not is no worker. */
static int kernel_answer(void *arg, const uint8_t rec[RECORD_BYTES])
{
    struct monitor_kernel *k = arg;
    struct pollfd p = {.fd = k->worker_fd, .events = POLLOUT};
    int r = privsep_send(k->worker_fd, rec, RECORD_BYTES);

    while (r == -EAGAIN) {
        int n = poll(&p, 1, ANSWER_TIMEOUT_MS);

        if (n == 0)
            return -ETIMEDOUT;
        if (n < 0 && errno != EINTR)
            return err_last();
        r = privsep_send(k->worker_fd, rec, RECORD_BYTES);
    }
    return r;
}

const struct monitor_ops MONITOR_KERNEL_OPS = {
    .start = kernel_start,
    .apply = kernel_apply,
    .remove = kernel_remove,
    .set_dns = kernel_dns,
    .paths = kernel_paths,
    .set = kernel_set,
    .watch = kernel_watch,
    .pass = kernel_pass,
    .now_ms = kernel_now_ms,
    .device = kernel_device,
    .count_all = kernel_count_all,
    .count = kernel_count,
    .answer = kernel_answer,
};
