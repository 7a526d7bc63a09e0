/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the records of names and of what firewallvm/monitor.c does with
 * them: which set is known, which is in the kernel, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "firewallvm/monitor.h"
#include "lib/err.h"
#include "lib/mem.h"

#define A4 "10.137.0.5"
#define B4 "10.137.0.6"

static struct ipaddr ip(const char *text)
{
    struct ipaddr a;

    assert_int_equal(ipaddr_parse(text_of(text), &a), 0);
    return a;
}

/* ---- a kernel that notes which sets it has ---- */
struct fake {
    char log[2048];
    bool fail_apply;
    bool fail_cut; /* the list is in place, its flows did not end */
    unsigned old_sets;
    uint64_t now_ms;
    struct record last; /* answer */
};

static void note(struct fake *f, const char *what, unsigned n)
{
    size_t len = strlen(f->log);

    snprintf(f->log + len, sizeof(f->log) - len, "%s %u;", what, n);
}

static void note_sets(struct fake *f, const struct name_sets *ns)
{
    struct name_addr v[NAME_ADDRS_MAX];
    unsigned h;

    for (h = 0; (h = name_sets_missing(ns, h)) != 0;) {
        note(f, "+set", h);
        note(f, "of", (unsigned)name_sets_get(ns, h, f->now_ms, v));
    }
    for (h = 0; (h = name_sets_needless(ns, h)) != 0;)
        note(f, "-set", h);
}

static int fake_start(void *arg, struct fw_state *st)
{
    note(arg, "start", (unsigned)st->n);
    note_sets(arg, st->sets);
    return 0;
}

static int fake_apply(void *arg, const struct fw_state *st, struct fw_source *s,
                      const struct fw_source *old)
{
    struct fake *f = arg;

    note(f, old ? "change" : "new", (unsigned)s->n);
    note_sets(f, st->sets);
    f->old_sets = old ? old->n_sets : 0;
    s->n_sets = (unsigned)s->n;
    if (f->fail_cut) {
        f->fail_cut = false;
        s->placed = true;
        return -EBUSY;
    }
    if (!f->fail_apply)
        return 0;
    f->fail_apply = false;
    return -ENOMEM;
}

static int fake_remove(void *arg, const struct fw_state *st,
                       const struct fw_source *s)
{
    note(arg, "remove", (unsigned)s->n);
    note_sets(arg, st->sets);
    return 0;
}

static int fake_set(void *arg, const struct fw_state *st, unsigned set,
                    bool lost)
{
    (void)st;
    note(arg, lost ? "lost" : "set", set);
    return 0;
}

static int fake_watch(void *arg, const struct fw_state *st, size_t had)
{
    note(arg, "had", (unsigned)had);
    note(arg, "watch", (unsigned)st->n_watched);
    return 0;
}

static int fake_pass(void *arg, uint32_t id, bool all)
{
    note(arg, all ? "pass-all" : "pass", id);
    return 0;
}

static uint64_t fake_now_ms(void *arg)
{
    return ((struct fake *)arg)->now_ms;
}

static int fake_answer(void *arg, const uint8_t rec[RECORD_BYTES])
{
    struct fake *f = arg;

    assert_int_equal(record_decode(rec, &f->last), 0);
    return 0;
}

static const struct monitor_ops FAKE = {
    .start = fake_start,
    .apply = fake_apply,
    .remove = fake_remove,
    .set = fake_set,
    .watch = fake_watch,
    .pass = fake_pass,
    .now_ms = fake_now_ms,
    .answer = fake_answer,
};

static struct fake fake;
static struct monitor *m;

static int set_up(void **state)
{
    (void)state;
    fake = (struct fake){.now_ms = 1000};
    return monitor_new(&FAKE, &fake, &m);
}

static int tear_down(void **state)
{
    (void)state;
    monitor_free(m);
    return 0;
}

static int take(const struct record *rec)
{
    uint8_t bytes[RECORD_BYTES];

    assert_int_equal(record_encode(rec, bytes), 0);
    return monitor_take(m, bytes);
}

static const char *log_of(void)
{
    static char text[sizeof(fake.log)];

    strcpy(text, fake.log);
    fake.log[0] = '\0';
    return text;
}

/* ---- what the worker says ---- */
static int ask(enum record_type type, uint32_t count)
{
    return take(&(struct record){.type = type, .count = count});
}

static int elem(const char *addr, uint32_t timeout_s)
{
    struct record rec = {.type = RECORD_ELEMS, .count = 1};

    rec.elems[0] = (struct name_addr){.addr = ip(addr), .timeout_s = timeout_s};
    return take(&rec);
}

