/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names in the worker. glue. See worker_names.h. Which sets the monitor has
 * follows from what it was told: it forgets a set with the last list that
 * uses it, and so does this file with the last rule. */
#include "firewallvm/worker_names.h"

#include <stdlib.h>
#include <string.h>

#include "firewallvm/fw_state.h"
#include "firewallvm/resolver_client.h"
#include "firewallvm/worker_priv.h"
#include "firewallvm/worker_qdb.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mem.h"

#define WAITING_MAX 64

struct worker_names {
    struct names *names;
    struct resolver_client *client;
    void (*wake)(void *arg, int r);
    void *arg;
    bool has_servers;
    bool told[NAME_HANDLES + 1]; /* the monitor has the set */
    size_t n_watched;
    struct ipaddr watched[FW_WATCHED_MAX]; /* whose answers wait */
    size_t n_waiting;
    bool pass_all;
    bool up, rewatch; /* somebody reads answers that wait; that has changed */
    uint32_t waiting[WAITING_MAX]; /* answers to be let pass */
};

int worker_names_new(int queue_fd, struct worker_names **ret)
{
    struct worker_names *wn = calloc(1, sizeof(*wn));
    int r = wn ? names_new(&NAMES_CONFIG, &wn->names) : -ENOMEM;

    if (r == 0)
        r = resolver_client_new(wn->names, queue_fd, &wn->client);
    if (r < 0) {
        if (wn)
            names_free(wn->names);
        free(wn);
        return r;
    }
    if (queue_fd < 0)
        names_blind(wn->names);
    *ret = wn;
    return 0;
}

static void on_changed(void *arg)
{
    struct worker_names *wn = arg;

    wn->wake(wn->arg, 0);
}

static void on_seen(void *arg, const struct resolver_answer *ans)
{
    struct worker_names *wn = arg;
    struct dns_answer dns;

    if (wn->n_waiting == WAITING_MAX) {
        wn->pass_all = true;
        return;
    }
    wn->waiting[wn->n_waiting++] = ans->id;
    if (ans->status != DNS_OK)
        return;
    dns = (struct dns_answer){
        .family = ans->family, .status = ans->status, .n = ans->n};
    memcpy(dns.name, ans->name, sizeof(dns.name));
    memcpy(dns.v, ans->v, sizeof(dns.v));
    names_seen(wn->names, &ans->client, &dns, io_now_ms());
}

static void on_up(void *arg, bool is_up)
{
    struct worker_names *wn = arg;

    wn->pass_all = true;
    wn->rewatch = wn->rewatch || wn->up != is_up;
    wn->up = is_up;
}

static void on_gone(void *arg, int r)
{
    struct worker_names *wn = arg;

    wn->wake(wn->arg, r);
}

int worker_names_attach(struct worker_names *wn, struct loop *loop,
                        void (*wake)(void *arg, int r), void *arg)
{
    const struct resolver_client_cb cb = {.changed = on_changed,
                                          .seen = on_seen,
                                          .up = on_up,
                                          .gone = on_gone,
                                          .arg = wn};

    wn->wake = wake;
    wn->arg = arg;
    return resolver_client_attach(wn->client, loop, &cb);
}

void worker_names_configure(struct worker_names *wn,
                            const struct names_config *config)
{
    names_configure(wn->names, config);
}

void worker_names_servers(struct worker_names *wn, const struct fw_dns *servers)
{
    wn->has_servers = servers->n > 0;
    resolver_client_servers(wn->client, servers);
}

/* ---- lists ---- */
/* What no rule uses, the monitor forgets as well. */
static void forget_unused(struct worker_names *wn)
{
    unsigned h;

    for (h = 1; h <= NAME_HANDLES; h++)
        if (wn->told[h] && !names_set_used(wn->names, h))
            wn->told[h] = false;
}

