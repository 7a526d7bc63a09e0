/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Overlapping networks and ranges to intervals. pure. See rule_interval.h.
 * Two networks are apart or one holds the other, so a stack of the open ones
 * is enough; ports are few enough to paint them. */
#include "firewallvm/rule_interval.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/sort.h"

#define NOBODY UINT16_MAX
#define PORTS 65536u

/* ---- networks ---- */
struct net {
    struct ipaddr first, last;
    uint16_t rule;
};

/* By begin; of two that begin together the wider is first. */
static int net_order(const void *a, const void *b)
{
    const struct net *x = a, *y = b;
    int d = ipaddr_cmp(&x->first, &y->first);

    if (d == 0)
        d = ipaddr_cmp(&y->last, &x->last);
    return d != 0 ? d : (int)x->rule - (int)y->rule;
}

/* The address behind (step 1) or before (step -1); false when it wraps. */
static bool beside(struct ipaddr *a, int step)
{
    uint8_t wrapped = step > 0 ? 0 : 0xff;
    size_t i;

    for (i = ipaddr_len(a); i-- > 0;) {
        a->b[i] = (uint8_t)(a->b[i] + step);
        if (a->b[i] != wrapped)
            return true;
    }
    return false;
}

struct sweep {
    struct net *open; /* stack; rule is the first of all below it */
    size_t depth;
    struct ipaddr at; /* not yet given to anyone */
    bool at_end;      /* there is no address behind */
    struct fw_net_part *out;
    size_t n;
};

static void give(struct sweep *s, const struct ipaddr *last, uint16_t rule)
{
    struct fw_net_part *prev = s->n ? &s->out[s->n - 1] : NULL;
    struct ipaddr behind;

    if (s->at_end || ipaddr_cmp(&s->at, last) > 0)
        return;
    if (prev && prev->rule == rule) {
        behind = prev->last;
        if (beside(&behind, 1) && ipaddr_eq(&behind, &s->at)) {
            prev->last = *last;
            return;
        }
    }
    s->out[s->n++] =
        (struct fw_net_part){.first = s->at, .last = *last, .rule = rule};
}

static void close_top(struct sweep *s)
{
    const struct net *top = &s->open[--s->depth];

    give(s, &top->last, top->rule);
    if (ipaddr_cmp(&s->at, &top->last) <= 0) {
        s->at = top->last;
        s->at_end = s->at_end || !beside(&s->at, 1);
    }
}

static void open_net(struct sweep *s, const struct net *net)
{
    struct net top = *net;
    struct ipaddr before = net->first;

    while (s->depth > 0 &&
           ipaddr_cmp(&s->open[s->depth - 1].last, &net->first) < 0)
        close_top(s);
    if (s->depth > 0) {
        const struct net *outer = &s->open[s->depth - 1];

        if (beside(&before, -1))
            give(s, &before, outer->rule);
        if (outer->rule < top.rule)
            top.rule = outer->rule;
    }
    s->at = net->first;
    s->open[s->depth++] = top;
}

int fw_net_parts(const struct fw_match *v, const struct fw_entry *e, size_t n,
                 struct fw_net_part **ret, size_t *ret_n)
{
    struct net *nets = calloc(2 * n + 1, sizeof(*nets));
    struct sweep s = {.out = calloc(2 * n + 1, sizeof(*s.out))};
    size_t i;

    if (!nets || !s.out) {
        free(nets);
        free(s.out);
        return -ENOMEM;
    }
    s.open = nets + n;
    for (i = 0; i < n; i++) {
        ipnet_range(&v[e[i].rule].dst, &nets[i].first, &nets[i].last);
        nets[i].rule = e[i].rule;
    }
    sort_array(nets, n, sizeof(*nets), net_order);
    for (i = 0; i < n; i++)
        open_net(&s, &nets[i]);
    while (s.depth > 0)
        close_top(&s);
    free(nets);
    *ret = s.out;
    *ret_n = s.n;
    return 0;
}

/* ---- ports ---- */
/* The first port from @p port on that nobody has; paths are halved. */
static uint32_t free_from(uint32_t *next, uint32_t port)
{
    while (next[port] != port) {
        next[port] = next[next[port]];
        port = next[port];
    }
    return port;
}

static size_t collect(const uint16_t *owner, struct fw_port_part *out)
{
    size_t n = 0;
    uint32_t port;

    for (port = 0; port < PORTS; port++) {
        if (owner[port] == NOBODY)
            continue;
        if (port == 0 || owner[port - 1] != owner[port])
            out[n++] = (struct fw_port_part){.first = (uint16_t)port,
                                             .rule = owner[port]};
        out[n - 1].last = (uint16_t)port;
    }
    return n;
}

int fw_port_parts(const struct fw_match *v, const struct fw_entry *e, size_t n,
                  struct fw_port_part **ret, size_t *ret_n)
{
    uint32_t *next = calloc(PORTS + 1, sizeof(*next));
    uint16_t *owner = calloc(PORTS, sizeof(*owner));
    struct fw_port_part *out = calloc(2 * n + 1, sizeof(*out));
    uint32_t port;
    size_t i;
    int r = next && owner && out ? 0 : -ENOMEM;

    for (port = 0; port <= PORTS && r == 0; port++)
        next[port] = port;
    if (r == 0)
        memset(owner, 0xff, PORTS * sizeof(*owner));
    for (i = 0; i < n && r == 0; i++) {
        const struct fw_match *m = &v[e[i].rule];

        for (port = free_from(next, m->port_first); port <= m->port_last;
             port = free_from(next, port)) {
            owner[port] = e[i].rule;
            next[port] = port + 1;
        }
    }
    if (r == 0) {
        *ret_n = collect(owner, out);
        *ret = out;
    } else {
        free(out);
    }
    free(next);
    free(owner);
    return r;
}