/* A set of one address. */
static int set(unsigned handle, const char *addr)
{
    int r = take(&(struct record){
        .type = RECORD_SET, .set = (uint16_t)handle, .count = 1});

    if (r == 0)
        r = elem(addr, name_handle_drops(handle) ? 0 : 60);
    return r == 0 ? ask(RECORD_COMMIT, 0) : r;
}

static int begin(const char *source, uint32_t count)
{
    return take(&(struct record){.type = RECORD_BEGIN,
                                 .addr = ip(source),
                                 .policy = FW_DROP,
                                 .limits = limits_default(),
                                 .count = count});
}

static int rule(unsigned handle, uint16_t number)
{
    return take(&(struct record){
        .type = RECORD_RULE,
        .number = number,
        .match = {.action = name_handle_drops(handle) ? FW_DROP : FW_ACCEPT,
                  .dst_kind = FW_DST_NAME,
                  .name_set = (uint16_t)handle}});
}

/* A list of rules with these sets, 0 ends. */
static int list(const char *source, unsigned h1, unsigned h2)
{
    uint32_t n = h1 == 0 ? 0 : h2 == 0 ? 1 : 2;
    int r = begin(source, n);

    if (r == 0 && n > 0)
        r = rule(h1, 0);
    if (r == 0 && n > 1)
        r = rule(h2, 1);
    return r == 0 ? ask(RECORD_COMMIT, 0) : r;
}

static void run(void)
{
    assert_int_equal(ask(RECORD_DNS, 0), 0);
    assert_int_equal(ask(RECORD_SNAT, 0), 0);
    assert_int_equal(ask(RECORD_READY, 0), 1);
    assert_string_equal(log_of(), "start 0;");
}

#define ONE name_handle(3, AF_INET, false)
#define TWO name_handle(4, AF_INET, false)
#define SHUT name_handle(4, AF_INET, true)
#define SIX name_handle(3, AF_INET6, false)

static void test_records(void **state)
{
    struct record rec = {.type = RECORD_ELEMS, .count = 3}, back;
    uint8_t b[RECORD_BYTES];
    size_t i;

    (void)state;
    rec.elems[0] = (struct name_addr){.addr = ip("192.0.2.1"), .timeout_s = 1};
    rec.elems[1] = (struct name_addr){.addr = ip("2001:db8::1")};
    rec.elems[2] =
        (struct name_addr){.addr = ip("192.0.2.2"), .timeout_s = UINT32_MAX};
    assert_int_equal(record_encode(&rec, b), 0);
    assert_int_equal(record_decode(b, &back), 0);
    assert_int_equal(back.count, 3);
    for (i = 0; i < 3; i++) {
        assert_true(ipaddr_eq(&back.elems[i].addr, &rec.elems[i].addr));
        assert_int_equal(back.elems[i].timeout_s, rec.elems[i].timeout_s);
    }
    for (rec.count = 0; rec.count < 6; rec.count++)
        assert_int_equal(record_encode(&rec, b),
                         rec.count >= 1 && rec.count <= 3 ? 0 : -EINVAL);
    rec = (struct record){.type = RECORD_SET, .set = NAME_HANDLES, .count = 1};
    assert_int_equal(record_encode(&rec, b), 0);
    assert_int_equal(record_decode(b, &back), 0);
    assert_int_equal(back.set, NAME_HANDLES);
    rec.set = 0;
    assert_int_equal(record_encode(&rec, b), -EINVAL);
    rec.set = NAME_HANDLES + 1;
    assert_int_equal(record_encode(&rec, b), -EINVAL);
    rec.set = 1;
    rec.count = NAME_ADDRS_MAX + 1;
    assert_int_equal(record_encode(&rec, b), -EINVAL);
    /* A rule: its set fits what it does, and only a name has one. */
    rec = (struct record){.type = RECORD_RULE,
                          .match = {.action = FW_ACCEPT,
                                    .dst_kind = FW_DST_NAME,
                                    .name_set = (uint16_t)ONE}};
    assert_int_equal(record_encode(&rec, b), 0);
    assert_int_equal(record_decode(b, &back), 0);
    assert_int_equal(back.match.name_set, ONE);
    rec.match.action = FW_DROP;
    assert_int_equal(record_encode(&rec, b), -EINVAL);
    rec.match.name_set = (uint16_t)SHUT;
    assert_int_equal(record_encode(&rec, b), 0);
    rec.match.dst_kind = FW_DST_ANY;
    assert_int_equal(record_encode(&rec, b), -EINVAL);
}

