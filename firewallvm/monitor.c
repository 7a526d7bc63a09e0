/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The monitor's table of records and its state. pure (effects behind
 * struct monitor_ops). Fed by the worker (not trusted). See monitor.h.
 *
 * Before READY lists are only collected; READY puts the whole table in
 * place in one transaction. After it every COMMIT is one transaction. The
 * state is kept, so that the table can be put in place again at any time. */
#include "firewallvm/monitor.h"

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"

/* States, as bits for the table's "when". */
#define AT_START 1u       /* collecting, between lists */
#define AT_START_LIST 2u  /* collecting, within a list */
#define AT_START_PATHS 4u /* collecting, within paths */
#define AT_RUN 8u         /* in force, between lists */
#define AT_RUN_LIST 16u   /* in force, within a list */
#define AT_RUN_PATHS 32u  /* in force, within paths */
#define AT_START_SET 64u  /* collecting, within a set */
#define AT_RUN_SET 128u   /* in force, within a set */

struct monitor {
    const struct monitor_ops *ops;
    void *arg;
    unsigned state;
    bool seen_dns, seen_snat;
    struct fw_source list;  /* being received; v has room for `expected` */
    enum fw_path_kind kind; /* being received */
    struct fw_path *path;
    size_t n_path;
    unsigned set; /* being received */
    struct name_addr elems[NAME_ADDRS_MAX];
    size_t n_elems;
    size_t expected;
    size_t rules; /* of all sources */
    uint32_t repairs;
    struct fw_count counts[MONITOR_COUNTS_MAX + 1];
    struct fw_state st;
};

int monitor_new(const struct monitor_ops *ops, void *arg, struct monitor **ret)
{
    struct monitor *m = calloc(1, sizeof(*m));

    if (!m)
        return -ENOMEM;
    if (name_sets_new(&m->st.sets) < 0) {
        free(m);
        return -ENOMEM;
    }
    m->ops = ops;
    m->arg = arg;
    m->state = AT_START;
    *ret = m;
    return 0;
}

static void forget_rules(struct fw_source *s)
{
    free(s->v);
    free(s->number);
    s->v = NULL;
    s->number = NULL;
    s->n = 0;
}

void monitor_free(struct monitor *m)
{
    size_t i;

    if (!m)
        return;
    for (i = 0; i < m->st.n; i++)
        forget_rules(&m->st.v[i]);
    forget_rules(&m->list);
    for (i = 0; i < FW_PATH_KINDS; i++)
        free(m->st.path[i]);
    free(m->path);
    name_sets_free(m->st.sets);
    free(m);
}

size_t monitor_sources(const struct monitor *m)
{
    return m->st.n;
}

static bool is_running(const struct monitor *m)
{
    return (m->state & (AT_RUN | AT_RUN_LIST | AT_RUN_PATHS | AT_RUN_SET)) != 0;
}

static struct fw_source *find(struct monitor *m, const struct ipaddr *addr)
{
    size_t i;

    for (i = 0; i < m->st.n; i++)
        if (ipaddr_eq(&m->st.v[i].addr, addr))
            return &m->st.v[i];
    return NULL;
}

/* @return 1; -errno */
static int send_record(struct monitor *m, const struct record *rec)
{
    uint8_t bytes[RECORD_BYTES];
    int r = record_encode(rec, bytes);

    if (r == 0)
        r = m->ops->answer(m->arg, bytes);
    return r < 0 ? r : 1;
}

static int answer(struct monitor *m, enum record_type type,
                  const struct ipaddr *addr, uint32_t count)
{
    struct record rec = {.type = type, .count = count};

    if (addr)
        rec.addr = *addr;
    return send_record(m, &rec);
}

/* The whole table anew. */
static int start(struct monitor *m)
{
    int r;

    name_sets_unsettle(m->st.sets);
    r = m->ops->start(m->arg, &m->st);
    if (r == 0)
        name_sets_place(m->st.sets);
    return r;
}

/* ---- handlers: one record each ---- */
static int on_dns(struct monitor *m, const struct record *rec)
{
    int r;

    if (m->state == AT_START) {
        if (m->seen_dns)
            return -EPROTO;
        m->seen_dns = true;
        m->st.dns = rec->dns;
        return 0;
    }
    r = m->ops->set_dns(m->arg, &rec->dns);
    if (r < 0)
        return r;
    m->st.dns = rec->dns;
    return answer(m, RECORD_APPLIED, NULL, 0);
}

