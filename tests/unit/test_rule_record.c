/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of firewallvm/record.c and monitor.c: what the monitor takes from
 * its worker, and what it does not. The kernel is a fake that notes what it
 * was asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "firewallvm/monitor.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/parse.h"

/* ---- records alone ---- */
static struct ipaddr addr(const char *text)
{
    struct ipaddr a = {0};

    assert_int_equal(ipaddr_parse(text_of(text), &a), 0);
    return a;
}

static struct record rule_record(void)
{
    struct record rec = {.type = RECORD_RULE, .number = 9999};

    rec.match = (struct fw_match){
        .action = FW_ACCEPT,
        .dst_kind = FW_DST_NET,
        .proto = FW_PROTO_TCP,
        .has_ports = true,
        .port_first = 80,
        .port_last = 443,
        .dst = {.addr = addr("10.1.2.3"), .prefix = 8},
    };
    return rec;
}

static void check_same(const struct record *a, const struct record *b)
{
    size_t i;

    assert_int_equal(a->type, b->type);
    assert_int_equal(a->count, b->count);
    assert_true(ipaddr_eq(&a->addr, &b->addr));
    assert_int_equal(a->policy, b->policy);
    assert_int_equal(a->on, b->on);
    assert_int_equal(a->match.action, b->match.action);
    assert_int_equal(a->match.dst_kind, b->match.dst_kind);
    assert_int_equal(a->match.proto, b->match.proto);
    assert_int_equal(a->match.dns, b->match.dns);
    assert_int_equal(a->match.has_ports, b->match.has_ports);
    assert_int_equal(a->match.has_icmptype, b->match.has_icmptype);
    assert_int_equal(a->match.icmptype, b->match.icmptype);
    assert_int_equal(a->match.port_first, b->match.port_first);
    assert_int_equal(a->match.port_last, b->match.port_last);
    assert_int_equal(a->match.dst.prefix, b->match.dst.prefix);
    assert_true(ipaddr_eq(&a->match.dst.addr, &b->match.dst.addr));
    assert_memory_equal(&a->dns, &b->dns, sizeof(a->dns));
    assert_int_equal(a->number, b->number);
    assert_int_equal(a->kind, b->kind);
    assert_memory_equal(&a->limits, &b->limits, sizeof(a->limits));
    assert_true(ipaddr_eq(&a->path.dst, &b->path.dst));
    assert_true(ipaddr_eq(&a->path.src.addr, &b->path.src.addr));
    assert_int_equal(a->path.src.prefix, b->path.src.prefix);
    assert_int_equal(a->path.l4proto, b->path.l4proto);
    assert_int_equal(a->path.first, b->path.first);
    assert_int_equal(a->path.last, b->path.last);
    assert_memory_equal(&a->totals, &b->totals, sizeof(a->totals));
    for (i = 0; i < RECORD_COUNTS; i++) {
        assert_int_equal(a->counts[i].number, b->counts[i].number);
        assert_int_equal(a->counts[i].packets, b->counts[i].packets);
        assert_int_equal(a->counts[i].bytes, b->counts[i].bytes);
    }
}

static struct fw_path path(enum fw_path_kind kind, const char *text)
{
    struct fw_path p = {0};
    const char *reason;

    assert_int_equal(path_parse(kind, text_of(text), &p, &reason), 0);
    return p;
}