/* @return number of the first rule that stands for nothing known, or < 0 */
static int unresolved(struct worker_names *wn, const struct source *s)
{
    return names_unresolved(wn->names, &s->addr, io_now_ms());
}

void worker_names_take(struct worker_names *wn, struct source *s,
                       struct rule_source *list)
{
    uint64_t now_ms = io_now_ms();
    size_t i, n = list->reason ? 0 : list->n;

    names_begin(wn->names, &s->addr);
    for (i = 0; i < n; i++) {
        struct source_rule *rule = &list->v[i];
        int r;

        if (!rule->name)
            continue;
        r = names_use(wn->names, &s->addr, rule->number, rule->name,
                      rule->m.action, now_ms);
        if (r < 0)
            log_warn("%s: %04u: name not kept: %s", s->text, rule->number,
                     err_text(r));
    }
    names_end(wn->names, &s->addr);
    forget_unused(wn);
    for (i = 0; i < n; i++)
        if (list->v[i].name)
            list->v[i].m.name_set =
                (uint16_t)names_set(wn->names, &s->addr, list->v[i].number);
    s->n = n;
    s->blocked = list->reason != NULL;
    s->named = list->named && n > 0;
    s->unresolved = unresolved(wn, s);
}

void worker_names_forget(struct worker_names *wn, struct source *s)
{
    names_begin(wn->names, &s->addr);
    names_end(wn->names, &s->addr);
    forget_unused(wn);
    s->n = 0;
    s->blocked = true;
    s->unresolved = -1;
}

bool worker_names_settled(struct worker_names *wn)
{
    resolver_client_feed(wn->client);
    return !wn->has_servers || !names_pending(wn->names);
}

/* ---- to the monitor ---- */
static int send_set(struct worker_names *wn, int fd, unsigned handle,
                    bool answers)
{
    struct names_elem v[NAME_ADDRS_MAX];
    size_t i, k, n = names_set_addrs(wn->names, handle, io_now_ms(), v);
    struct record rec = {
        .type = RECORD_SET, .set = (uint16_t)handle, .count = (uint32_t)n};
    int r = priv_send(fd, &rec);

    for (i = 0; i < n && r == 0; i += k) {
        rec = (struct record){.type = RECORD_ELEMS};
        for (k = 0; k < RECORD_ELEMS_MAX && i + k < n; k++) {
            rec.elems[k].addr = v[i + k].addr;
            rec.elems[k].timeout_s = v[i + k].timeout_s;
        }
        rec.count = (uint32_t)k;
        r = priv_send(fd, &rec);
    }
    rec = (struct record){.type = RECORD_COMMIT};
    if (r == 0)
        r = priv_send(fd, &rec);
    if (r == 0 && answers)
        r = priv_answer(fd, &rec);
    if (r == 0 && answers && rec.type != RECORD_APPLIED)
        r = -EPROTO;
    if (r == 0)
        wn->told[handle] = true;
    return r;
}

static int watch_one(struct worker_names *wn, int fd, const struct ipaddr *a,
                     bool answers)
{
    struct record rec = {.type = RECORD_WATCH, .addr = *a};
    size_t i;
    int r;

    rec.on = wn->up && names_has_wild(wn->names, a);
    for (i = 0; i < wn->n_watched; i++)
        if (ipaddr_eq(&wn->watched[i], a))
            break;
    if (rec.on == (i < wn->n_watched) || (rec.on && i == FW_WATCHED_MAX))
        return 0;
    r = priv_send(fd, &rec);
    if (r == 0 && answers)
        r = priv_answer(fd, &rec);
    if (r == 0 && answers && rec.type != RECORD_APPLIED)
        r = -EPROTO;
    if (r < 0)
        return r;
    if (i == wn->n_watched)
        wn->watched[wn->n_watched++] = *a;
    else
        wn->watched[i] = wn->watched[--wn->n_watched];
    return 0;
}