/* A chain more or less, so the table is made anew. */
static int on_snat(struct monitor *m, const struct record *rec)
{
    int r;

    if (m->state == AT_START) {
        if (m->seen_snat)
            return -EPROTO;
        m->seen_snat = true;
        m->st.snat = rec->on;
        return 0;
    }
    m->st.snat = rec->on;
    r = start(m);
    return r < 0 ? r : answer(m, RECORD_APPLIED, NULL, 0);
}

static int on_begin(struct monitor *m, const struct record *rec)
{
    bool start = m->state == AT_START;
    bool known = find(m, &rec->addr) != NULL;

    if (start && known)
        return -EPROTO;
    if (!known && m->st.n >= FW_SOURCES_MAX)
        return -ENOBUFS;
    if (start && m->rules + rec->count > MONITOR_RULES_MAX)
        return -ENOBUFS;
    m->list = (struct fw_source){
        .addr = rec->addr, .policy = rec->policy, .limits = rec->limits};
    if (rec->count > 0) {
        m->list.v = calloc(rec->count, sizeof(*m->list.v));
        m->list.number = calloc(rec->count, sizeof(*m->list.number));
        if (!m->list.v || !m->list.number)
            return -ENOMEM;
    }
    m->expected = rec->count;
    m->state = start ? AT_START_LIST : AT_RUN_LIST;
    return 0;
}

static int on_rule(struct monitor *m, const struct record *rec)
{
    struct fw_source *l = &m->list;

    if (l->n >= m->expected)
        return -EPROTO;
    if (rec->match.dst_kind == FW_DST_NET &&
        rec->match.dst.addr.family != l->addr.family)
        return -EBADMSG;
    if (rec->match.name_set != 0 &&
        (!name_sets_known(m->st.sets, rec->match.name_set) ||
         name_handle_family(rec->match.name_set) != l->addr.family))
        return -EPROTO;
    if (l->n > 0 && rec->number <= l->number[l->n - 1])
        return -EPROTO;
    l->number[l->n] = rec->number;
    l->v[l->n++] = rec->match;
    return 0;
}

/* The list received takes the place of the one before. */
static void keep_list(struct monitor *m, struct fw_source *place)
{
    m->rules += m->list.n;
    m->rules -= place->n;
    forget_rules(place);
    *place = m->list;
    m->list = (struct fw_source){0};
}

/* The list is refused by the kernel (out of memory, say): nothing of the
 * source passes, rather than what an older list allowed. */
static int block_source(struct monitor *m, const struct fw_source *old, int err)
{
    struct fw_source placed;
    int r;

    forget_rules(&m->list);
    placed = m->list;
    m->list.policy = FW_DROP;
    m->list.n_sets = 0;
    r = m->ops->apply(m->arg, &m->st, &m->list, placed.placed ? &placed : old);
    return r < 0 ? r : answer(m, RECORD_FAILED, &m->list.addr, (uint32_t)-err);
}

static int commit_running(struct monitor *m)
{
    struct fw_source *old = find(m, &m->list.addr);
    size_t others = m->rules - (old ? old->n : 0);
    int r = -ENOBUFS;

    if (old)
        name_sets_use(m->st.sets, old->v, old->n, false);
    name_sets_use(m->st.sets, m->list.v, m->list.n, true);
    if (others + m->list.n <= MONITOR_RULES_MAX)
        r = m->ops->apply(m->arg, &m->st, &m->list, old);
    if (r < 0) {
        if (m->list.placed)
            name_sets_settle(m->st.sets);
        name_sets_use(m->st.sets, m->list.v, m->list.n, false);
        r = block_source(m, old, r);
    } else {
        r = answer(m, RECORD_APPLIED, &m->list.addr, (uint32_t)m->list.n);
    }
    if (r < 0)
        return r;
    name_sets_settle(m->st.sets);
    keep_list(m, old ? old : &m->st.v[m->st.n++]);
    m->state = AT_RUN;
    return r;
}

