/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The monitor's table of records and its state. pure (effects behind
 * struct monitor_ops). Fed by the worker (not trusted). See monitor.h.
 *
 * Before READY lists are only collected; READY puts the whole table in
 * place in one transaction. After it every COMMIT is one transaction. */
#include "firewallvm/monitor.h"

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"

/* States, as bits for the table's "when". */
#define AT_START 1u      /* collecting, between lists */
#define AT_START_LIST 2u /* collecting, within a list */
#define AT_RUN 4u        /* in force, between lists */
#define AT_RUN_LIST 8u   /* in force, within a list */

struct monitor {
    const struct monitor_ops *ops;
    void *arg;
    unsigned state;
    bool snat;
    bool seen_dns, seen_snat;
    struct fw_dns dns;
    struct fw_source list; /* being received; v has room for `expected` */
    size_t expected;
    size_t start_rules; /* collected before READY */
    size_t n;
    struct fw_source v[MONITOR_SOURCES_MAX]; /* rules only before READY */
};

int monitor_new(const struct monitor_ops *ops, void *arg, struct monitor **ret)
{
    struct monitor *m = calloc(1, sizeof(*m));

    if (!m)
        return -ENOMEM;
    m->ops = ops;
    m->arg = arg;
    m->state = AT_START;
    *ret = m;
    return 0;
}

static void forget_rules(struct fw_source *s)
{
    free(s->v);
    s->v = NULL;
    s->n = 0;
}

void monitor_free(struct monitor *m)
{
    size_t i;

    if (!m)
        return;
    for (i = 0; i < m->n; i++)
        forget_rules(&m->v[i]);
    forget_rules(&m->list);
    free(m);
}

size_t monitor_sources(const struct monitor *m)
{
    return m->n;
}

static struct fw_source *find(struct monitor *m, const struct ipaddr *addr)
{
    size_t i;

    for (i = 0; i < m->n; i++)
        if (ipaddr_eq(&m->v[i].addr, addr))
            return &m->v[i];
    return NULL;
}

static int answer(uint8_t out[RECORD_BYTES], enum record_type type,
                  const struct ipaddr *addr, uint32_t count)
{
    struct record rec = {.type = type, .count = count};
    int r;

    if (addr)
        rec.addr = *addr;
    r = record_encode(&rec, out);
    return r < 0 ? r : 1;
}

/* ---- handlers: one record each ---- */
static int on_dns(struct monitor *m, const struct record *rec, uint8_t *out)
{
    int r;

    if (m->state == AT_START) {
        if (m->seen_dns)
            return -EPROTO;
        m->seen_dns = true;
        m->dns = rec->dns;
        return 0;
    }
    r = m->ops->set_dns(m->arg, &rec->dns);
    if (r < 0)
        return r;
    m->dns = rec->dns;
    return answer(out, RECORD_APPLIED, NULL, 0);
}

static int on_snat(struct monitor *m, const struct record *rec, uint8_t *out)
{
    (void)out;
    if (m->seen_snat)
        return -EPROTO;
    m->seen_snat = true;
    m->snat = rec->on;
    return 0;
}

static int on_begin(struct monitor *m, const struct record *rec, uint8_t *out)
{
    bool start = m->state == AT_START;
    bool known = find(m, &rec->addr) != NULL;

    (void)out;
    if (start && known)
        return -EPROTO;
    if (!known && m->n >= MONITOR_SOURCES_MAX)
        return -ENOBUFS;
    if (start && m->start_rules + rec->count > MONITOR_START_RULES_MAX)
        return -ENOBUFS;
    m->list = (struct fw_source){.addr = rec->addr, .policy = rec->policy};
    if (rec->count > 0) {
        m->list.v = calloc(rec->count, sizeof(*m->list.v));
        if (!m->list.v)
            return -ENOMEM;
    }
    m->expected = rec->count;
    m->state = start ? AT_START_LIST : AT_RUN_LIST;
    return 0;
}

