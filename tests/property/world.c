/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the property test believes, against the kernel. effect. See world.h. */
#include "tests/property/world.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "rules/rule_format.h"
#include "tests/property/flows.h"

#define SENTINEL_Q WORLD_QUBES /* link of the qube that may do everything */
#define SENTINEL_WAIT_MS 1000
#define SENTINEL_TRIES 5
#define ANSWER_PERCENT 25
#define RULES_SHOWN 40
#define MUTATE_ONE_IN 200

/* Sources 10.137.0.5 and fd09:24ef:4179::a89:5 and the next ones. */
static void set_addresses(struct world *w)
{
    unsigned q;

    for (q = 0; q < WORLD_QUBES; q++) {
        w->addr[q][0] = (struct ipaddr){AF_INET, {10, 137, 0, 5}};
        w->addr[q][0].b[3] = (uint8_t)(5 + q);
        w->addr[q][1] =
            (struct ipaddr){AF_INET6, {0xfd, 9, 0x24, 0xef, 0x41, 0x79}};
        w->addr[q][1].b[12] = 0x0a;
        w->addr[q][1].b[13] = 0x89;
        w->addr[q][1].b[15] = (uint8_t)(5 + q);
    }
}

int world_init(struct world *w, uint64_t seed, pid_t qubes, pid_t far)
{
    int r;

    *w = (struct world){
        .rng = {seed}, .seed = seed, .next_port = WORLD_FIRST_PORT};
    memset(w->by_port, 0xff, sizeof(w->by_port));
    set_addresses(w);
    r = nl_new(NETLINK_NETFILTER, 0, &w->nl);
    return r < 0 ? r : wire_new(qubes, far, WORLD_QUBES + 1, &w->wire);
}

static struct gen_list *list_of(const struct world *w, unsigned q,
                                const struct gen_packet *k)
{
    return w->list[q][k->src.family == AF_INET6];
}

/* ---- verdicts ---- */
static bool is_qube(const struct world *w, const struct ipaddr *a)
{
    unsigned q;

    for (q = 0; q < WORLD_QUBES; q++)
        if (ipaddr_eq(a, &w->addr[q][0]) || ipaddr_eq(a, &w->addr[q][1]))
            return true;
    return false;
}

int world_new_list(struct world *w, unsigned q, unsigned six)
{
    const struct gen_list *l = w->list[q][six];
    struct fw_match *v = calloc((l ? l->n : 0) + 1, sizeof(*v));
    size_t i;

    if (!v)
        return -ENOMEM;
    for (i = 0; l && i < l->n; i++)
        v[i] = l->v[i].m;
    free(w->match[q][six]);
    w->match[q][six] = v;
    return 0;
}

static enum fw_action evaluate(const struct world *w, unsigned q,
                               const struct gen_packet *k, size_t *ret_index)
{
    const struct gen_list *l = list_of(w, q, k);

    return rule_eval(w->match[q][k->src.family == AF_INET6], l->n, l->policy,
                     &w->dns, &k->facts, ret_index);
}

bool world_passes(struct world *w, unsigned q, const struct gen_packet *k)
{
    const struct gen_list *l = list_of(w, q, k);
    bool passes;

    if (!l || gen_is_odd(k) || is_qube(w, &k->facts.dst))
        return false;
    passes = evaluate(w, q, k, NULL) == FW_ACCEPT;
    if (w->mutation == MUTATE_VERDICT &&
        prng_below(&w->rng, MUTATE_ONE_IN) == 0)
        return !passes;
    return passes;
}

void world_differ(struct world *w, unsigned q, const struct gen_packet *k,
                  const char *what)
{
    const struct gen_list *l = list_of(w, q, k);
    char text[FW_TEXT_MAX], addr[IPADDR_TEXT_MAX];
    size_t i, index = 0;

    w->failures++;
    fprintf(stderr, "# difference: seed %llu, step %u: %s\n",
            (unsigned long long)w->seed, w->steps, what);
    fprintf(stderr, "#   packet %s\n", gen_packet_text(k, text, sizeof(text)));
    for (i = 0; i < w->dns.n; i++)
        fprintf(stderr, "#   resolver %s\n",
                ipaddr_format(&w->dns.addr[i], addr));
    if (!l) {
        fprintf(stderr, "#   the source has no list\n");
        return;
    }
    evaluate(w, q, k, &index);
    fprintf(stderr, "#   decided by rule %zu of %zu, policy %s\n", index, l->n,
            l->policy == FW_ACCEPT ? "accept" : "drop");
    for (i = index < RULES_SHOWN ? 0 : index;
         i < l->n && i <= index + 3 && i < index + RULES_SHOWN; i++) {
        rule_format_qdb(&l->v[i], text, sizeof(text));
        fprintf(stderr, "#   %04zu %s\n", i, text);
    }
}

