/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a qube's rules say of a connection. pure. See fw_explain.h. */
#include "dom0/fw_explain.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/keys.h"
#include "lib/err.h"
#include "lib/log.h"
#include "rules/rule_eval.h"
#include "rules/rule_lower.h"
#include "rules/rule_parse.h"

/* A rule as the kernel's side knows it, and whose number it has. */
struct low {
    struct fw_match *m; /* n of them */
    size_t *rule;       /* number of each one's rule */
    size_t n;
};

/* All that judging one list needs. */
struct job {
    const struct fw_explain_world *w;
    const struct config_qube *list; /* whose rules; its netvm enforces them */
    const struct fw_question *ask;
    struct fw_packet p; /* dst without bytes when it is not known */
    struct fw_dns dns;
    struct fw_answer *a;
    struct low low;
};

const char *fw_because_name(enum fw_because why)
{
    static const char *const names[] = {
        [FW_BY_RULE] = "rule",           [FW_BY_POLICY] = "policy",
        [FW_BY_NO_NETVM] = "no-netvm",   [FW_BY_NO_FAMILY] = "no-address",
        [FW_BY_NO_LIST] = "no-firewall", [FW_BY_QUBE] = "to-qube",
        [FW_BY_REACH] = "reach",         [FW_BY_BLOCKED] = "list-blocked",
    };

    return names[why];
}

const char *fw_miss_text(enum fw_miss miss)
{
    static const char *const texts[] = {
        [FW_MISS_NOT] = "would match",
        [FW_MISS_EXPIRED] = "expired",
        [FW_MISS_FAMILY] = "other address family",
        [FW_MISS_NAME] = "the name stands for other addresses",
        [FW_MISS_UNKNOWN] = "no address of the name is known",
        [FW_MISS_DST] = "other destination",
        [FW_MISS_PROTO] = "other protocol",
        [FW_MISS_PORT] = "other port",
        [FW_MISS_TYPE] = "other ICMP type",
        [FW_MISS_DNS] = "not port 53 of a resolver",
        [FW_MISS_MAYBE] = "matches if the name stands for such an address",
    };

    return texts[miss];
}

void fw_answer_free(struct fw_answer *a)
{
    free(a->missed);
    *a = (struct fw_answer){0};
}

static const struct ipaddr *address_of(const struct config_qube *q,
                                       unsigned family)
{
    return family == AF_INET6 ? &q->ip6 : &q->ip4;
}

static const char *status_of(const struct job *j, const char *path)
{
    return j->w->status ? j->w->status(j->w->arg, j->list->up, path) : NULL;
}

/* ---- names ---- */

/* Addresses that the firewall VM has for key @p number:
 * "ok|stale ADDR ADDR ..."; false when it has none or says nothing. */
static bool known_addrs(const struct job *j, size_t number, struct ipaddr *ret,
                        size_t cap, size_t *ret_n)
{
    char path[QDB_REC_PATH + 16], src[IPADDR_TEXT_MAX];
    const char *val;
    struct text rest, word;
    struct ipaddr a;

    *ret_n = 0;
    snprintf(path, sizeof(path), "/sysqube-status/firewall-names/%s/%04zu",
             ipaddr_format(&j->a->src, src), number);
    val = status_of(j, path);
    if (!val)
        return false;
    rest = text_of(val);
    if (!parse_split(&rest, ' ', &word) ||
        (!text_eq(word, "ok") && !text_eq(word, "stale")))
        return false;
    while (rest.p && *ret_n < cap && parse_split(&rest, ' ', &word)) {
        if (!ipaddr_parse_family(word, j->p.dst.family, &a))
            ret[(*ret_n)++] = a;
    }
    return true;
}

static bool is_asked_name(const struct fw_question *ask,
                          const struct fw_rule *r)
{
    return !ask->addr.family && rule_name_covers(r->name, ask->host);
}

/* A rule with a name becomes one without where it is known whether the
 * destination is meant. */
static enum fw_miss settle_name(const struct job *j, const struct fw_rule *r,
                                size_t key, struct fw_match *m)
{
    struct ipaddr v[FW_ASK_ADDRS_MAX];
    size_t n;

    if (is_asked_name(j->ask, r)) {
        m->dst_kind = FW_DST_ANY;
        return FW_MISS_NOT;
    }
    if (!j->a->has_dst)
        return FW_MISS_MAYBE;
    if (!known_addrs(j, key, v, FW_ASK_ADDRS_MAX, &n))
        return FW_MISS_UNKNOWN;
    for (size_t i = 0; i < n; i++) {
        if (ipaddr_eq(&v[i], &j->p.dst)) {
            m->dst_kind = FW_DST_ANY;
            return FW_MISS_NOT;
        }
    }
    return FW_MISS_NAME;
}

