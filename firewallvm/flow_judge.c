/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which flows end. glue. See flow_judge.h. */
#include "firewallvm/flow_judge.h"

#include <sys/socket.h>

#include "firewallvm/flow_cut.h"
#include "lib/io.h"

struct judge {
    const struct fw_state *st;
    const struct fw_source *s;
    const struct ipaddr *addr;
    unsigned set;
    struct name_sets_at at;
};

static struct judge judge_of(const struct fw_state *st)
{
    return (struct judge){.st = st, .at = {st->sets, io_now_ms()}};
}

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
                       const struct fw_names *names, const struct flow *f)
{
    if (!s)
        return path_ok(st, FW_PATH_INBOUND, f);
    if (find(st, &f->packet.dst))
        return path_ok(st, FW_PATH_EDGE, f);
    return rule_eval_names(s->v, s->n, s->policy, &st->dns, names, &f->packet,
                           NULL) == FW_ACCEPT;
}

static bool allows(const struct judge *j, const struct fw_source *s,
                   const struct flow *f)
{
    const struct fw_names names = name_sets_names(&j->at);

    return flow_judge_allows(j->st, s, &names, f);
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

    return !is_loopback(&f->src) && !allows(j, find(j->st, &f->src), f);
}

static bool ends_of_source(const struct flow *f, void *arg)
{
    const struct judge *j = arg;

    return !allows(j, j->s, f);
}

/* Only flows whose destination is a qube are a matter of paths. */
static bool ends_of_paths(const struct flow *f, void *arg)
{
    const struct judge *j = arg;

    return find(j->st, &f->packet.dst) && !allows(j, find(j->st, &f->src), f);
}

static bool uses_set(const struct fw_source *s, unsigned set)
{
    size_t i;

    for (i = 0; s && i < s->n; i++)
        if (s->v[i].name_set == set)
            return true;
    return false;
}

static bool ends_of_set(const struct flow *f, void *arg)
{
    const struct judge *j = arg;
    const struct fw_source *s = find(j->st, &f->src);

    return uses_set(s, j->set) && !allows(j, s, f);
}

/* The address was one of the uplink's until now. */
static bool ends_of_new(const struct flow *f, void *arg)
{
    const struct judge *j = arg;
    enum fw_path_kind kind =
        find(j->st, &f->src) ? FW_PATH_EDGE : FW_PATH_INBOUND;

    return ipaddr_eq(&f->packet.dst, j->addr) && !path_ok(j->st, kind, f);
}

static bool ends_of_gone(const struct flow *f, void *arg)
{
    const struct judge *j = arg;

    return ipaddr_eq(&f->src, j->addr) || ipaddr_eq(&f->packet.dst, j->addr);
}

int flow_judge_all(struct nl *nl, const struct fw_state *st, unsigned *ret_cut)
{
    struct judge j = judge_of(st);

    return flow_cut(nl, NULL, ends_of_all, &j, ret_cut);
}

int flow_judge_source(struct nl *nl, const struct fw_state *st,
                      const struct fw_source *s, unsigned *ret_cut)
{
    struct judge j = judge_of(st);

    j.s = s;
    return flow_cut(nl, &s->addr, ends_of_source, &j, ret_cut);
}

int flow_judge_paths(struct nl *nl, const struct fw_state *st,
                     unsigned *ret_cut)
{
    struct judge j = judge_of(st);

    return flow_cut(nl, NULL, ends_of_paths, &j, ret_cut);
}

int flow_judge_new(struct nl *nl, const struct fw_state *st,
                   const struct ipaddr *addr, unsigned *ret_cut)
{
    struct judge j = judge_of(st);

    j.addr = addr;
    return flow_cut(nl, NULL, ends_of_new, &j, ret_cut);
}

int flow_judge_gone(struct nl *nl, const struct ipaddr *addr, unsigned *ret_cut)
{
    struct judge j = {.addr = addr};

    return flow_cut(nl, NULL, ends_of_gone, &j, ret_cut);
}

int flow_judge_set(struct nl *nl, const struct fw_state *st, unsigned set,
                   unsigned *ret_cut)
{
    struct judge j = judge_of(st);

    j.set = set;
    return flow_cut(nl, NULL, ends_of_set, &j, ret_cut);
}
