/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See vif_table.h. effect. */
#include "vif/vif_table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "vif/vif_apply.h"

struct slot {
    struct vif_ident id;
    char name[VIF_NAME_MAX];
    bool wanted; /* the source names it */
    int ifindex; /* 0: no such link */
    int seen;    /* ifindex found in this round */
    bool link_up;
    bool fresh; /* the link may carry what an earlier life left */
    bool failed;
    struct vif_steps have;
    struct vif_steps want;
    char status[VIF_STATUS_MAX];
};

struct vif_table {
    struct vif_link *link;
    struct vif_nft *nft;
    struct vif_source *source;
    vif_table_status_cb status;
    void *arg;
    bool whole; /* the nftables table is to be made anew */
    struct slot *slot[VIF_TABLE_MAX];
    unsigned n_clients; /* elements of the clients sets, sorted */
    struct ipaddr clients[VIF_FACTS_CLIENTS_MAX];
};

int vif_table_new(struct vif_link *link, struct vif_nft *nft,
                  struct vif_source *source, vif_table_status_cb status,
                  void *arg, struct vif_table **ret)
{
    struct vif_table *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return -ENOMEM;
    t->link = link;
    t->nft = nft;
    t->source = source;
    t->status = status;
    t->arg = arg;
    t->whole = true;
    *ret = t;
    return 0;
}

void vif_table_free(struct vif_table *t)
{
    if (t == NULL)
        return;
    for (unsigned i = 0; i < VIF_TABLE_MAX; i++)
        free(t->slot[i]);
    free(t);
}

/* The slot of domid.devid, made when there is none; NULL: table full. */
static struct slot *slot_of(struct vif_table *t, uint32_t domid, uint32_t devid)
{
    struct slot **empty = NULL;

    for (unsigned i = 0; i < VIF_TABLE_MAX; i++) {
        struct slot *s = t->slot[i];

        if (s == NULL)
            empty = empty != NULL ? empty : &t->slot[i];
        else if (s->id.domid == domid && s->id.devid == devid)
            return s;
    }
    if (empty == NULL)
        return NULL;
    *empty = calloc(1, sizeof(**empty));
    if (*empty != NULL) {
        (*empty)->id.domid = domid;
        (*empty)->id.devid = devid;
        (*empty)->fresh = true;
        vif_plan_name(&(*empty)->id, (*empty)->name);
    }
    return *empty;
}

static int see_ident(const struct vif_ident *id, void *arg)
{
    struct slot *s = slot_of(arg, id->domid, id->devid);

    if (s == NULL) {
        log_err("vif%u.%u: more than %d vifs", id->domid, id->devid,
                VIF_TABLE_MAX);
        return 0;
    }
    s->id = *id;
    s->wanted = true;
    return 0;
}

static int see_link(const struct vif_link_info *info, void *arg)
{
    struct vif_table *t = arg;
    uint32_t domid, devid;
    struct slot *s;

    if (info->loopback && !info->up)
        (void)vif_link_set_up(t->link, info->ifindex, true);
    if (vif_plan_name_parse(text_of(info->name), &domid, &devid) < 0)
        return 0;
    s = slot_of(t, domid, devid);
    if (s == NULL)
        return 0; /* its packets are dropped: no element names it */
    s->seen = info->ifindex;
    s->link_up = info->up;
    return 0;
}

/* Another link of that name, one that is gone, or one that somebody has set
 * down: the kernel has dropped what was on it, only the elements are left. */
static void settle_link(struct slot *s)
{
    const struct vif_step up = {.op = VIF_OP_UP};
    bool lost =
        s->seen != s->ifindex || (!s->link_up && vif_plan_has(&s->have, &up));

    if (lost) {
        vif_plan_link_gone(&s->have);
        s->fresh = true;
    }
    s->ifindex = s->seen;
}

