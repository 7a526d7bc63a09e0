/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters read back. effect. See monitor_count.h. */
#include "firewallvm/monitor_count.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "firewallvm/flow_msg.h"
#include "firewallvm/rule_compile.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/nft_read.h"
#include "lib/parse.h"

struct one {
    struct ipaddr addr;
    struct fw_totals totals;
};

struct monitor_count {
    size_t n;
    struct one v[FW_SOURCES_MAX];
};

int monitor_count_new(struct monitor_count **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : -ENOMEM;
}

void monitor_count_free(struct monitor_count *c)
{
    free(c);
}

static struct one *find(struct monitor_count *c, const struct ipaddr *addr)
{
    size_t i;

    for (i = 0; i < c->n; i++)
        if (ipaddr_eq(&c->v[i].addr, addr))
            return &c->v[i];
    return NULL;
}

/* ---- sources ---- */
struct reading {
    struct monitor_count *c;
    uint8_t family;
    bool blocked; /* which set this is */
};

static int take_elem(const struct nft_seen *seen, void *arg)
{
    const struct reading *rd = arg;
    struct ipaddr addr = {.family = rd->family};
    struct one *o;

    if (seen->key_len != ipaddr_len(&addr))
        return -EBADMSG;
    memcpy(addr.b, seen->key, seen->key_len);
    o = find(rd->c, &addr);
    if (!o) {
        if (rd->c->n == FW_SOURCES_MAX)
            return 0;
        o = &rd->c->v[rd->c->n++];
        *o = (struct one){.addr = addr};
    }
    if (rd->blocked) {
        o->totals.blocked_packets = seen->packets;
        o->totals.blocked_bytes = seen->bytes;
    } else {
        o->totals.passed_packets = seen->packets;
        o->totals.passed_bytes = seen->bytes;
    }
    return 0;
}

static int each_flow(const struct nlmsghdr *h, void *arg)
{
    struct monitor_count *c = arg;
    struct flow flow;
    struct one *o;

    if (flow_msg_parse(h, &flow) < 0)
        return MNL_CB_OK;
    o = find(c, &flow.src);
    if (o)
        o->totals.flows++;
    return MNL_CB_OK;
}

static int read_family(struct monitor_count *c, struct nl *nl, uint8_t family)
{
    struct reading rd = {.c = c, .family = family};
    uint8_t request[FLOW_MSG_MAX];
    char name[FW_SET_NAME_MAX];
    struct nlmsghdr *h;
    int r = nft_read_elems(nl, FW_TABLE,
                           compile_set_name(FW_MAP_KNOWN, family, name),
                           take_elem, &rd);

    rd.blocked = true;
    if (r == 0)
        r = nft_read_elems(nl, FW_TABLE,
                           compile_set_name(FW_SET_BLOCKED, family, name),
                           take_elem, &rd);
    if (r < 0)
        return r;
    h = flow_msg_dump(request, family, NULL, nl_next_seq(nl));
    return nl_talk(nl, request, h->nlmsg_len, each_flow, c);
}

int monitor_count_read(struct monitor_count *c, struct nl *nl)
{
    int r;

    c->n = 0;
    r = read_family(c, nl, AF_INET);
    return r == 0 ? read_family(c, nl, AF_INET6) : r;
}

void monitor_count_totals(const struct monitor_count *c,
                          const struct ipaddr *addr, struct fw_totals *ret)
{
    size_t i;

    *ret = (struct fw_totals){0};
    for (i = 0; i < c->n; i++)
        if (ipaddr_eq(&c->v[i].addr, addr))
            *ret = c->v[i].totals;
}

/* ---- rules ---- */
struct counting {
    const struct fw_source *s;
    struct fw_count *v; /* one for each rule told, then the policy */
    size_t n;           /* rules told */
};

static void add_count(struct counting *k, uint32_t number,
                      const struct nft_seen *seen)
{
    size_t low = 0, high = k->n;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (k->v[mid].number < number)
            low = mid + 1;
        else
            high = mid;
    }
    if (low < k->n && k->v[low].number == number) {
        k->v[low].packets += seen->packets;
        k->v[low].bytes += seen->bytes;
    }
}

static int take_rule(const struct nft_seen *seen, void *arg)
{
    struct counting *k = arg;
    uint32_t number = 0;

    if (strcmp(seen->comment, FW_COMMENT_POLICY) == 0) {
        k->v[k->n].packets += seen->packets;
        k->v[k->n].bytes += seen->bytes;
    } else if (strlen(seen->comment) == 4 &&
               text_only(text_of(seen->comment), PARSE_DIGIT)) {
        number = (uint32_t)atoi(seen->comment);
        add_count(k, number, seen);
    }
    return 0;
}

static int take_member(const struct nft_seen *seen, void *arg)
{
    if (seen->has_mark)
        add_count(arg, seen->mark, seen);
    return 0;
}

int monitor_count_rules(struct nl *nl, const struct fw_source *s,
                        struct fw_count *ret_v, size_t *ret_n)
{
    struct counting k = {.s = s, .v = ret_v};
    char chain[FW_CHAIN_MAX], set[FW_LIST_SET_MAX];
    unsigned i;
    int r;

    k.n = s->n < MONITOR_COUNTS_MAX ? s->n : MONITOR_COUNTS_MAX;
    for (i = 0; i < k.n; i++)
        ret_v[i] = (struct fw_count){.number = s->number[i]};
    ret_v[k.n] = (struct fw_count){.number = FW_COUNT_OF_POLICY};
    r = nft_read_rules(nl, FW_TABLE, compile_chain_name('q', &s->addr, chain),
                       take_rule, &k);
    for (i = 0; i < s->n_sets && r == 0; i++)
        r = nft_read_elems(nl, FW_TABLE, compile_list_set(&s->addr, i, set),
                           take_member, &k);
    *ret_n = k.n + 1;
    return r;
}