static void test_life(void **state)
{
    (void)state;
    run();
    assert_int_equal(set(ONE, "192.0.2.1"), 1);
    assert_int_equal(fake.last.type, RECORD_APPLIED);
    assert_string_equal(log_of(), ""); /* nobody uses it yet */
    assert_int_equal(list(A4, ONE, 0), 1);
    assert_string_equal(log_of(), "new 1;+set 13;of 1;");
    assert_int_equal(set(TWO, "192.0.2.2"), 1);
    assert_int_equal(list(B4, ONE, TWO), 1);
    assert_string_equal(log_of(), "new 2;+set 17;of 1;");
    /* Changes of what it holds. */
    assert_int_equal(set(ONE, "192.0.2.1"), 1);
    assert_string_equal(log_of(), "set 13;");
    assert_int_equal(set(ONE, "192.0.2.7"), 1);
    assert_string_equal(log_of(), "lost 13;");
    /* It stays as long as one list has it. */
    assert_int_equal(list(A4, 0, 0), 1);
    assert_string_equal(log_of(), "change 0;");
    assert_int_equal(list(B4, TWO, 0), 1);
    assert_string_equal(log_of(), "change 1;-set 13;");
    assert_int_equal(
        take(&(struct record){.type = RECORD_REMOVE, .addr = ip(B4)}), 1);
    assert_string_equal(log_of(), "remove 1;-set 17;");
}

static void test_start(void **state)
{
    (void)state;
    assert_int_equal(ask(RECORD_DNS, 0), 0);
    assert_int_equal(ask(RECORD_SNAT, 0), 0);
    assert_int_equal(set(ONE, "192.0.2.1"), 0);
    assert_int_equal(set(SHUT, "192.0.2.1"), 0);
    assert_int_equal(list(A4, ONE, SHUT), 0);
    assert_int_equal(ask(RECORD_READY, 1), 1);
    assert_string_equal(log_of(), "start 1;+set 13;of 1;+set 18;of 1;");
    /* The table is put in place again, later: what has ended is not in it. */
    fake.now_ms += 60 * 1000;
    assert_int_equal(monitor_repair(m), 0);
    assert_string_equal(log_of(), "start 1;+set 13;of 0;+set 18;of 1;");
    assert_int_equal(set(SHUT, "192.0.2.2"), 1);
    assert_string_equal(log_of(), "lost 18;");
}

/* The kernel refuses the list: the source is shut, its sets are forgotten
 * and may be told again. */
static void test_refused(void **state)
{
    (void)state;
    run();
    assert_int_equal(set(ONE, "192.0.2.1"), 1);
    assert_int_equal(list(A4, ONE, 0), 1);
    log_of();
    assert_int_equal(set(TWO, "192.0.2.1"), 1);
    fake.fail_apply = true;
    assert_int_equal(list(A4, TWO, 0), 1);
    assert_int_equal(fake.last.type, RECORD_FAILED);
    assert_string_equal(log_of(), "change 1;+set 17;of 1;-set 13;"
                                  "change 0;-set 13;");
    assert_int_equal(begin(A4, 1), 0);
    assert_int_equal(rule(TWO, 0), -EPROTO);
}

/* The list is in place but its flows did not end: what shuts the source
 * knows what the kernel has now, not what it had before. */
static void test_not_cut(void **state)
{
    (void)state;
    run();
    assert_int_equal(set(ONE, "192.0.2.1"), 1);
    assert_int_equal(list(A4, ONE, 0), 1);
    log_of();
    assert_int_equal(set(TWO, "192.0.2.1"), 1);
    fake.fail_cut = true;
    assert_int_equal(list(A4, ONE, TWO), 1);
    assert_int_equal(fake.last.type, RECORD_FAILED);
    assert_string_equal(log_of(), "change 2;+set 17;of 1;"
                                  "change 0;-set 13;-set 17;");
    assert_int_equal(fake.old_sets, 2);
    fake.fail_cut = true;
    assert_int_equal(list(B4, 0, 0), 1);
    assert_int_equal(fake.last.type, RECORD_FAILED);
    assert_string_equal(log_of(), "new 0;change 0;");
}

/* Somebody changes the table while a list is on its way: its sets, told
 * before it, are not forgotten with that. */
