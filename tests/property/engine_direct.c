/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The monitor of firewallvmd in the test's own process. effect. Rules take
 * the whole way: canonical text, parser, record, monitor, kernel. */
#include "tests/property/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "firewallvm/monitor.h"
#include "firewallvm/monitor_kernel.h"
#include "lib/err.h"
#include "lib/privsep.h"
#include "rules/rule_format.h"
#include "rules/rule_parse.h"

struct direct {
    struct monitor_kernel *kernel;
    struct monitor *m;
    int fd[2]; /* the monitor's end, ours */
    bool usual;
};

static int take(struct direct *d, const struct record *rec,
                enum record_type want)
{
    uint8_t bytes[RECORD_BYTES], answer[RECORD_BYTES];
    struct record told;
    int r = record_encode(rec, bytes);

    if (r == 0)
        r = monitor_take(d->m, bytes);
    if (r <= 0 || want == 0)
        return r < 0 ? r : want == 0 ? 0 : -EPROTO;
    r = privsep_recv(d->fd[1], answer, sizeof(answer));
    if (r == 0)
        r = record_decode(answer, &told);
    return r < 0 ? r : told.type == want ? 0 : -EPROTO;
}

/* The rule as it comes out of its own canonical text. */
static int by_text(const struct fw_rule *rule, struct fw_match *ret)
{
    char text[FW_TEXT_MAX];
    struct fw_rule again;
    int r = rule_format_qdb(rule, text, sizeof(text));

    if (r < 0)
        return r;
    r = rule_parse_qdb(text_of(text), &again, NULL);
    if (r < 0 || !rule_eq(rule, &again)) {
        fprintf(stderr, "read back as another rule: %s\n", text);
        return -EBADMSG;
    }
    *ret = again.m;
    return 0;
}

static const struct fw_limits WIDE = {
    .flows = FW_FLOWS_MAX, .rate = FW_RATE_MAX, .burst = FW_RATE_MAX};

static int send_list(struct direct *d, const struct engine_source *s,
                     enum record_type want)
{
    struct record rec = {
        .type = RECORD_BEGIN,
        .addr = s->addr,
        .policy = s->list->policy,
        .limits = d->usual ? limits_default() : WIDE,
        .count = (uint32_t)s->list->n,
    };
    size_t i;
    int r = take(d, &rec, 0);

    for (i = 0; i < s->list->n && r == 0; i++) {
        rec = (struct record){.type = RECORD_RULE, .number = (uint16_t)i};
        r = by_text(&s->list->v[i], &rec.match);
        if (r == 0)
            r = take(d, &rec, 0);
    }
    rec = (struct record){.type = RECORD_COMMIT};
    return r == 0 ? take(d, &rec, want) : r;
}

static int send_dns(struct direct *d, const struct fw_dns *dns,
                    enum record_type want)
{
    struct record rec = {.type = RECORD_DNS, .dns = *dns};

    return take(d, &rec, want);
}

static int direct_start(struct engine *e, const struct engine_source *v,
                        size_t n, const struct fw_dns *dns)
{
    struct record rec = {.type = RECORD_SNAT};
    struct direct *d = e->state;
    uint32_t count = 0;
    size_t i;
    int r;

    monitor_free(d->m);
    d->m = NULL;
    r = monitor_new(&MONITOR_KERNEL_OPS, d->kernel, &d->m);
    if (r == 0)
        r = send_dns(d, dns, 0);
    if (r == 0)
        r = take(d, &rec, 0);
    for (i = 0; i < n && r == 0; i++) {
        if (!v[i].list)
            continue;
        r = send_list(d, &v[i], 0);
        count++;
    }
    rec = (struct record){.type = RECORD_READY, .count = count};
    return r == 0 ? take(d, &rec, RECORD_SYNCED) : r;
}

static int direct_apply(struct engine *e, const struct engine_source *s)
{
    return send_list(e->state, s, RECORD_APPLIED);
}

static int direct_remove(struct engine *e, const struct ipaddr *addr)
{
    struct record rec = {.type = RECORD_REMOVE, .addr = *addr};

    return take(e->state, &rec, RECORD_APPLIED);
}

/* As the worker does: the resolvers, then every list again. */
static int direct_dns(struct engine *e, const struct fw_dns *dns,
                      const struct engine_source *v, size_t n)
{
    size_t i;
    int r = send_dns(e->state, dns, RECORD_APPLIED);

    for (i = 0; i < n && r == 0; i++)
        if (v[i].list)
            r = send_list(e->state, &v[i], RECORD_APPLIED);
    return r;
}

int engine_direct(struct engine *ret, bool usual)
{
    static const struct engine_verbs VERBS = {
        .start = direct_start,
        .apply = direct_apply,
        .remove = direct_remove,
        .set_dns = direct_dns,
    };
    struct direct *d = calloc(1, sizeof(*d));
    int r = d ? monitor_kernel_new(&d->kernel) : -ENOMEM;

    if (r == 0 &&
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, d->fd) < 0)
        r = err_last();
    if (r < 0) {
        free(d);
        return r;
    }
    d->usual = usual;
    monitor_kernel_worker(d->kernel, d->fd[0]);
    *ret = (struct engine){.verbs = &VERBS, .state = d};
    return 0;
}