static void test_round_trip(void **state)
{
    struct record recs[] = {
        {.type = RECORD_DNS},
        {.type = RECORD_DNS, .dns = {.n = 2}},
        {.type = RECORD_SNAT, .on = true},
        {.type = RECORD_SNAT},
        {.type = RECORD_BEGIN, .policy = FW_DROP, .count = FW_RULES_MAX},
        {.type = RECORD_BEGIN, .policy = FW_ACCEPT},
        rule_record(),
        rule_record(),
        rule_record(),
        {.type = RECORD_COMMIT},
        {.type = RECORD_REMOVE},
        {.type = RECORD_READY, .count = 512},
        {.type = RECORD_SYNCED, .count = 3},
        {.type = RECORD_APPLIED},
        {.type = RECORD_APPLIED, .count = 4096},
        {.type = RECORD_FAILED, .count = ENOMEM},
        {.type = RECORD_PATHS, .kind = FW_PATH_EDGE, .count = FW_PATHS_MAX},
        {.type = RECORD_PATHS},
        {.type = RECORD_PATH},
        {.type = RECORD_PATH, .kind = FW_PATH_EDGE},
        {.type = RECORD_COUNT},
        {.type = RECORD_TOTALS,
         .totals = {UINT64_MAX, 1ull << 40, 3, 4, UINT32_MAX}},
        {.type = RECORD_COUNTS_OF,
         .count = 2,
         .counts = {{9999, 1ull << 33, 2}, {FW_COUNT_OF_POLICY, 3, 4}}},
        {.type = RECORD_COUNTED, .count = 7},
    };
    uint8_t bytes[RECORD_BYTES];
    struct record back;
    size_t i;

    (void)state;
    recs[1].dns.addr[0] = addr("10.139.1.1");
    recs[1].dns.addr[1] = addr("fd00::1");
    recs[4].limits = (struct fw_limits){FW_FLOWS_MAX, FW_RATE_MAX, FW_RATE_MAX,
                                        FW_BANDWIDTH_MAX, FW_QUOTA_MAX};
    recs[5].limits = limits_default();
    recs[18].path = path(FW_PATH_INBOUND, "tcp fd09::5 22-80 2001:db8::/32");
    recs[19].path = path(FW_PATH_EDGE, "10.137.0.5 10.137.0.6 any any");
    recs[21].addr = addr("10.137.0.5");
    recs[4].addr = addr("10.137.0.5");
    recs[5].addr = addr("fd09::5");
    recs[7].match = (struct fw_match){.action = FW_DROP,
                                      .proto = FW_PROTO_ICMP,
                                      .has_icmptype = true,
                                      .icmptype = 128};
    recs[8].match = (struct fw_match){
        .action = FW_DROP, .dst_kind = FW_DST_NAME, .dns = true};
    recs[10].addr = addr("10.137.0.5");
    recs[14].addr = addr("10.137.0.5");
    recs[15].addr = addr("fd09::5");
    for (i = 0; i < ARRAY_LEN(recs); i++) {
        assert_int_equal(record_encode(&recs[i], bytes), 0);
        assert_int_equal(record_decode(bytes, &back), 0);
        check_same(&recs[i], &back);
    }
}

/* Wire offsets of a RULE record: 8 action, 9 dst_kind, 10 proto, 11 flags,
 * 12 icmptype, 13 prefix, 14 first, 16 last, 18 family, 19 address, 35
 * number. */
static const struct {
    const char *name;
    size_t at;
    uint8_t value;
} BAD_RULE[] = {
    {"type 0", 0, 0},
    {"type 11", 0, 11},
    {"type above a byte", 1, 1},
    {"type, last byte", 3, 1},
    {"a count", 4, 1},
    {"count, last byte", 7, 1},
    {"action 0", 8, 0},
    {"action 3", 8, 3},
    {"dst_kind 3", 9, 3},
    {"dst any with a network", 9, 0},
    {"dst name with a network", 9, 2},
    {"proto 4", 10, 4},
    {"ports with icmp", 10, 3},
    {"flags 8", 11, 8},
    {"flags 255", 11, 255},
    {"ports without the flag", 11, 0},
    {"icmptype with tcp", 11, 6},
    {"icmptype without the flag", 12, 1},
    {"prefix 33", 13, 33},
    {"prefix 255", 13, 255},
    {"reversed ports", 15, 2},
    {"dns with other ports", 11, 3},
    {"family 5", 18, 5},
    {"family 0", 18, 0},
    {"IPv4 with a long address", 23, 1},
    {"IPv4, last byte", 34, 1},
    {"number 10000 and more", 36, 0x28},
    {"byte behind the body", 37, 1},
    {"last byte", RECORD_BYTES - 1, 1},
};

static void test_bad_rule(void **state)
{
    struct record rec = rule_record(), back;
    uint8_t good[RECORD_BYTES], bad[RECORD_BYTES];
    size_t i;

    (void)state;
    assert_int_equal(record_encode(&rec, good), 0);
    for (i = 0; i < ARRAY_LEN(BAD_RULE); i++) {
        memcpy(bad, good, sizeof(bad));
        bad[BAD_RULE[i].at] = BAD_RULE[i].value;
        if (record_decode(bad, &back) != -EBADMSG)
            fail_msg("%s passed", BAD_RULE[i].name);
    }
}