/* ---- one rule ---- */

/* Without its destination. */
static struct fw_match any_dst(const struct fw_match *m)
{
    struct fw_match r = *m;

    r.dst_kind = FW_DST_ANY;
    r.dns = false;
    if (m->dns) {
        r.has_ports = true;
        r.port_first = r.port_last = FW_DNS_PORT;
    }
    return r;
}

/* The first condition that fails. */
static enum fw_miss miss_of(const struct job *j, const struct fw_match *m)
{
    struct fw_match part = {.action = m->action, .proto = m->proto};

    if (m->dst_kind == FW_DST_NET && j->a->has_dst &&
        !ipnet_has(&m->dst, &j->p.dst))
        return FW_MISS_DST;
    if (!rule_matches(&part, &j->dns, &j->p))
        return FW_MISS_PROTO;
    part = any_dst(m);
    if (!rule_matches(&part, &j->dns, &j->p))
        return m->dns ? FW_MISS_DNS
                      : (m->has_icmptype ? FW_MISS_TYPE : FW_MISS_PORT);
    if (m->dns && j->a->has_dst && !rule_matches(m, &j->dns, &j->p))
        return FW_MISS_DNS;
    if (!j->a->has_dst && (m->dst_kind == FW_DST_NET || m->dns))
        return FW_MISS_MAYBE;
    return FW_MISS_NOT;
}

static void low_put(struct low *l, const struct fw_match *m, size_t rule)
{
    l->m[l->n] = *m;
    l->rule[l->n++] = rule;
}

/* All keys of one rule: what could match goes into the list to judge. */
static enum fw_miss add_rule(struct job *j, const struct fw_rule *r,
                             size_t number, size_t key)
{
    enum fw_miss miss = FW_MISS_FAMILY;

    for (unsigned i = 0; i < rule_span(r); i++) {
        enum fw_miss name = FW_MISS_NOT, rest;
        struct fw_rule low;

        if (rule_lower(r, j->p.dst.family, i, &low))
            continue;
        if (low.m.dst_kind == FW_DST_NAME)
            name = settle_name(j, r, key + i, &low.m);
        rest = miss_of(j, &low.m);
        miss = name != FW_MISS_NOT && rest == FW_MISS_NOT ? name : rest;
        if (r->has_expire && r->expire <= j->w->now_s) {
            if (miss == FW_MISS_NOT && j->a->expired == FW_NO_RULE)
                j->a->expired = number;
            miss = FW_MISS_EXPIRED;
        } else if (miss == FW_MISS_NOT || name == FW_MISS_UNKNOWN) {
            low_put(&j->low, &low.m, number);
        }
        if (miss == FW_MISS_NOT || miss == FW_MISS_MAYBE)
            break;
    }
    return miss;
}

/* ---- a list ---- */

static size_t keys_of(const struct config_qube *q)
{
    size_t n = 1;

    for (size_t i = 0; i < q->n_rules; i++)
        n += rule_span(&q->rules[i].rule);
    return n;
}

/* What may come before the rule that decides and say otherwise. */
static void find_maybe(struct job *j)
{
    struct fw_answer *a = j->a;

    for (size_t i = 0; i < a->n_missed; i++) {
        if (a->missed[i] == FW_MISS_MAYBE &&
            j->list->rules[i].rule.m.action != a->action) {
            a->maybe = i;
            a->depends = true;
            return;
        }
    }
}

static void judge(struct job *j)
{
    static const struct fw_rule accept = {.m = {.action = FW_ACCEPT}};
    const struct config_qube *q = j->list;
    struct fw_answer *a = j->a;
    size_t at = 0, key = 0;

    if (!q->has_firewall)
        low_put(&j->low, &accept.m, 0);
    for (size_t i = 0; i < q->n_rules; i++) {
        const struct fw_rule *r = &q->rules[i].rule;

        a->missed[i] = (uint8_t)add_rule(j, r, i, key);
        key += rule_span(r);
    }
    a->action = rule_eval(j->low.m, j->low.n, FW_DROP, &j->dns, &j->p, &at);
    a->n_missed = q->n_rules;
    if (at < j->low.n) {
        a->why = FW_BY_RULE;
        a->rule = j->low.rule[at];
        a->shut = j->low.m[at].dst_kind == FW_DST_NAME;
        a->n_missed = q->has_firewall ? a->rule : 0;
    } else {
        a->why = FW_BY_POLICY;
    }
    if (a->expired != FW_NO_RULE && a->expired >= a->n_missed)
        a->expired = FW_NO_RULE;
    find_maybe(j);
}