static int commit_paths(struct monitor *m)
{
    bool start = m->state == AT_START_PATHS;
    int r;

    free(m->st.path[m->kind]);
    m->st.path[m->kind] = STEAL(m->path);
    m->st.n_path[m->kind] = m->n_path;
    m->state = start ? AT_START : AT_RUN;
    if (start)
        return 0;
    r = m->ops->paths(m->arg, &m->st, m->kind);
    return r < 0 ? r : answer(m, RECORD_APPLIED, NULL, 0);
}

static int commit_set(struct monitor *m)
{
    bool begin = m->state == AT_START_SET, lost;
    int r = name_sets_put(m->st.sets, m->set, m->elems, m->n_elems,
                          m->ops->now_ms(m->arg), &lost);

    m->state = begin ? AT_START : AT_RUN;
    if (r == 0 && name_sets_placed(m->st.sets, m->set))
        r = m->ops->set(m->arg, &m->st, m->set, lost);
    if (r < 0 || begin)
        return r;
    return answer(m, RECORD_APPLIED, NULL, 0);
}

static int on_commit(struct monitor *m, const struct record *rec)
{
    (void)rec;
    if (m->state & (AT_START_SET | AT_RUN_SET))
        return m->n_elems == m->expected ? commit_set(m) : -EPROTO;
    if (m->state & (AT_START_PATHS | AT_RUN_PATHS))
        return m->n_path == m->expected ? commit_paths(m) : -EPROTO;
    if (m->list.n != m->expected)
        return -EPROTO;
    if (m->state == AT_RUN_LIST)
        return commit_running(m);
    name_sets_use(m->st.sets, m->list.v, m->list.n, true);
    keep_list(m, &m->st.v[m->st.n++]);
    m->state = AT_START;
    return 0;
}

static int on_remove(struct monitor *m, const struct record *rec)
{
    struct fw_source *s = find(m, &rec->addr);
    int r;

    if (!s)
        return -EPROTO;
    name_sets_use(m->st.sets, s->v, s->n, false);
    r = m->ops->remove(m->arg, &m->st, s);
    if (r < 0)
        return r;
    name_sets_settle(m->st.sets);
    m->rules -= s->n;
    forget_rules(s);
    *s = m->st.v[--m->st.n];
    m->st.v[m->st.n] = (struct fw_source){0};
    return answer(m, RECORD_APPLIED, &rec->addr, 0);
}

static int on_ready(struct monitor *m, const struct record *rec)
{
    int r;

    if (rec->count != m->st.n || !m->seen_dns || !m->seen_snat)
        return -EPROTO;
    r = start(m);
    if (r < 0)
        return r;
    m->state = AT_RUN;
    return answer(m, RECORD_SYNCED, NULL, (uint32_t)m->st.n);
}

static int on_paths(struct monitor *m, const struct record *rec)
{
    m->path = calloc(rec->count + 1, sizeof(*m->path));
    if (!m->path)
        return -ENOMEM;
    m->kind = rec->kind;
    m->n_path = 0;
    m->expected = rec->count;
    m->state = m->state == AT_START ? AT_START_PATHS : AT_RUN_PATHS;
    return 0;
}

static int on_path(struct monitor *m, const struct record *rec)
{
    if (m->n_path >= m->expected || rec->kind != m->kind)
        return -EPROTO;
    m->path[m->n_path++] = rec->path;
    return 0;
}

static int on_set(struct monitor *m, const struct record *rec)
{
    m->set = rec->set;
    m->n_elems = 0;
    m->expected = rec->count;
    m->state = m->state == AT_START ? AT_START_SET : AT_RUN_SET;
    return 0;
}

static int on_elems(struct monitor *m, const struct record *rec)
{
    size_t i;

    if (m->n_elems + rec->count > m->expected)
        return -EPROTO;
    for (i = 0; i < rec->count; i++)
        m->elems[m->n_elems++] = rec->elems[i];
    return 0;
}

static int on_watch(struct monitor *m, const struct record *rec)
{
    struct fw_state *st = &m->st;
    size_t i, had = st->n_watched;
    int r;

    for (i = 0; i < had; i++)
        if (ipaddr_eq(&st->watched[i], &rec->addr))
            break;
    if (rec->on == (i < had) || (rec->on && had == FW_WATCHED_MAX))
        return -EPROTO;
    if (rec->on)
        st->watched[st->n_watched++] = rec->addr;
    else
        st->watched[i] = st->watched[--st->n_watched];
    if (m->state == AT_START)
        return 0;
    r = m->ops->watch(m->arg, st, had);
    return r < 0 ? r : answer(m, RECORD_APPLIED, NULL, 0);
}