static void test_bad_others(void **state)
{
    struct record begin = {.type = RECORD_BEGIN,
                           .policy = FW_DROP,
                           .limits = limits_default()},
                  dns = {.type = RECORD_DNS, .dns = {.n = 1}},
                  snat = {.type = RECORD_SNAT},
                  commit = {.type = RECORD_COMMIT}, back;
    uint8_t b[RECORD_BYTES];

    (void)state;
    assert_int_equal(record_encode(&begin, b), -EINVAL); /* no address */
    begin.addr = addr("10.137.0.5");
    begin.count = FW_RULES_MAX + 1;
    assert_int_equal(record_encode(&begin, b), -EINVAL);
    begin.count = 0;
    begin.policy = 0;
    assert_int_equal(record_encode(&begin, b), -EINVAL);
    begin.policy = FW_DROP;
    assert_int_equal(record_encode(&begin, b), 0);
    begin.limits.flows = 0;
    assert_int_equal(record_encode(&begin, b), -EINVAL);
    assert_int_equal(record_encode(&dns, b), -EINVAL); /* n without one */
    dns.dns.addr[0] = addr("10.139.1.1");
    assert_int_equal(record_encode(&dns, b), 0);
    b[8] = 0; /* an address beyond n */
    assert_int_equal(record_decode(b, &back), -EBADMSG);
    b[8] = FW_DNS_MAX + 1;
    assert_int_equal(record_decode(b, &back), -EBADMSG);
    assert_int_equal(record_encode(&snat, b), 0);
    b[8] = 2;
    assert_int_equal(record_decode(b, &back), -EBADMSG);
    assert_int_equal(record_encode(&commit, b), 0);
    b[8] = 1;
    assert_int_equal(record_decode(b, &back), -EBADMSG);
}

/* ---- the monitor ---- */
struct fake {
    char log[1024];
    int fail_apply; /* so many calls of apply fail */
    int fail_start;
    struct fw_source last;
    struct record answers[8]; /* of the last take() */
    size_t n_answers;
};

static void note(struct fake *f, const char *what, const struct ipaddr *a,
                 unsigned long n)
{
    char text[IPADDR_TEXT_MAX];
    size_t len = strlen(f->log);

    snprintf(f->log + len, sizeof(f->log) - len, "%s %s %lu;", what,
             a ? ipaddr_format(a, text) : "-", n);
}

static int fake_start(void *arg, struct fw_state *st)
{
    struct fake *f = arg;
    size_t i;

    if (f->fail_start)
        return -EINVAL;
    for (i = 0; i < st->n; i++)
        note(f, "with", &st->v[i].addr, st->v[i].n);
    for (i = 0; i < FW_PATH_KINDS; i++)
        if (st->n_path[i] > 0)
            note(f, i == FW_PATH_EDGE ? "with-edges" : "with-inbound", NULL,
                 st->n_path[i]);
    note(f, st->snat ? "start-snat" : "start", NULL, st->dns.n);
    return 0;
}

static int fake_apply(void *arg, const struct fw_state *st, struct fw_source *s,
                      const struct fw_source *old)
{
    struct fake *f = arg;

    (void)st;
    f->last = *s;
    note(f, old ? "change" : "new", &s->addr, s->n);
    if (f->fail_apply > 0) {
        f->fail_apply--;
        return -ENOMEM;
    }
    return 0;
}

static int fake_remove(void *arg, const struct fw_state *st,
                       const struct fw_source *s)
{
    (void)st;
    note(arg, "remove", &s->addr, 0);
    return 0;
}

static int fake_dns(void *arg, const struct fw_dns *dns)
{
    note(arg, "dns", NULL, dns->n);
    return 0;
}

static int fake_paths(void *arg, const struct fw_state *st,
                      enum fw_path_kind kind)
{
    note(arg, kind == FW_PATH_EDGE ? "edges" : "inbound", NULL,
         st->n_path[kind]);
    return 0;
}

static int fake_device(void *arg, const char *name, bool there)
{
    char text[32];

    snprintf(text, sizeof(text), "%c%s", there ? '+' : '-', name);
    note(arg, text, NULL, 0);
    return 0;
}

static int fake_count_all(void *arg)
{
    note(arg, "count", NULL, 0);
    return 0;
}

