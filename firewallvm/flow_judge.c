/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which flows end. glue. See flow_judge.h. */
#include "firewallvm/flow_judge.h"

#include <sys/socket.h>

#include "firewallvm/flow_cut.h"

struct judge {
    const struct fw_state *st;
    const struct fw_source *s;
    const struct ipaddr *addr;
};

static const struct fw_source *find(const struct fw_state *st,
                                    const struct ipaddr *addr)
{
    size_t i;

    for (i = 0; i < st->n; i++)
        if (ipaddr_eq(&st->v[i].addr, addr))
            return &st->v[i];
    return NULL;
}

static bool path_ok(const struct fw_state *st, enum fw_path_kind kind,
                    const struct flow *f)
{
    return path_allows(st->path[kind], st->n_path[kind], &f->src,
                       &f->packet.dst, f->packet.l4proto, f->packet.dport);
}

bool flow_judge_allows(const struct fw_state *st, const struct fw_source *s,
                       const struct flow *f)
{
    if (!s)
        return path_ok(st, FW_PATH_INBOUND, f);
    if (find(st, &f->packet.dst))
        return path_ok(st, FW_PATH_EDGE, f);
    return rule_eval(s->v, s->n, s->policy, &st->dns, &f->packet, NULL) ==
           FW_ACCEPT;
}

static bool is_loopback(const struct ipaddr *a)
{
    static const struct ipaddr one6 = {.family = AF_INET6, .b = {[15] = 1}};

    return (a->family == AF_INET && a->b[0] == 127) || ipaddr_eq(a, &one6);
}

/* A flow of a source that has no list ends as well. Flows of the VM itself
 * lose nothing by it: its next packet is tracked anew. */
static bool ends_of_all(const struct flow *f, void *arg)
{
    const struct judge *j = arg;

    return !is_loopback(&f->src) &&
           !flow_judge_allows(j->st, find(j->st, &f->src), f);
}

static bool ends_of_source(const struct flow *f, void *arg)
{
    const struct judge *j = arg;

    return !flow_judge_allows(j->st, j->s, f);
}

/* Only flows whose destination is a qube are a matter of paths. */
static bool ends_of_paths(const struct flow *f, void *arg)
{
    const struct judge *j = arg;

    return find(j->st, &f->packet.dst) &&
           !flow_judge_allows(j->st, find(j->st, &f->src), f);
}

static bool ends_of_gone(const struct flow *f, void *arg)
{
    const struct judge *j = arg;

    return ipaddr_eq(&f->src, j->addr) || ipaddr_eq(&f->packet.dst, j->addr);
}

int flow_judge_all(struct nl *nl, const struct fw_state *st, unsigned *ret_cut)
{
    struct judge j = {.st = st};

    return flow_cut(nl, NULL, ends_of_all, &j, ret_cut);
}

int flow_judge_source(struct nl *nl, const struct fw_state *st,
                      const struct fw_source *s, unsigned *ret_cut)
{
    struct judge j = {.st = st, .s = s};

    return flow_cut(nl, &s->addr, ends_of_source, &j, ret_cut);
}

int flow_judge_paths(struct nl *nl, const struct fw_state *st,
                     unsigned *ret_cut)
{
    struct judge j = {.st = st};

    return flow_cut(nl, NULL, ends_of_paths, &j, ret_cut);
}

int flow_judge_gone(struct nl *nl, const struct ipaddr *addr, unsigned *ret_cut)
{
    struct judge j = {.addr = addr};

    return flow_cut(nl, NULL, ends_of_gone, &j, ret_cut);
}