/* The resolvers that specialtarget=dns means: the firewall VM's own. */
static int find_dns(struct job *j)
{
    static const char *const paths[FW_DNS_MAX] = {
        "/qubes-primary-dns", "/qubes-secondary-dns", "/sysqube-dns6"};
    const struct config *cfg = j->w->cfg;
    struct keys_run *run = calloc(cfg->n + 1, sizeof(*run));
    struct keys_world world = {.cfg = cfg, .run = run};
    struct keyset keys = {0};
    size_t i = 0;
    int r;

    while (i < cfg->n && cfg->qubes[i] != j->list->up)
        i++;
    r = run ? keys_desired(&world, i, &keys) : -ENOMEM;
    for (size_t k = 0; !r && k < FW_DNS_MAX; k++) {
        const char *val = keyset_get(&keys, paths[k]);

        if (val && !ipaddr_parse(text_of(val), &j->dns.addr[j->dns.n]))
            j->dns.n++;
    }
    keyset_free(&keys);
    free(run);
    return r;
}

static int judge_list(struct job *j)
{
    size_t n = keys_of(j->list);
    int r;

    j->low.m = calloc(n, sizeof(*j->low.m));
    j->low.rule = calloc(n, sizeof(*j->low.rule));
    j->a->missed = calloc(n, 1);
    r = j->low.m && j->low.rule && j->a->missed ? find_dns(j) : -ENOMEM;
    if (!r)
        judge(j);
    free(j->low.m);
    free(j->low.rule);
    return r;
}

/* ---- what comes before the list ---- */

static const struct config_qube *qube_at(const struct config *c,
                                         const struct ipaddr *a)
{
    for (size_t i = 0; i < c->n; i++) {
        if (ipaddr_eq(&c->qubes[i]->ip4, a) || ipaddr_eq(&c->qubes[i]->ip6, a))
            return c->qubes[i];
    }
    return NULL;
}

/* The firewall VM's word on the list. @return it refused the list */
static bool is_blocked(struct job *j)
{
    static const char blocked[] = "blocked";
    char path[QDB_REC_PATH + 16], src[IPADDR_TEXT_MAX];
    const char *val;

    snprintf(path, sizeof(path), "/sysqube-status/firewall/%s",
             ipaddr_format(&j->a->src, src));
    val = status_of(j, path);
    if (!val)
        return false;
    log_clean(j->a->status, sizeof(j->a->status), val, strlen(val));
    return !strncmp(val, blocked, sizeof(blocked) - 1);
}

/* The line of @p q that lets it open this connection to another qube. */
static const struct config_reach *find_reach(const struct job *j,
                                             const struct config_qube *q,
                                             const struct config_qube *to)
{
    for (size_t i = 0; i < q->n_reach; i++) {
        const struct config_reach *e = &q->reach[i];

        if (!strcmp(e->name, to->name) &&
            (e->proto == FW_PROTO_ANY || e->proto == j->ask->proto) &&
            (!e->has_ports ||
             (j->ask->port >= e->port_first && j->ask->port <= e->port_last)))
            return e;
    }
    return NULL;
}

/* What no list is asked about. @return it is so */
static bool before_lists(struct job *j, const struct config_qube *q)
{
    struct fw_answer *a = j->a;

    a->action = FW_DROP;
    if (a->has_dst)
        a->other = qube_at(j->w->cfg, &a->dst);
    if (a->other)
        a->reach = find_reach(j, q, a->other);
    if (!q->up)
        a->why = FW_BY_NO_NETVM;
    else if (!a->src.family)
        a->why = FW_BY_NO_FAMILY;
    else if (a->other && !a->reach)
        a->why = FW_BY_QUBE;
    else
        return false;
    return true;
}