static int fake_count(void *arg, const struct fw_source *s,
                      struct fw_totals *ret_totals, struct fw_count *ret_v,
                      size_t *ret_n)
{
    size_t i;

    note(arg, "count", &s->addr, s->n);
    *ret_totals = (struct fw_totals){.flows = 9};
    for (i = 0; i < s->n; i++)
        ret_v[i] = (struct fw_count){.number = s->number[i], .packets = i};
    ret_v[i] = (struct fw_count){.number = FW_COUNT_OF_POLICY};
    *ret_n = s->n + 1;
    return 0;
}

static int fake_answer(void *arg, const uint8_t rec[RECORD_BYTES])
{
    struct fake *f = arg;

    assert_true(f->n_answers < ARRAY_LEN(f->answers));
    assert_int_equal(record_decode(rec, &f->answers[f->n_answers]), 0);
    f->n_answers++;
    return 0;
}

static const struct monitor_ops FAKE = {
    .start = fake_start,
    .apply = fake_apply,
    .remove = fake_remove,
    .set_dns = fake_dns,
    .paths = fake_paths,
    .device = fake_device,
    .count_all = fake_count_all,
    .count = fake_count,
    .answer = fake_answer,
};

/* One step: a letter, an address, a count. Letters: D dns, S snat, s snat
 * on, B begin, R rule v4, r rule v6, = rule with the number of the one
 * before, C commit, X remove, Y ready, I inbound paths, E edges, p inbound
 * path, P edge, N counters. */
static int take(struct fake *f, struct monitor *m, char what, const char *ip,
                uint32_t count, struct record *answer)
{
    static uint16_t number;
    struct record rec = {.count = count};
    uint8_t in[RECORD_BYTES];
    int r;

    if (ip)
        rec.addr = addr(ip);
    switch (what) {
    case 'D':
        rec.type = RECORD_DNS;
        break;
    case 's':
    case 'S':
        rec.type = RECORD_SNAT;
        rec.on = what == 's';
        break;
    case 'B':
        rec.type = RECORD_BEGIN;
        rec.policy = FW_DROP;
        rec.limits = limits_default();
        break;
    case 'r':
    case 'R':
    case '=':
        rec = rule_record();
        if (what != '=')
            number++;
        rec.number = number;
        if (what == 'r')
            rec.match.dst.addr = addr("fd00::1");
        break;
    case 'C':
        rec.type = RECORD_COMMIT;
        break;
    case 'X':
        rec.type = RECORD_REMOVE;
        break;
    case 'I':
    case 'E':
        rec.type = RECORD_PATHS;
        rec.kind = what == 'E' ? FW_PATH_EDGE : FW_PATH_INBOUND;
        break;
    case 'p':
        rec.type = RECORD_PATH;
        rec.path = path(FW_PATH_INBOUND, "udp 10.137.0.5 53");
        break;
    case 'P':
        rec.type = RECORD_PATH;
        rec.kind = FW_PATH_EDGE;
        rec.path = path(FW_PATH_EDGE, "10.137.0.5 10.137.0.6 icmp any");
        break;
    case 'N':
        rec.type = RECORD_COUNT;
        break;
    default:
        rec.type = RECORD_READY;
        break;
    }
    assert_int_equal(record_encode(&rec, in), 0);
    f->n_answers = 0;
    r = monitor_take(m, in);
    *answer = (struct record){0};
    assert_int_equal(r == 1, f->n_answers > 0);
    if (r == 1)
        *answer = f->answers[f->n_answers - 1];
    return r;
}

struct step {
    char what;
    const char *ip;
    uint32_t count;
    int want; /* of monitor_take() */
};

#define A "10.137.0.5"
#define B6 "fd09::5"