static int on_rule(struct monitor *m, const struct record *rec, uint8_t *out)
{
    (void)out;
    if (m->list.n >= m->expected)
        return -EPROTO;
    if (rec->match.dst_kind == FW_DST_NET &&
        rec->match.dst.addr.family != m->list.addr.family)
        return -EBADMSG;
    m->list.v[m->list.n++] = rec->match;
    return 0;
}

/* The list is refused by the kernel (out of memory, say): nothing of the
 * source passes, rather than what an older list allowed. */
static int block_source(struct monitor *m, bool is_new, int err, uint8_t *out)
{
    struct fw_source shut = {.addr = m->list.addr, .policy = FW_DROP};
    int r = m->ops->apply(m->arg, &shut, is_new, &m->dns);

    if (r < 0)
        return r;
    return answer(out, RECORD_FAILED, &shut.addr, (uint32_t)-err);
}

static int commit_running(struct monitor *m, uint8_t *out)
{
    bool is_new = find(m, &m->list.addr) == NULL;
    uint32_t count = (uint32_t)m->list.n;
    int r = m->ops->apply(m->arg, &m->list, is_new, &m->dns);

    if (r < 0)
        r = block_source(m, is_new, r, out);
    else
        r = answer(out, RECORD_APPLIED, &m->list.addr, count);
    forget_rules(&m->list);
    if (r < 0)
        return r;
    if (is_new)
        m->v[m->n++] = (struct fw_source){.addr = m->list.addr};
    m->state = AT_RUN;
    return r;
}

static int on_commit(struct monitor *m, const struct record *rec, uint8_t *out)
{
    (void)rec;
    if (m->list.n != m->expected)
        return -EPROTO;
    if (m->state == AT_RUN_LIST)
        return commit_running(m, out);
    m->start_rules += m->list.n;
    m->v[m->n++] = m->list;
    m->list = (struct fw_source){0};
    m->state = AT_START;
    return 0;
}

static int on_remove(struct monitor *m, const struct record *rec, uint8_t *out)
{
    struct fw_source *s = find(m, &rec->addr);
    int r;

    if (!s)
        return -EPROTO;
    r = m->ops->remove(m->arg, &rec->addr);
    if (r < 0)
        return r;
    *s = m->v[--m->n];
    return answer(out, RECORD_APPLIED, &rec->addr, 0);
}

static int on_ready(struct monitor *m, const struct record *rec, uint8_t *out)
{
    size_t i;
    int r;

    if (rec->count != m->n || !m->seen_dns || !m->seen_snat)
        return -EPROTO;
    r = m->ops->start(m->arg, m->v, m->n, &m->dns, m->snat);
    if (r < 0)
        return r;
    for (i = 0; i < m->n; i++)
        forget_rules(&m->v[i]);
    m->state = AT_RUN;
    return answer(out, RECORD_SYNCED, NULL, (uint32_t)m->n);
}

/* ---- the table; sizes and fields: record.c ---- */
static const struct {
    enum record_type type;
    unsigned when;
    int (*handle)(struct monitor *m, const struct record *rec, uint8_t *out);
} REQUESTS[] = {
    {RECORD_DNS, AT_START | AT_RUN, on_dns},
    {RECORD_SNAT, AT_START, on_snat},
    {RECORD_BEGIN, AT_START | AT_RUN, on_begin},
    {RECORD_RULE, AT_START_LIST | AT_RUN_LIST, on_rule},
    {RECORD_COMMIT, AT_START_LIST | AT_RUN_LIST, on_commit},
    {RECORD_REMOVE, AT_RUN, on_remove},
    {RECORD_READY, AT_START, on_ready},
};

int monitor_take(struct monitor *m, const uint8_t untrusted[RECORD_BYTES],
                 uint8_t ret_answer[RECORD_BYTES])
{
    struct record rec;
    size_t i;
    int r = record_decode(untrusted, &rec);

    if (r < 0)
        return r;
    for (i = 0; i < ARRAY_LEN(REQUESTS); i++) {
        if (REQUESTS[i].type != rec.type)
            continue;
        if ((REQUESTS[i].when & m->state) == 0)
            return -EPROTO;
        return REQUESTS[i].handle(m, &rec, ret_answer);
    }
    return -EPROTO;
}