static void test_repair(void **state)
{
    (void)state;
    run();
    assert_int_equal(set(SHUT, "192.0.2.1"), 1);
    assert_int_equal(begin(A4, 1), 0);
    assert_int_equal(monitor_repair(m), 0);
    assert_string_equal(log_of(), "start 0;");
    assert_int_equal(rule(SHUT, 0), 0);
    assert_int_equal(monitor_repair(m), 0);
    log_of();
    assert_int_equal(ask(RECORD_COMMIT, 0), 1);
    assert_string_equal(log_of(), "new 1;+set 18;of 1;");
    assert_int_equal(monitor_repair(m), 0);
    assert_string_equal(log_of(), "start 1;+set 18;of 1;");
}

static int watch(const char *client, bool on)
{
    return take(
        &(struct record){.type = RECORD_WATCH, .addr = ip(client), .on = on});
}

/* Whose answers wait; letting them pass is no part of any list. */
static void test_watch(void **state)
{
    (void)state;
    assert_int_equal(watch(A4, true), 0);
    assert_int_equal(ask(RECORD_PASS, 7), 0);
    assert_string_equal(log_of(), "pass 7;");
    assert_int_equal(ask(RECORD_DNS, 0), 0);
    assert_int_equal(ask(RECORD_SNAT, 0), 0);
    assert_int_equal(ask(RECORD_READY, 0), 1);
    assert_string_equal(log_of(), "start 0;");
    assert_int_equal(watch(B4, true), 1);
    assert_string_equal(log_of(), "had 1;watch 2;");
    assert_int_equal(watch(A4, false), 1);
    assert_int_equal(begin(A4, 1), 0);
    assert_int_equal(ask(RECORD_PASS, UINT32_MAX), 0);
    assert_int_equal(take(&(struct record){.type = RECORD_PASS, .on = true}),
                     0);
    assert_int_equal(rule(0, 0), 0);
    assert_int_equal(ask(RECORD_COMMIT, 0), 1);
    assert_string_equal(log_of(), "had 2;watch 1;pass 4294967295;pass-all 0;"
                                  "new 1;");
    assert_int_equal(watch(A4, false), -EPROTO);
    assert_int_equal(watch(B4, true), -EPROTO);
}

static int unknown_set(void)
{
    return list(A4, ONE, 0);
}

static int other_family(void)
{
    int r = set(SIX, "2001:db8::1");

    return r < 0 ? r : list(A4, SIX, 0);
}

static int address_of_other_family(void)
{
    return set(ONE, "2001:db8::1");
}

static int no_timeout(void)
{
    take(
        &(struct record){.type = RECORD_SET, .set = (uint16_t)ONE, .count = 1});
    elem("192.0.2.1", 0);
    return ask(RECORD_COMMIT, 0);
}

static int too_few(void)
{
    take(
        &(struct record){.type = RECORD_SET, .set = (uint16_t)ONE, .count = 2});
    elem("192.0.2.1", 60);
    return ask(RECORD_COMMIT, 0);
}

static int too_many(void)
{
    take(
        &(struct record){.type = RECORD_SET, .set = (uint16_t)ONE, .count = 1});
    elem("192.0.2.1", 60);
    return elem("192.0.2.2", 60);
}

static int twice(void)
{
    take(
        &(struct record){.type = RECORD_SET, .set = (uint16_t)ONE, .count = 2});
    elem("192.0.2.1", 60);
    elem("192.0.2.1", 60);
    return ask(RECORD_COMMIT, 0);
}

static int elems_alone(void)
{
    return elem("192.0.2.1", 60);
}

static int within_a_list(void)
{
    begin(A4, 1);
    return set(ONE, "192.0.2.1");
}

static int rule_within_a_set(void)
{
    take(
        &(struct record){.type = RECORD_SET, .set = (uint16_t)ONE, .count = 1});
    return rule(0, 0);
}

static void test_wrong(void **state)
{
    static const struct {
        int (*say)(void);
        int want;
    } rows[] = {
        {unknown_set, -EPROTO},
        {other_family, -EPROTO},
        {address_of_other_family, -EBADMSG},
        {no_timeout, -EBADMSG},
        {too_few, -EPROTO},
        {too_many, -EPROTO},
        {twice, -EBADMSG},
        {elems_alone, -EPROTO},
        {within_a_list, -EPROTO},
        {rule_within_a_set, -EPROTO},
    };
    size_t i;

    for (i = 0; i < ARRAY_LEN(rows); i++) {
        int r;

        run();
        r = rows[i].say();
        if (r != rows[i].want)
            fail_msg("row %zu gave %d", i, r);
        tear_down(state);
        set_up(state);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_records), T(test_life),   T(test_start), T(test_refused),
        T(test_not_cut), T(test_repair), T(test_wrong), T(test_watch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