/* Allowed at any time: it changes no list. */
static int on_pass(struct monitor *m, const struct record *rec)
{
    return m->ops->pass(m->arg, rec->count, rec->on);
}

/* ---- counters ---- */
static int send_counts(struct monitor *m, size_t n)
{
    size_t i, k;
    int r = 0;

    for (i = 0; i < n && r >= 0; i += k) {
        struct record rec = {.type = RECORD_COUNTS_OF};

        for (k = 0; k < RECORD_COUNTS && i + k < n; k++)
            rec.counts[k] = m->counts[i + k];
        rec.count = (uint32_t)k;
        r = send_record(m, &rec);
    }
    return r < 0 ? r : 0;
}

static int on_count(struct monitor *m, const struct record *rec)
{
    struct record totals = {.type = RECORD_TOTALS, .addr = rec->addr};
    const struct fw_source *s = NULL;
    size_t n = 0;
    int r;

    if (rec->addr.family == 0) {
        r = m->ops->count_all(m->arg);
    } else {
        s = find(m, &rec->addr);
        if (!s)
            return -EPROTO;
        r = m->ops->count(m->arg, s, &totals.totals, m->counts, &n);
    }
    if (r == 0 && s)
        r = send_record(m, &totals);
    if (r >= 0)
        r = send_counts(m, n);
    return r < 0 ? r : answer(m, RECORD_COUNTED, NULL, m->repairs);
}

/* ---- what the kernel says ---- */
int monitor_device(struct monitor *m, const char *name, bool there)
{
    struct fw_state *st = &m->st;
    size_t i;

    for (i = 0; i < st->n_devices; i++)
        if (strcmp(st->device[i], name) == 0)
            break;
    if (there == (i < st->n_devices) || strlen(name) >= FW_DEVICE_NAME_MAX)
        return 0;
    if (there) {
        if (i == FW_DEVICES_MAX)
            return 0; /* its flows are not offloaded, no more */
        strcpy(st->device[st->n_devices++], name);
    } else if (i < --st->n_devices) {
        strcpy(st->device[i], st->device[st->n_devices]);
    }
    if (!is_running(m))
        return 0;
    return m->ops->device(m->arg, name, there);
}

int monitor_repair(struct monitor *m)
{
    int r;

    if (!is_running(m))
        return 0;
    r = start(m);
    if (r == 0)
        m->repairs++;
    return r;
}

/* ---- the table; sizes and fields: record.c ---- */
static const struct {
    enum record_type type;
    unsigned when;
    int (*handle)(struct monitor *m, const struct record *rec);
} REQUESTS[] = {
    {RECORD_DNS, AT_START | AT_RUN, on_dns},
    {RECORD_SNAT, AT_START | AT_RUN, on_snat},
    {RECORD_BEGIN, AT_START | AT_RUN, on_begin},
    {RECORD_RULE, AT_START_LIST | AT_RUN_LIST, on_rule},
    {RECORD_COMMIT,
     AT_START_LIST | AT_RUN_LIST | AT_START_PATHS | AT_RUN_PATHS |
         AT_START_SET | AT_RUN_SET,
     on_commit},
    {RECORD_WATCH, AT_START | AT_RUN, on_watch},
    {RECORD_PASS, ~0u, on_pass},
    {RECORD_SET, AT_START | AT_RUN, on_set},
    {RECORD_ELEMS, AT_START_SET | AT_RUN_SET, on_elems},
    {RECORD_REMOVE, AT_RUN, on_remove},
    {RECORD_READY, AT_START, on_ready},
    {RECORD_PATHS, AT_START | AT_RUN, on_paths},
    {RECORD_PATH, AT_START_PATHS | AT_RUN_PATHS, on_path},
    {RECORD_COUNT, AT_RUN, on_count},
};

int monitor_take(struct monitor *m, const uint8_t untrusted[RECORD_BYTES])
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
        return REQUESTS[i].handle(m, &rec);
    }
    return -EPROTO;
}