/* ---- live flows ---- */
static bool has_port(uint8_t l4proto)
{
    return l4proto == IPPROTO_TCP || l4proto == IPPROTO_UDP ||
           l4proto == IPPROTO_ICMP || l4proto == IPPROTO_ICMPV6;
}

static bool is_same(const struct gen_packet *k, const struct flow_seen *f)
{
    return k->facts.l4proto == f->l4proto && ipaddr_eq(&k->src, &f->src) &&
           ipaddr_eq(&k->facts.dst, &f->dst) &&
           (!has_port(f->l4proto) ||
            (k->sport == f->sport && k->facts.dport == f->dport &&
             k->facts.icmp_type == f->icmp_type));
}

/* @return index, or -1 */
static int find_live(const struct world *w, const struct flow_seen *f)
{
    size_t i;
    int at;

    if (has_port(f->l4proto)) {
        at = w->by_port[f->sport];
        return at >= 0 && is_same(&w->live[at].k, f) ? at : -1;
    }
    for (i = 0; i < w->n_live; i++)
        if (is_same(&w->live[i].k, f))
            return (int)i;
    return -1;
}

static void enter_live(struct world *w, const struct shot *s)
{
    const struct flow_seen f = {
        .src = s->k.src,
        .dst = s->k.facts.dst,
        .l4proto = s->k.facts.l4proto,
        .sport = s->k.sport,
        .dport = s->k.facts.dport,
        .icmp_type = s->k.facts.icmp_type,
    };

    if (!gen_is_tracked(&s->k) || find_live(w, &f) >= 0)
        return;
    if (w->n_live == WORLD_LIVE_MAX)
        abort();
    if (has_port(f.l4proto))
        w->by_port[f.sport] = (int)w->n_live;
    w->live[w->n_live++] = (struct live){.k = s->k, .q = s->q};
}

static void forget_live(struct world *w, size_t i)
{
    struct live *last = &w->live[--w->n_live];

    if (has_port(w->live[i].k.facts.l4proto))
        w->by_port[w->live[i].k.sport] = -1;
    if (i == w->n_live)
        return;
    w->live[i] = *last;
    if (has_port(last->k.facts.l4proto))
        w->by_port[last->k.sport] = (int)i;
}

void world_judge_live(struct world *w)
{
    size_t i = 0;

    while (i < w->n_live) {
        bool stays = world_passes(w, w->live[i].q, &w->live[i].k);
        if (stays && w->mutation == MUTATE_CUT &&
            prng_below(&w->rng, MUTATE_ONE_IN) == 0)
            stays = false;
        if (stays) {
            i++;
            continue;
        }
        forget_live(w, i);
        w->cut++;
    }
}

static void unknown_flow(struct world *w, const struct flow_seen *f,
                         const char *after)
{
    struct gen_packet k = {
        .src = f->src,
        .facts = {f->dst, f->l4proto, f->dport, f->icmp_type},
        .sport = f->sport,
    };
    char text[128];
    unsigned q;

    for (q = 0; q < WORLD_QUBES - 1; q++)
        if (ipaddr_eq(&f->src, &w->addr[q][f->src.family == AF_INET6]))
            break;
    snprintf(text, sizeof(text), "after %s: this flow should be gone", after);
    world_differ(w, q, &k, text);
}

int world_check_flows(struct world *w, const char *after)
{
    CLEANUP_FREE struct flow_seen *v = NULL;
    CLEANUP_FREE bool *seen = calloc(w->n_live + 1, 1);
    char text[128];
    int i, at, n = flows_read(w->nl, &v);

    if (n < 0 || !seen)
        return n < 0 ? n : -ENOMEM;
    for (i = 0; i < n; i++) {
        if (!is_qube(w, &v[i].src))
            continue;
        at = find_live(w, &v[i]);
        if (at >= 0)
            seen[at] = true;
        else
            unknown_flow(w, &v[i], after);
    }
    snprintf(text, sizeof(text), "after %s: this flow should live", after);
    for (i = 0; i < (int)w->n_live; i++)
        if (!seen[i])
            world_differ(w, w->live[i].q, &w->live[i].k, text);
    return 0;
}