int worker_names_watch(struct worker_names *wn, int fd, const struct source *s,
                       bool answers)
{
    struct ipaddr other;
    int r = watch_one(wn, fd, &s->addr, answers);

    if (r == 0 && names_pair(&s->addr, &other))
        r = watch_one(wn, fd, &other, answers);
    return r;
}

int worker_names_send(struct worker_names *wn, int fd, const struct source *s,
                      const struct rule_source *list, bool answers)
{
    size_t i, n = list->reason ? 0 : list->n;
    int r = 0;

    for (i = 0; i < n && r == 0; i++) {
        unsigned h = list->v[i].m.name_set;

        if (h != 0 && (!wn->told[h] || names_set_changed(wn->names, h)))
            r = send_set(wn, fd, h, answers);
    }
    return r == 0 ? worker_names_watch(wn, fd, s, answers) : r;
}

/* What waited may pass, now that the sets are as they should be. */
static int let_pass(struct worker_names *wn, int fd)
{
    struct record rec = {.type = RECORD_PASS};
    size_t i;
    int r = 0;

    for (i = 0; i < wn->n_waiting && r == 0; i++) {
        rec.count = wn->waiting[i];
        r = priv_send(fd, &rec);
    }
    wn->n_waiting = 0;
    if (r == 0 && wn->pass_all) {
        rec = (struct record){.type = RECORD_PASS, .on = true};
        wn->pass_all = false;
        r = priv_send(fd, &rec);
    }
    return r;
}

/* ---- to dom0 ---- */
static int tell_status(struct worker_names *wn, struct qdb *q, struct source *s,
                       unsigned number)
{
    int first;
    char text[NAMES_STATUS_MAX], status[RULE_SOURCE_STATUS_MAX];
    int r;

    names_status(wn->names, &s->addr, number, io_now_ms(), text);
    r = worker_qdb_name(q, s->text, number, text[0] ? text : NULL);
    first = unresolved(wn, s);
    if (r < 0 || s->blocked || first == s->unresolved)
        return r;
    s->unresolved = first;
    rule_source_applied(s->n, first, status);
    return worker_qdb_report(q, s, status, false);
}

int worker_names_run(struct worker_names *wn, int fd, struct qdb *q,
                     struct source_set *sources)
{
    struct names_change c;
    struct source *s;
    size_t i;
    int r = 0;

    resolver_client_feed(wn->client);
    /* Before the chain goes, as the kernel drops what waits then. */
    if (wn->pass_all)
        r = let_pass(wn, fd);
    for (i = 0; wn->rewatch && i < sources->n && r == 0; i++)
        r = worker_names_watch(wn, fd, &sources->v[i], true);
    wn->rewatch = false;
    while (r == 0 && names_next(wn->names, io_now_ms(), &c)) {
        s = c.kind == NAMES_SET ? NULL : source_set_find(sources, &c.source);
        if (c.kind == NAMES_SET && wn->told[c.set])
            r = send_set(wn, fd, c.set, true);
        else if (c.kind == NAMES_LIST && s)
            s->lapsed = true;
        else if (c.kind == NAMES_STATUS && s)
            r = tell_status(wn, q, s, c.number);
        if (c.kind == NAMES_STATUS && r == 0)
            r = let_pass(wn, fd); /* all sets have been told before */
    }
    return r == 0 ? let_pass(wn, fd) : r;
}

uint32_t worker_names_wait_ms(const struct worker_names *wn)
{
    return names_wait_ms(wn->names, io_now_ms());
}

/* ---- status keys of rules that are gone ---- */
static bool is_stale(const struct ipaddr *source, unsigned number, void *arg)
{
    const struct worker_names *wn = arg;
    char text[NAMES_STATUS_MAX];

    return names_status(wn->names, source, number, io_now_ms(), text)[0] ==
           '\0';
}

int worker_names_tidy(struct worker_names *wn, struct qdb *q,
                      const struct source *source)
{
    return worker_qdb_names_tidy(q, source ? source->text : "", is_stale, wn);
}