/* The packet that is asked about. @return 0; -ENOENT */
static int make_packet(const struct fw_question *ask, const struct ipaddr *dst,
                       unsigned family, struct fw_packet *ret)
{
    static const uint8_t l4[][2] = {
        [FW_PROTO_TCP] = {IPPROTO_TCP, IPPROTO_TCP},
        [FW_PROTO_UDP] = {IPPROTO_UDP, IPPROTO_UDP},
        [FW_PROTO_ICMP] = {IPPROTO_ICMP, IPPROTO_ICMPV6},
    };
    struct fw_packet p = {.dst = {.family = (uint8_t)family}};

    if (dst)
        p.dst = *dst;
    p.l4proto = l4[ask->proto][family == AF_INET6];
    p.dport = ask->port;
    p.icmp_type = ask->icmp_type;
    if (ask->proto == FW_PROTO_ICMP && ask->icmp_name) {
        int type = rule_icmp_type(ask->icmp_name, family);

        if (type < 0)
            return type;
        p.icmp_type = (uint8_t)type;
    }
    *ret = p;
    return 0;
}

/* One firewall VM on the way. @return 0; -ENOMEM */
static int ask_hop(struct job *j, const struct config_qube *list)
{
    j->low = (struct low){0};
    j->dns.n = 0;
    j->list = j->a->list = list;
    j->a->firewall = list->up;
    if (!is_blocked(j))
        return judge_list(j);
    j->a->why = FW_BY_BLOCKED;
    j->a->action = FW_DROP;
    return 0;
}

/* How much an answer weighs against one of a nearer firewall VM. */
static int weight(const struct fw_answer *a)
{
    if (!a->firewall)
        return -1;
    return a->depends ? 1 : a->action == FW_DROP ? 2 : 0;
}

int fw_explain(const struct fw_explain_world *w, const struct config_qube *q,
               const struct fw_question *ask, const struct ipaddr *dst,
               unsigned family, struct fw_answer *ret)
{
    const struct fw_answer plain = {.src = *address_of(q, family),
                                    .has_dst = dst != NULL,
                                    .rule = FW_NO_RULE,
                                    .maybe = FW_NO_RULE,
                                    .expired = FW_NO_RULE};
    const struct config_qube *meet = NULL; /* there it is Reach= that counts */
    struct fw_answer best = plain, a;
    struct job j = {.w = w, .ask = ask, .a = &best};
    int r = make_packet(ask, dst, family, &j.p);

    if (r)
        return r;
    best.dst = j.p.dst;
    if (before_lists(&j, q)) {
        *ret = best;
        return 0;
    }
    best.why = best.reach ? FW_BY_REACH : FW_BY_NO_LIST;
    best.action = FW_ACCEPT;
    if (best.reach)
        meet = config_meeting(q, best.other);
    for (; q->up && q->up != meet && !r; q = q->up) {
        if (q->up->kind != KIND_FIREWALLVM)
            continue;
        a = plain;
        a.dst = best.dst;
        j.a = &a;
        r = ask_hop(&j, q);
        if (weight(&a) > (best.reach ? 0 : weight(&best))) {
            fw_answer_free(&best);
            best = a;
        } else {
            fw_answer_free(&a);
        }
    }
    if (r)
        fw_answer_free(&best);
    else
        *ret = best;
    return r;
}

/* Addresses of all rules of the asked name, each once. */
static size_t name_addrs(struct job *j, struct ipaddr *ret)
{
    size_t n = 0, key = 0;

    for (size_t i = 0; i < j->list->n_rules; i++) {
        const struct fw_rule *r = &j->list->rules[i].rule;
        struct ipaddr v[FW_ASK_ADDRS_MAX];
        size_t have = 0, k;

        if (r->m.dst_kind == FW_DST_NAME && is_asked_name(j->ask, r))
            (void)known_addrs(j, key, v, FW_ASK_ADDRS_MAX, &have);
        for (size_t x = 0; x < have; x++) {
            for (k = 0; k < n && !ipaddr_eq(&ret[k], &v[x]);)
                k++;
            if (k == n && n < FW_ASK_ADDRS_MAX)
                ret[n++] = v[x];
        }
        key += rule_span(r);
    }
    return n;
}

size_t fw_explain_addrs(const struct fw_explain_world *w,
                        const struct config_qube *q,
                        const struct fw_question *ask, unsigned family,
                        struct ipaddr *ret, bool *ret_named)
{
    const struct config_qube *to = config_find(w->cfg, ask->host);
    struct fw_answer a = {.src = *address_of(q, family)};
    struct job j = {.w = w, .list = q, .ask = ask, .a = &a};

    *ret_named = false;
    if (ask->addr.family || to) {
        const struct ipaddr *one =
            ask->addr.family ? &ask->addr : address_of(to, family);

        ret[0] = *one;
        return one->family == family;
    }
    *ret_named = true;
    j.p.dst.family = (uint8_t)family;
    return a.src.family ? name_addrs(&j, ret) : 0;
}