static const struct {
    const char *name;
    struct step steps[10];
    const char *log;
} WAYS[] = {
    {"start without sources",
     {{'D', 0, 0, 0}, {'S', 0, 0, 0}, {'Y', 0, 0, 1}},
     "start - 0;"},
    {"start with one, then a change",
     {{'D', 0, 0, 0},
      {'s', 0, 0, 0},
      {'B', A, 1, 0},
      {'R', 0, 0, 0},
      {'C', 0, 0, 0},
      {'Y', 0, 1, 1},
      {'B', A, 2, 0},
      {'R', 0, 0, 0},
      {'R', 0, 0, 0},
      {'C', 0, 0, 1}},
     "with 10.137.0.5 1;start-snat - 0;change 10.137.0.5 2;"},
    {"a new one, and it goes",
     {{'S', 0, 0, 0},
      {'D', 0, 0, 0},
      {'Y', 0, 0, 1},
      {'B', B6, 0, 0},
      {'C', 0, 0, 1},
      {'X', B6, 0, 1},
      {'X', B6, 0, -EPROTO}},
     "start - 0;new fd09::5 0;remove fd09::5 0;"},
    {"resolvers later",
     {{'D', 0, 0, 0},
      {'S', 0, 0, 0},
      {'Y', 0, 0, 1},
      {'D', 0, 0, 1},
      {'D', 0, 0, 1}},
     "start - 0;dns - 0;dns - 0;"},
    {"ready without resolvers", {{'S', 0, 0, 0}, {'Y', 0, 0, -EPROTO}}, ""},
    {"ready without snat", {{'D', 0, 0, 0}, {'Y', 0, 0, -EPROTO}}, ""},
    {"ready with another count",
     {{'D', 0, 0, 0}, {'S', 0, 0, 0}, {'Y', 0, 1, -EPROTO}},
     ""},
    {"ready within a list",
     {{'D', 0, 0, 0}, {'S', 0, 0, 0}, {'B', A, 0, 0}, {'Y', 0, 0, -EPROTO}},
     ""},
    {"ready twice",
     {{'D', 0, 0, 0}, {'S', 0, 0, 0}, {'Y', 0, 0, 1}, {'Y', 0, 0, -EPROTO}},
     "start - 0;"},
    {"resolvers twice at start", {{'D', 0, 0, 0}, {'D', 0, 0, -EPROTO}}, ""},
    {"snat twice", {{'S', 0, 0, 0}, {'s', 0, 0, -EPROTO}}, ""},
    {"snat later",
     {{'D', 0, 0, 0}, {'S', 0, 0, 0}, {'Y', 0, 0, 1}, {'s', 0, 0, 1}},
     "start - 0;start-snat - 0;"},
    {"paths from the start, then others",
     {{'D', 0, 0, 0},
      {'S', 0, 0, 0},
      {'E', 0, 1, 0},
      {'P', 0, 0, 0},
      {'C', 0, 0, 0},
      {'Y', 0, 0, 1},
      {'I', 0, 1, 0},
      {'p', 0, 0, 0},
      {'C', 0, 0, 1}},
     "with-edges - 1;start - 0;inbound - 1;"},
    {"a path too few", {{'E', 0, 1, 0}, {'C', 0, 0, -EPROTO}}, ""},
    {"a path too many", {{'I', 0, 0, 0}, {'p', 0, 0, -EPROTO}}, ""},
    {"a path of the other kind", {{'I', 0, 1, 0}, {'P', 0, 0, -EPROTO}}, ""},
    {"a path outside of paths", {{'p', 0, 0, -EPROTO}}, ""},
    {"a rule among paths", {{'I', 0, 1, 0}, {'R', 0, 0, -EPROTO}}, ""},
    {"paths within a list", {{'B', A, 1, 0}, {'I', 0, 0, -EPROTO}}, ""},
    {"a rule's number twice",
     {{'B', A, 2, 0}, {'R', 0, 0, 0}, {'=', 0, 0, -EPROTO}},
     ""},
    {"counters at start", {{'N', 0, 0, -EPROTO}}, ""},
    {"counters of nobody",
     {{'D', 0, 0, 0},
      {'S', 0, 0, 0},
      {'Y', 0, 0, 1},
      {'N', 0, 0, 1},
      {'N', A, 0, -EPROTO}},
     "start - 0;count - 0;"},
    {"a source twice at start",
     {{'B', A, 0, 0}, {'C', 0, 0, 0}, {'B', A, 0, -EPROTO}},
     ""},
    {"a list within a list", {{'B', A, 1, 0}, {'B', B6, 1, -EPROTO}}, ""},
    {"a rule outside a list", {{'R', 0, 0, -EPROTO}}, ""},
    {"commit outside a list", {{'C', 0, 0, -EPROTO}}, ""},
    {"a rule too many", {{'B', A, 0, 0}, {'R', 0, 0, -EPROTO}}, ""},
    {"a rule too few", {{'B', A, 1, 0}, {'C', 0, 0, -EPROTO}}, ""},
    {"IPv6 destination in an IPv4 list",
     {{'B', A, 1, 0}, {'r', 0, 0, -EBADMSG}},
     ""},
    {"IPv4 destination in an IPv6 list",
     {{'B', B6, 1, 0}, {'R', 0, 0, -EBADMSG}},
     ""},
    {"remove at start",
     {{'B', A, 0, 0}, {'C', 0, 0, 0}, {'X', A, 0, -EPROTO}},
     ""},
    {"remove within a list",
     {{'D', 0, 0, 0},
      {'S', 0, 0, 0},
      {'Y', 0, 0, 1},
      {'B', A, 1, 0},
      {'X', A, 0, -EPROTO}},
     "start - 0;"},
    {"remove of one nobody knows",
     {{'D', 0, 0, 0}, {'S', 0, 0, 0}, {'Y', 0, 0, 1}, {'X', A, 0, -EPROTO}},
     "start - 0;"},
};

