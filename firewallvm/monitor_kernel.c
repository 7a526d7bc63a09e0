/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nftables transactions and the flow cut behind struct monitor_ops. effect.
 * Fed by monitor.c with checked lists. Logs what the kernel refused. */
#include "firewallvm/monitor_kernel.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "firewallvm/flow_cut.h"
#include "firewallvm/rule_compile.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/nft.h"

static int commit(struct nl *nl, struct nft *b, const char *what)
{
    unsigned msg = 0;
    int r = nft_commit(b, nl, &msg);

    if (r < 0)
        log_warn("%s: message %u refused: %s", what, msg, err_text(r));
    nft_free(b);
    return r;
}

int monitor_kernel_guard(struct nl *nl)
{
    struct nft *b;
    int r = nft_new(FW_TABLE, &b);

    if (r < 0)
        return r;
    compile_guard(b);
    return commit(nl, b, "guard");
}

/* One transaction, and then the flows that it leaves no right to live.
 * b: used up; src: flows of this source only, or NULL */
static int commit_and_cut(struct nl *nl, struct nft *b, const char *what,
                          const struct ipaddr *src, flow_cut_fn must_end,
                          void *arg)
{
    unsigned cut = 0;
    int r = commit(nl, b, what);

    if (r < 0)
        return r;
    r = flow_cut(nl, src, must_end, arg, &cut);
    if (r < 0)
        log_warn("%s: flows not cut: %s", what, err_text(r));
    else if (cut > 0)
        log_info("%s: %u flows ended", what, cut);
    return r;
}

/* ---- which flows end ---- */
struct judge {
    const struct fw_source *v;
    size_t n;
    const struct fw_dns *dns;
};

static bool is_blocked(const struct fw_source *s, const struct fw_dns *dns,
                       const struct flow *f)
{
    return rule_eval(s->v, s->n, s->policy, dns, &f->packet, NULL) == FW_DROP;
}

static bool is_loopback(const struct ipaddr *a)
{
    static const struct ipaddr one6 = {.family = AF_INET6, .b = {[15] = 1}};

    return (a->family == AF_INET && a->b[0] == 127) || ipaddr_eq(a, &one6);
}

/* After a start: a flow of a source that has no list ends as well. Flows of
 * the VM itself lose nothing by it: its next packet is tracked anew. */
static bool ends_at_start(const struct flow *f, void *arg)
{
    const struct judge *j = arg;
    size_t i;

    if (is_loopback(&f->src))
        return false;
    for (i = 0; i < j->n; i++)
        if (ipaddr_eq(&j->v[i].addr, &f->src))
            return is_blocked(&j->v[i], j->dns, f);
    return true;
}

static bool ends_by_list(const struct flow *f, void *arg)
{
    const struct judge *j = arg;

    return is_blocked(j->v, j->dns, f);
}

static bool ends_always(const struct flow *f, void *arg)
{
    (void)f;
    (void)arg;
    return true;
}

/* ---- struct monitor_ops ---- */
static int kernel_start(void *arg, const struct fw_source *v, size_t n,
                        const struct fw_dns *dns, bool snat)
{
    struct judge judge = {.v = v, .n = n, .dns = dns};
    struct nl *nl = arg;
    struct nft *b;
    size_t i;
    int r = nft_new(FW_TABLE, &b);

    if (r < 0)
        return r;
    compile_base(b, dns, snat);
    for (i = 0; i < n; i++)
        compile_source(b, &v[i], true);
    return commit_and_cut(nl, b, "start", NULL, ends_at_start, &judge);
}

static int kernel_apply(void *arg, const struct fw_source *s, bool is_new,
                        const struct fw_dns *dns)
{
    struct judge judge = {.v = s, .n = 1, .dns = dns};
    char name[FW_CHAIN_MAX];
    struct nl *nl = arg;
    struct nft *b;
    int r = nft_new(FW_TABLE, &b);

    if (r < 0)
        return r;
    compile_chain_name(&s->addr, name);
    compile_source(b, s, is_new);
    return commit_and_cut(nl, b, name, &s->addr, ends_by_list, &judge);
}

static int kernel_remove(void *arg, const struct ipaddr *addr)
{
    char name[FW_CHAIN_MAX];
    struct nl *nl = arg;
    struct nft *b;
    int r = nft_new(FW_TABLE, &b);

    if (r < 0)
        return r;
    compile_chain_name(addr, name);
    compile_source_del(b, addr);
    return commit_and_cut(nl, b, name, addr, ends_always, NULL);
}

static int kernel_dns(void *arg, const struct fw_dns *dns)
{
    struct nl *nl = arg;
    struct nft *b;
    int r = nft_new(FW_TABLE, &b);

    if (r < 0)
        return r;
    compile_dns(b, dns);
    return commit(nl, b, "resolvers");
}

const struct monitor_ops MONITOR_KERNEL_OPS = {
    .start = kernel_start,
    .apply = kernel_apply,
    .remove = kernel_remove,
    .set_dns = kernel_dns,
};