static void say(struct vif_table *t, struct slot *s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void say(struct vif_table *t, struct slot *s, const char *fmt, ...)
{
    char text[VIF_STATUS_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (strcmp(text, s->status) == 0)
        return;
    memcpy(s->status, text, sizeof(text));
    log_info("%s: %s", s->name, text);
    t->status(&s->id, text, t->arg);
}

/* Has the plan been carried out for these very addresses already? Then a
 * firewall that goes back to "blocked" needs nothing from us: it drops. */
static bool is_connected(const struct slot *s)
{
    unsigned own = 0;
    unsigned families = 0;
    bool connected = false;

    for (unsigned i = 0; i < s->have.n; i++) {
        const struct vif_step *st = &s->have.s[i];

        connected |= st->op == VIF_OP_CONNECT;
        own +=
            st->op == VIF_OP_ALLOW && (ipaddr_eq(&st->net.addr, &s->id.ip4) ||
                                       ipaddr_eq(&st->net.addr, &s->id.ip6));
    }
    families += s->id.ip4.family != 0;
    families += s->id.ip6.family != 0;
    return connected && own == families;
}

static void decide(struct vif_table *t, struct slot *s,
                   const struct vif_facts *f)
{
    CLEANUP_FREE struct vif_want *w = NULL;
    const char *waits;

    s->want.n = 0;
    if (!s->wanted)
        return;
    if (s->ifindex == 0) {
        say(t, s, "waiting for its link");
        return;
    }
    waits = vif_facts_waits_for(f, &s->id);
    if (waits != NULL && !is_connected(s)) {
        say(t, s, "waiting for %s", waits);
        return;
    }
    w = calloc(1, sizeof(*w));
    if (w == NULL)
        return;
    if (vif_facts_want(f, &s->id, w) < 0)
        log_err("%s: more than %d addresses behind it", s->name,
                VIF_BEHIND_MAX);
    vif_plan_build(w, &s->want);
}

static int collect_clients(struct vif_table *t, struct vif_facts *f)
{
    int r = 0;

    for (unsigned i = 0; i < VIF_TABLE_MAX; i++) {
        const struct slot *s = t->slot[i];

        if (s == NULL || !s->wanted)
            continue;
        if (s->id.ip4.family != 0 && r == 0)
            r = vif_facts_client(f, &s->id.ip4);
        if (s->id.ip6.family != 0 && r == 0)
            r = vif_facts_client(f, &s->id.ip6);
    }
    for (unsigned i = 0; i < f->n_behind && r == 0; i++)
        r = vif_facts_client(f, &f->behind[i].addr);
    return r;
}

/* Both lists are sorted: one walk tells what came and what went. */
static void clients_batch(struct vif_table *t, const struct vif_facts *f)
{
    unsigned i = 0;
    unsigned k = 0;

    while (i < t->n_clients || k < f->n_clients) {
        int c;

        if (i == t->n_clients)
            c = 1;
        else if (k == f->n_clients)
            c = -1;
        else
            c = ipaddr_cmp(&t->clients[i], &f->clients[k]);
        if (c < 0)
            vif_nft_client(t->nft, false, &t->clients[i]);
        else if (c > 0)
            vif_nft_client(t->nft, true, &f->clients[k]);
        i += c <= 0;
        k += c >= 0;
    }
}

/* What the anti-spoof sets held is not known, or wrong: begin anew. */
static void whole_batch(struct vif_table *t)
{
    t->n_clients = 0;
    for (unsigned i = 0; i < VIF_TABLE_MAX; i++) {
        struct slot *s = t->slot[i];

        if (s == NULL)
            continue;
        vif_plan_take_allow(&s->have, &s->want);
        for (unsigned k = 0; k < s->have.n; k++)
            if (s->have.s[k].op == VIF_OP_ALLOW)
                vif_nft_allow(t->nft, true, s->name, &s->have.s[k].net.addr);
    }
}

/* Only behind the anti-spoof table may packets be forwarded. */
static void forwarding_on(struct vif_table *t)
{
    static const struct {
        const char *path, *value;
    } lines[] = {
        {"ipv4/conf/all/rp_filter", "0"},
        {"ipv4/conf/all/accept_redirects", "0"},
        {"ipv4/conf/all/send_redirects", "0"},
        {"ipv4/conf/all/accept_source_route", "0"},
        {"ipv6/conf/all/accept_redirects", "0"},
        {"ipv4/ip_forward", "1"},
        {"ipv6/conf/all/forwarding", "1"},
    };

    for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
        int r = vif_link_sysctl(t->link, lines[i].value, "%s", lines[i].path);

        if (r < 0 && r != -ENOENT)
            log_err("%s: %s", lines[i].path, err_text(r));
    }
}

static int tables(struct vif_table *t, struct vif_facts *f)
{
    bool whole = t->whole;
    int r;

    r = collect_clients(t, f);
    if (r < 0)
        log_err("more than %d client addresses", VIF_FACTS_CLIENTS_MAX);
    r = vif_nft_begin(t->nft, whole);
    if (r < 0)
        return r;
    if (whole)
        whole_batch(t);
    clients_batch(t, f);
    t->whole = true; /* until the batch is in */
    r = vif_nft_commit(t->nft);
    if (r < 0) {
        log_err("nftables: %s", err_text(r));
        return r;
    }
    t->whole = false;
    memcpy(t->clients, f->clients, f->n_clients * sizeof(f->clients[0]));
    t->n_clients = f->n_clients;
    if (whole)
        forwarding_on(t);
    return 0;
}

struct run {
    struct vif_table *t;
    struct slot *s;
    bool batch; /* elements are collected and not yet sent */
};

static int run_batch(struct run *run)
{
    int r;

    if (!run->batch)
        return 0;
    run->batch = false;
    r = vif_nft_commit(run->t->nft);
    if (r < 0)
        run->t->whole = true; /* our records no longer match the kernel */
    return r;
}

static int act(const struct vif_action *a, void *arg)
{
    struct run *run = arg;
    struct slot *s = run->s;
    int r = 0;

    if (a->step.op == VIF_OP_ALLOW) {
        if (!run->batch) {
            r = vif_nft_begin(run->t->nft, false);
            if (r < 0)
                return r;
            run->batch = true;
        }
        vif_nft_allow(run->t->nft, a->add, s->name, &a->step.net.addr);
        return vif_plan_record(&s->have, a);
    }
    r = run_batch(run);
    if (r < 0)
        return r;
    if (a->step.op == VIF_OP_CONNECT)
        r = a->add
                ? run->t->source->ops->report(run->t->source, &s->id, true, "")
                : 0;
    else
        r = vif_apply_step(run->t->link, s->ifindex, s->name, false, a);
    return r < 0 ? r : vif_plan_record(&s->have, a);
}

/* Undo all of one vif; goes on over failures, as the elements must go. */
static int act_anyway(const struct vif_action *a, void *arg)
{
    struct run *run = arg;
    int r = act(a, arg);

    if (r < 0)
        log_warn("%s: undoing: %s", run->s->name, err_text(r));
    (void)vif_plan_record(&run->s->have, a);
    return 0;
}

static void undo(struct vif_table *t, struct slot *s)
{
    static const struct vif_steps none = {.n = 0};
    CLEANUP_FREE struct vif_steps *old = malloc(sizeof(*old));
    struct run run = {t, s, false};

    if (old == NULL) {
        t->whole = true;
        return;
    }
    *old = s->have;
    (void)vif_plan_diff(old, &none, act_anyway, &run);
    if (run_batch(&run) < 0)
        log_err("%s: its anti-spoof elements stay for now", s->name);
}

/* A link that this process sees for the first time: nothing may be left on
 * it but what is wanted, and nothing may pass by it that is not. */
static int first_look(struct vif_table *t, struct slot *s)
{
    int r = 0;

    if (!s->fresh || s->ifindex == 0)
        return 0;
    if (s->want.n == 0) {
        if (s->link_up)
            r = vif_link_set_up(t->link, s->ifindex, false);
        if (r == 0)
            r = vif_apply_prune(t->link, s->ifindex, NULL);
    } else {
        r = vif_apply_prune(t->link, s->ifindex, &s->want);
    }
    if (r == 0)
        s->fresh = false;
    return r;
}

static int bring(struct vif_table *t, struct slot *s)
{
    CLEANUP_FREE struct vif_steps *old = malloc(sizeof(*old));
    struct run run = {t, s, false};
    char ip[IPADDR_TEXT_MAX];
    int r = old != NULL ? 0 : -ENOMEM;

    if (r == 0)
        r = first_look(t, s);
    if (r == 0) {
        *old = s->have;
        r = vif_plan_diff(old, &s->want, act, &run);
    }
    if (r == 0)
        r = run_batch(&run);
    if (r == 0) {
        s->failed = false;
        if (s->want.n > 0)
            say(t, s, "up %s",
                ipaddr_format(s->id.ip4.family != 0 ? &s->id.ip4 : &s->id.ip6,
                              ip));
        return 0;
    }
    if (run.batch)
        t->whole = true; /* recorded, but never sent */
    undo(t, s);
    s->failed = true;
    s->fresh = true;
    say(t, s, "error %s", err_text(r));
    if (s->wanted)
        (void)t->source->ops->report(t->source, &s->id, false, s->status);
    return -EAGAIN;
}

static void forget_gone(struct vif_table *t)
{
    for (unsigned i = 0; i < VIF_TABLE_MAX; i++) {
        struct slot *s = t->slot[i];

        if (s == NULL || s->wanted)
            continue;
        if (s->status[0] != '\0') {
            s->status[0] = '\0';
            log_info("%s: gone", s->name);
            t->status(&s->id, NULL, t->arg);
        }
        if (s->ifindex == 0 && s->have.n == 0) {
            free(s);
            t->slot[i] = NULL;
        }
    }
}

int vif_table_converge(struct vif_table *t, struct vif_facts *f)
{
    int result = 0;
    int r;

    for (unsigned i = 0; i < VIF_TABLE_MAX; i++) {
        if (t->slot[i] == NULL)
            continue;
        t->slot[i]->wanted = false;
        t->slot[i]->seen = 0;
        t->slot[i]->link_up = false;
    }
    r = t->source->ops->list(t->source, see_ident, t);
    if (r < 0) {
        log_err("identities of vifs: %s", err_text(r));
        return r == -ECONNRESET ? r : -EAGAIN;
    }
    r = vif_link_list(t->link, see_link, t);
    if (r < 0) {
        log_err("links: %s", err_text(r));
        return -EAGAIN;
    }
    for (unsigned i = 0; i < VIF_TABLE_MAX; i++) {
        if (t->slot[i] == NULL)
            continue;
        settle_link(t->slot[i]);
        decide(t, t->slot[i], f);
    }
    if (tables(t, f) < 0)
        return -EAGAIN;
    for (unsigned i = 0; i < VIF_TABLE_MAX; i++)
        if (t->slot[i] != NULL && bring(t, t->slot[i]) < 0)
            result = -EAGAIN;
    t->source->ops->settle(t->source);
    forget_gone(t);
    return t->whole ? -EAGAIN : result;
}