static void test_ways(void **state)
{
    size_t i, j;

    (void)state;
    for (i = 0; i < ARRAY_LEN(WAYS); i++) {
        struct fake fake = {0};
        struct monitor *m;
        struct record answer;

        assert_int_equal(monitor_new(&FAKE, &fake, &m), 0);
        for (j = 0; j < ARRAY_LEN(WAYS[i].steps); j++) {
            const struct step *s = &WAYS[i].steps[j];
            int r;

            if (!s->what)
                break;
            r = take(&fake, m, s->what, s->ip, s->count, &answer);
            if (r != s->want)
                fail_msg("%s: step %zu gave %d", WAYS[i].name, j, r);
            if (r < 0)
                break;
        }
        if (strcmp(fake.log, WAYS[i].log) != 0)
            fail_msg("%s: did '%s'", WAYS[i].name, fake.log);
        monitor_free(m);
    }
}

static struct monitor *running(struct fake *f)
{
    struct record answer;
    struct monitor *m;

    assert_int_equal(monitor_new(&FAKE, f, &m), 0);
    assert_int_equal(take(f, m, 'D', NULL, 0, &answer), 0);
    assert_int_equal(take(f, m, 'S', NULL, 0, &answer), 0);
    assert_int_equal(take(f, m, 'Y', NULL, 0, &answer), 1);
    assert_int_equal(answer.type, RECORD_SYNCED);
    f->log[0] = '\0';
    return m;
}

static void test_answers(void **state)
{
    struct fake f = {0};
    struct monitor *m = running(&f);
    struct ipaddr a = addr(A);
    struct record answer;

    (void)state;
    assert_int_equal(take(&f, m, 'B', A, 1, &answer), 0);
    assert_int_equal(take(&f, m, 'R', NULL, 0, &answer), 0);
    assert_int_equal(take(&f, m, 'C', NULL, 0, &answer), 1);
    assert_int_equal(answer.type, RECORD_APPLIED);
    assert_int_equal(answer.count, 1);
    assert_true(ipaddr_eq(&answer.addr, &a));
    assert_int_equal(monitor_sources(m), 1);
    assert_int_equal(take(&f, m, 'X', A, 0, &answer), 1);
    assert_int_equal(answer.type, RECORD_APPLIED);
    assert_true(ipaddr_eq(&answer.addr, &a));
    assert_int_equal(monitor_sources(m), 0);
    monitor_free(m);
}

/* What the kernel refuses blocks the source; if that is refused as well,
 * there is no safe way on. */
static void test_kernel_refuses(void **state)
{
    struct fake f = {0};
    struct monitor *m = running(&f);
    struct record answer;

    (void)state;
    f.fail_apply = 1;
    assert_int_equal(take(&f, m, 'B', A, 1, &answer), 0);
    assert_int_equal(take(&f, m, 'R', NULL, 0, &answer), 0);
    assert_int_equal(take(&f, m, 'C', NULL, 0, &answer), 1);
    assert_int_equal(answer.type, RECORD_FAILED);
    assert_int_equal(answer.count, ENOMEM);
    assert_string_equal(f.log, "new 10.137.0.5 1;new 10.137.0.5 0;");
    assert_int_equal(f.last.policy, FW_DROP);
    assert_int_equal(monitor_sources(m), 1);
    f.fail_apply = 2;
    assert_int_equal(take(&f, m, 'B', A, 0, &answer), 0);
    assert_int_equal(take(&f, m, 'C', NULL, 0, &answer), -ENOMEM);
    monitor_free(m);
    f = (struct fake){.fail_start = 1};
    assert_int_equal(monitor_new(&FAKE, &f, &m), 0);
    assert_int_equal(take(&f, m, 'D', NULL, 0, &answer), 0);
    assert_int_equal(take(&f, m, 'S', NULL, 0, &answer), 0);
    assert_int_equal(take(&f, m, 'Y', NULL, 0, &answer), -EINVAL);
    monitor_free(m);
}