/* ---- packets ---- */
void world_aim(struct world *w, unsigned q, const struct gen_packet *k)
{
    if (w->n_shots == WORLD_SHOTS_MAX - 1)
        abort();
    w->shots[w->n_shots++] =
        (struct shot){.k = *k, .q = q, .want = world_passes(w, q, k)};
}

static void arrived(const uint8_t *b, size_t len, bool inside, void *arg)
{
    struct world *w = arg;
    struct ipaddr src;
    uint16_t number, at;

    if (!frame_read(b, len, &src, &number))
        return;
    if (inside) {
        w->leaked += is_qube(w, &src);
        return;
    }
    at = (uint16_t)(number - w->base);
    if (at == w->n_shots)
        w->sentinel = true;
    else if (at < w->n_shots && ipaddr_eq(&src, &w->shots[at].k.src))
        w->shots[at].got = true;
}

/* The one that is always let through, behind all others. */
static int send_sentinel(struct world *w)
{
    const struct gen_packet k = {
        .src = {AF_INET, {10, 137, 0, 99}},
        .facts = {{AF_INET, {203, 0, 113, 80}}, IPPROTO_UDP, 9, 0},
        .sport = 9,
    };
    struct frame f[FRAME_PIECES];
    unsigned n = frame_build(&k, (uint16_t)(w->base + w->n_shots), f);
    int r = wire_send(w->wire, SENTINEL_Q, f, n);

    return r < 0 ? r : wire_flush(w->wire);
}

static int await_sentinel(struct world *w)
{
    int i, r;

    w->sentinel = false;
    for (i = 0; i < SENTINEL_TRIES; i++) {
        r = send_sentinel(w);
        if (r == 0)
            r = wire_read(w->wire, arrived, w);
        if (r < 0 || w->sentinel)
            return r < 0 ? r : 0;
        r = wire_wait(w->wire, SENTINEL_WAIT_MS);
        if (r == 0)
            r = wire_read(w->wire, arrived, w);
        if (w->sentinel)
            return 0;
    }
    return -ETIMEDOUT;
}

static int send_answers(struct world *w)
{
    struct frame f;
    unsigned i;
    int r = 0;

    for (i = 0; i < w->n_shots && r == 0; i++)
        if (w->shots[i].got && prng_chance(&w->rng, ANSWER_PERCENT) &&
            frame_answer(&w->shots[i].k, 0, &f))
            r = wire_send_far(w->wire, &f);
    return r;
}

static void compare(struct world *w)
{
    unsigned i;

    for (i = 0; i < w->n_shots; i++) {
        struct shot *s = &w->shots[i];
        w->packets++;
        w->passed += s->got;
        if (s->got && !s->want)
            world_differ(w, s->q, &s->k,
                         "the kernel lets it pass, the evaluator does not");
        else if (s->want && !s->got)
            world_differ(w, s->q, &s->k,
                         "the evaluator lets it pass, the kernel does not");
        if (s->got)
            enter_live(w, s);
    }
    if (w->leaked > 0) {
        fprintf(stderr,
                "# difference: seed %llu, step %u: %u packets from "
                "qube to qube\n",
                (unsigned long long)w->seed, w->steps, w->leaked);
        w->failures++;
        w->leaked = 0;
    }
}

int world_fire(struct world *w)
{
    struct frame f[FRAME_PIECES];
    unsigned i, n;
    int r = 0;

    for (i = 0; i < w->n_shots && r == 0; i++) {
        n = frame_build(&w->shots[i].k, (uint16_t)(w->base + i), f);
        r = wire_send(w->wire, w->shots[i].q, f, n);
    }
    if (r == 0)
        r = await_sentinel(w);
    if (r == 0)
        r = send_answers(w);
    compare(w);
    w->base = (uint16_t)(w->base + w->n_shots + 1);
    w->n_shots = 0;
    return r;
}