static void test_limits(void **state)
{
    struct fake f = {0};
    struct monitor *m;
    struct record answer;
    char ip[32];
    unsigned i;

    (void)state;
    assert_int_equal(monitor_new(&FAKE, &f, &m), 0);
    for (i = 0; i <= FW_SOURCES_MAX; i++) {
        snprintf(ip, sizeof(ip), "10.%u.%u.1", i / 256, i % 256);
        if (i == FW_SOURCES_MAX) {
            assert_int_equal(take(&f, m, 'B', ip, 0, &answer), -ENOBUFS);
            break;
        }
        assert_int_equal(take(&f, m, 'B', ip, 0, &answer), 0);
        assert_int_equal(take(&f, m, 'C', NULL, 0, &answer), 0);
    }
    monitor_free(m);
    monitor_free(NULL);
}

/* Four rules: the counters take two records. */
static void test_counters(void **state)
{
    struct fake f = {0};
    struct monitor *m = running(&f);
    struct record answer;
    int i;

    (void)state;
    assert_int_equal(take(&f, m, 'B', A, 4, &answer), 0);
    for (i = 0; i < 4; i++)
        assert_int_equal(take(&f, m, 'R', NULL, 0, &answer), 0);
    assert_int_equal(take(&f, m, 'C', NULL, 0, &answer), 1);
    assert_int_equal(take(&f, m, 'N', A, 0, &answer), 1);
    assert_int_equal(f.n_answers, 4);
    assert_int_equal(f.answers[0].type, RECORD_TOTALS);
    assert_int_equal(f.answers[0].totals.flows, 9);
    assert_int_equal(f.answers[1].type, RECORD_COUNTS_OF);
    assert_int_equal(f.answers[1].count, 3);
    assert_int_equal(f.answers[2].count, 2);
    assert_int_equal(f.answers[2].counts[0].packets, 3);
    assert_int_equal(f.answers[2].counts[1].number, FW_COUNT_OF_POLICY);
    assert_int_equal(f.answers[3].type, RECORD_COUNTED);
    monitor_free(m);
}

/* Devices are kept for the start; then each change is told once. */
static void test_devices(void **state)
{
    struct fake f = {0};
    struct monitor *m;

    (void)state;
    assert_int_equal(monitor_new(&FAKE, &f, &m), 0);
    assert_int_equal(monitor_device(m, "vif1.0", true), 0);
    assert_string_equal(f.log, "");
    monitor_free(m);
    m = running(&f);
    assert_int_equal(monitor_device(m, "eth0", true), 0);
    assert_int_equal(monitor_device(m, "eth0", true), 0);
    assert_int_equal(monitor_device(m, "vif1.0", true), 0);
    assert_int_equal(monitor_device(m, "vif2.0", false), 0);
    assert_int_equal(monitor_device(m, "eth0", false), 0);
    assert_int_equal(monitor_device(m, "a name that is too long", true), 0);
    assert_string_equal(f.log, "+eth0 - 0;+vif1.0 - 0;-eth0 - 0;");
    monitor_free(m);
}

/* Only what is in force can be put in place again. */
static void test_repair(void **state)
{
    struct fake f = {0};
    struct monitor *m;

    (void)state;
    assert_int_equal(monitor_new(&FAKE, &f, &m), 0);
    assert_int_equal(monitor_repair(m), 0);
    assert_string_equal(f.log, "");
    monitor_free(m);
    m = running(&f);
    assert_int_equal(monitor_repair(m), 0);
    assert_string_equal(f.log, "start - 0;");
    monitor_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bad_rule),
        cmocka_unit_test(test_bad_others),
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_kernel_refuses),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_repair),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
