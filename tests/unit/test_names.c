/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of firewallvm/names*.c: who wants what, questions, answers, time,
 * what is told, wildcards, and what holds whatever happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "firewallvm/names.h"
#include "firewallvm/names_impl.h"
#include "lib/err.h"
#include "lib/mem.h"

#define S 1000ull
#define A4 "10.137.0.5"
#define A6 "fd09:24ef:4179::a89:5"
#define B4 "10.137.0.6"

static struct names *n;

static int set_up(void **state)
{
    (void)state;
    return names_new(&NAMES_CONFIG, &n);
}

static int tear_down(void **state)
{
    (void)state;
    names_free(n);
    return 0;
}

static struct ipaddr ip(const char *text)
{
    struct ipaddr a;

    assert_int_equal(ipaddr_parse(text_of(text), &a), 0);
    return a;
}

/* A list of one source: {number, "accept"/"drop" name}..., NULL ends. */
struct line {
    unsigned number;
    enum fw_action action;
    const char *name;
};

static void list(const char *source, const struct line *v, size_t count,
                 uint64_t now)
{
    struct ipaddr s = ip(source);
    size_t i;

    names_begin(n, &s);
    for (i = 0; i < count; i++)
        assert_int_equal(
            names_use(n, &s, v[i].number, v[i].name, v[i].action, now), 0);
    names_end(n, &s);
}
#define LIST(source, now, ...)                                                 \
    list(source, (const struct line[]){__VA_ARGS__},                           \
         sizeof((const struct line[]){__VA_ARGS__}) / sizeof(struct line),     \
         now)

static unsigned set_of(const char *source, unsigned number)
{
    struct ipaddr s = ip(source);

    return names_set(n, &s, number);
}

static const char *status(const char *source, unsigned number, uint64_t now)
{
    static char buf[NAMES_STATUS_MAX];
    struct ipaddr s = ip(source);

    return names_status(n, &s, number, now, buf);
}

/* All that is told, as "list 10.137.0.5; set 3; status 10.137.0.5 7; ". */
static const char *told(uint64_t now)
{
    static char buf[4096];
    struct names_change c;
    char text[IPADDR_TEXT_MAX];
    size_t len = 0;

    buf[0] = '\0';
    while (names_next(n, now, &c)) {
        if (c.kind == NAMES_LIST)
            len += (size_t)sprintf(buf + len, "list %s; ",
                                   ipaddr_format(&c.source, text));
        else if (c.kind == NAMES_SET)
            len += (size_t)sprintf(buf + len, "%s %u; ",
                                   c.is_drop ? "dropset" : "set", c.set);
        else
            len += (size_t)sprintf(buf + len, "status %s %u; ",
                                   ipaddr_format(&c.source, text), c.number);
        assert_true(len < sizeof(buf) - 100);
    }
    return buf;
}

/* The one question that is due. */
static struct resolver_request want(uint64_t now)
{
    struct resolver_request req, more;

    assert_true(names_want(n, now, &req));
    assert_false(names_want(n, now, &more));
    return req;
}

static void no_want(uint64_t now)
{
    struct resolver_request req;

    assert_false(names_want(n, now, &req));
}

static void answer(const struct resolver_request *req, enum dns_status how,
                   uint32_t ttl_s, const char *addrs, uint64_t now)
{
    struct resolver_answer ans = {
        .type = RESOLVER_ANSWER,
        .id = req->id,
        .serial = req->serial,
        .family = req->family,
        .status = how,
    };
    struct text rest = text_of(addrs), piece;

    while (addrs[0] && parse_split(&rest, ' ', &piece)) {
        assert_int_equal(ipaddr_parse(piece, &ans.v[ans.n].addr), 0);
        ans.v[ans.n++].ttl_s = ttl_s;
    }
    names_answer(n, &ans, now);
}

/* The elements of a set, as "addr/timeout ". */
static const char *elems(unsigned set, uint64_t now)
{
    static char buf[16384];
    struct names_elem v[NAME_ADDRS_MAX];
    size_t i, len = 0, count = names_set_addrs(n, set, now, v);
    char text[IPADDR_TEXT_MAX];

    buf[0] = '\0';
    for (i = 0; i < count; i++) {
        assert_true(names_set_has(n, set, &v[i].addr, now));
        len += (size_t)sprintf(buf + len, "%s/%u ",
                               ipaddr_format(&v[i].addr, text), v[i].timeout_s);
    }
    return buf;
}

static void test_accept(void **state)
{
    struct resolver_request q;
    unsigned set;

    (void)state;
    assert_int_equal(names_wait_ms(n, 0), 0);
    LIST(A4, 0, {3, FW_ACCEPT, "www.example.org"});
    set = set_of(A4, 3);
    assert_int_not_equal(set, 0);
    assert_string_equal(elems(set, 0), "");
    assert_string_equal(status(A4, 3, 0), "unresolved");
    assert_string_equal(status(A4, 4, 0), "");
    assert_string_equal(told(0), "status 10.137.0.5 3; ");
    assert_int_equal(names_wait_ms(n, 0), 1);
    q = want(0);
    assert_string_equal(q.name, "www.example.org");
    assert_int_equal(q.family, AF_INET);
    no_want(29 * S);
    assert_int_equal(names_wait_ms(n, 0), 30 * S);
    answer(&q, DNS_OK, 120, "192.0.2.1 192.0.2.2", 1 * S);
    assert_string_equal(told(1 * S), "set 1; status 10.137.0.5 3; ");
    assert_string_equal(elems(set, 1 * S), "192.0.2.1/420 192.0.2.2/420 ");
    assert_string_equal(status(A4, 3, 1 * S), "ok 192.0.2.1 192.0.2.2");
    /* Asked again when the TTL is over, and not sooner. */
    no_want(120 * S);
    q = want(121 * S);
    answer(&q, DNS_OK, 120, "192.0.2.2", 122 * S);
    assert_string_equal(told(122 * S), "set 1; ");
    assert_string_equal(elems(set, 122 * S), "192.0.2.1/299 192.0.2.2/420 ");
    /* The other one goes at its time, not before. */
    assert_string_equal(status(A4, 3, 420 * S), "ok 192.0.2.1 192.0.2.2");
    names_tick(n, 421 * S);
    assert_string_equal(status(A4, 3, 421 * S), "ok 192.0.2.2");
}

/* floor and ceiling, absurd values */
static void test_ttl(void **state)
{
    static const struct {
        uint32_t ttl_s, want_s;
    } rows[] = {
        {0, 60},
        {1, 60},
        {60, 60},
        {61, 61},
        {3600, 3600},
        {3601, 3600},
        {86400, 3600},
        {0x7fffffff, 3600},
        {0x80000000, 3600},
        {UINT32_MAX, 3600},
    };
    uint64_t now = 5 * S;
    size_t i;

    (void)state;
    LIST(A4, now, {0, FW_ACCEPT, "a.example"});
    for (i = 0; i < ARRAY_LEN(rows); i++) {
        struct resolver_request q = want(now);
        char text[64];

        answer(&q, DNS_OK, rows[i].ttl_s, "192.0.2.1", now);
        snprintf(text, sizeof(text), "192.0.2.1/%u ", rows[i].want_s + 300);
        assert_string_equal(elems(set_of(A4, 0), now), text);
        no_want(now + rows[i].want_s * S - 1);
        now += rows[i].want_s * S;
    }
}

/* An accept rule ends to match; a drop rule keeps what it knew. */
static void test_dead_resolver(void **state)
{
    struct resolver_request q;
    uint64_t now = 0;
    unsigned accept, drop;
    int i;

    (void)state;
    LIST(A4, 0, {0, FW_ACCEPT, "a.example"}, {1, FW_DROP, "a.example"});
    assert_int_equal(set_of(A4, 1), 0);
    q = want(0);
    answer(&q, DNS_OK, 60, "192.0.2.1", 0);
    assert_string_equal(told(0), "list 10.137.0.5; set 1; dropset 2; "
                                 "status 10.137.0.5 0; status 10.137.0.5 1; ");
    accept = set_of(A4, 0);
    drop = set_of(A4, 1);
    assert_string_equal(elems(accept, 0), "192.0.2.1/360 ");
    assert_string_equal(elems(drop, 0), "192.0.2.1/0 ");
    /* No answer ever again. */
    for (now = 60 * S, i = 0; i < 40; i++) {
        struct resolver_request again;

        if (names_want(n, now, &again))
            told(now);
        now += 20 * S;
        if (now < 360 * S && now > 100 * S) {
            assert_string_equal(status(A4, 0, now), "stale 192.0.2.1");
            assert_string_equal(elems(drop, now), "192.0.2.1/0 ");
        }
    }
    assert_string_equal(elems(accept, now), "");
    assert_string_equal(status(A4, 0, now), "unresolved");
    assert_string_equal(elems(drop, now), "192.0.2.1/0 ");
    assert_string_equal(status(A4, 1, now), "stale 192.0.2.1");
    assert_int_equal(set_of(A4, 1), drop);
    assert_int_equal(
        names_unresolved(n, &(struct ipaddr){AF_INET, {10, 137, 0, 5}}, now),
        0);
    /* A good answer: the old address, long out of date, leaves both. */
    names_lost(n, now);
    q = want(now);
    answer(&q, DNS_OK, 60, "192.0.2.9", now);
    assert_string_equal(elems(accept, now), "192.0.2.9/360 ");
    assert_string_equal(elems(drop, now), "192.0.2.9/0 ");
    assert_string_equal(status(A4, 1, now), "ok 192.0.2.9");
}

static void test_failures(void **state)
{
    static const uint64_t waits_s[] = {5, 10, 20, 40, 80, 160, 300, 300};
    struct resolver_request q, late;
    uint64_t now = 0;
    size_t i;

    (void)state;
    LIST(A4, 0, {0, FW_DROP, "a.example"});
    told(0);
    for (i = 0; i < ARRAY_LEN(waits_s); i++) {
        q = want(now);
        answer(&q, DNS_FAILED, 0, "", now);
        no_want(now + waits_s[i] * S - 1);
        now += waits_s[i] * S;
        assert_int_equal(set_of(A4, 0), 0);
        assert_string_equal(status(A4, 0, now), "unresolved");
    }
    /* No such name: not sooner than the floor, even at first. */
    q = want(now);
    late = q;
    answer(&q, DNS_OK, 60, "192.0.2.1", now);
    now += 60 * S;
    q = want(now);
    answer(&q, DNS_NXDOMAIN, 0, "", now);
    no_want(now + 60 * S - 1);
    assert_string_equal(status(A4, 0, now), "stale 192.0.2.1");
    q = want(now + 60 * S);
    /* A late answer to an earlier question says nothing. */
    answer(&late, DNS_OK, 60, "192.0.2.66", now + 61 * S);
    assert_string_equal(status(A4, 0, now + 61 * S), "stale 192.0.2.1");
    /* An impatient wait ends: asked anew with another serial. */
    late = q;
    names_tick(n, now + 90 * S);
    q = want(now + 100 * S);
    assert_int_not_equal(q.serial, late.serial);
    answer(&late, DNS_OK, 60, "192.0.2.66", now + 101 * S);
    answer(&q, DNS_OK, 60, "192.0.2.2", now + 101 * S);
    assert_string_equal(status(A4, 0, now + 101 * S), "ok 192.0.2.1 192.0.2.2");
}

/* Both families of a name that has addresses of one only. */
static void test_one_family(void **state)
{
    struct resolver_request four, six;

    (void)state;
    LIST(A4, 0, {0, FW_DROP, "a.example"});
    LIST(A6, 0, {0, FW_DROP, "a.example."}, {1, FW_ACCEPT, "a.example"});
    assert_true(names_want(n, 0, &four));
    assert_true(names_want(n, 0, &six));
    no_want(0);
    assert_int_equal(four.id, six.id);
    assert_int_equal(six.family, AF_INET6);
    answer(&four, DNS_OK, 60, "192.0.2.1", 0);
    assert_int_not_equal(set_of(A4, 0), 0);
    assert_int_equal(set_of(A6, 0), 0);
    told(0);
    answer(&six, DNS_NODATA, 0, "", 0);
    assert_string_equal(told(0), "list fd09:24ef:4179::a89:5; set 3; "
                                 "dropset 4; "
                                 "status fd09:24ef:4179::a89:5 0; "
                                 "status fd09:24ef:4179::a89:5 1; ");
    /* It stands for no IPv6 address: closes none, and shuts nothing. */
    assert_int_not_equal(set_of(A6, 0), 0);
    assert_string_equal(elems(set_of(A6, 0), 0), "");
    assert_string_equal(status(A6, 0, 0), "ok");
    assert_string_equal(status(A6, 1, 0), "ok");
    no_want(59 * S);
}

static void test_lists(void **state)
{
    struct resolver_request q;
    unsigned a, b;

    (void)state;
    LIST(A4, 0, {0, FW_ACCEPT, "a.example"}, {7, FW_ACCEPT, "b.example"});
    LIST(B4, 0, {2, FW_ACCEPT, "a.example"});
    a = set_of(A4, 0);
    b = set_of(A4, 7);
    assert_int_not_equal(a, b);
    assert_int_equal(set_of(B4, 2), a);
    assert_true(names_want(n, 0, &q));
    answer(&q, DNS_OK, 60, "192.0.2.1", 0);
    assert_true(names_want(n, 0, &q));
    answer(&q, DNS_OK, 60, "192.0.2.7", 0);
    told(0);
    /* The numbers change, the names stay: nothing is asked anew. */
    LIST(A4, S, {1, FW_ACCEPT, "b.example"}, {3, FW_ACCEPT, "a.example"});
    assert_int_equal(set_of(A4, 1), b);
    assert_int_equal(set_of(A4, 3), a);
    assert_int_equal(set_of(A4, 0), 0);
    no_want(S);
    assert_string_equal(told(S), "status 10.137.0.5 1; status 10.137.0.5 3; ");
    /* They change places. */
    LIST(A4, S, {1, FW_ACCEPT, "a.example"}, {3, FW_ACCEPT, "b.example"});
    assert_int_equal(set_of(A4, 1), a);
    assert_string_equal(elems(b, S), "192.0.2.7/359 ");
    no_want(S);
    LIST(A4, S, {1, FW_ACCEPT, "b.example"}, {3, FW_ACCEPT, "a.example"});
    told(S);
    /* A drop rule of a known name knows it at once. */
    LIST(B4, S, {2, FW_DROP, "b.example"});
    assert_string_equal(elems(set_of(B4, 2), S), "192.0.2.7/0 ");
    told(S);
    /* The same number with another name. */
    LIST(B4, S, {2, FW_DROP, "c.example"});
    assert_int_equal(set_of(B4, 2), 0);
    q = want(S);
    assert_string_equal(q.name, "c.example");
    LIST(A4, S, {1, FW_ACCEPT, "b.example"});
    assert_string_equal(elems(a, S), "");
    /* Gone: nothing left, a late answer does no harm. */
    list(A4, NULL, 0, S);
    list(B4, NULL, 0, S);
    answer(&q, DNS_OK, 60, "192.0.2.1", S);
    told(S);
    assert_int_equal(names_wait_ms(n, S), 0);
    no_want(1000 * S);
}

static void test_many_addresses(void **state)
{
    struct resolver_answer ans = {.type = RESOLVER_ANSWER, .status = DNS_OK};
    struct names_elem v[NAME_ADDRS_MAX];
    uint64_t now = 0;
    unsigned turn, i;
    char buf[NAMES_STATUS_MAX];
    struct ipaddr source = ip(A4);

    (void)state;
    LIST(A4, 0, {0, FW_ACCEPT, "a.example"}, {1, FW_DROP, "a.example"});
    for (turn = 0; turn < 5; turn++, now += 60 * S) {
        struct resolver_request q = want(now);

        ans.id = q.id;
        ans.serial = q.serial;
        ans.family = q.family;
        ans.n = DNS_ADDRS_MAX;
        for (i = 0; i < ans.n; i++)
            ans.v[i] = (struct dns_addr){
                {AF_INET, {192, 0, (uint8_t)turn, (uint8_t)i}}, 60};
        names_answer(n, &ans, now);
        assert_int_equal(names_set_addrs(n, set_of(A4, 0), now, v),
                         NAMES_ADDRS_MAX);
        /* The newest answer is there, whole. */
        for (i = 0; i < ans.n; i++)
            assert_true(names_set_has(n, set_of(A4, 1), &ans.v[i].addr, now));
    }
    assert_true(strlen(names_status(n, &source, 0, now, buf)) <
                NAMES_STATUS_MAX);
    assert_int_equal(strncmp(buf, "ok 192.0.4.", 11), 0);
    assert_true(strlen(buf) > 480);
    assert_int_not_equal(buf[strlen(buf) - 1], ' ');
}

static void test_limits(void **state)
{
    struct ipaddr a = ip(A4), b = ip(B4);
    char name[32];
    unsigned i;

    (void)state;
    names_begin(n, &a);
    for (i = 0; i < NAMES_MAX; i++) {
        snprintf(name, sizeof(name), "n%u.example", i);
        assert_int_equal(names_use(n, &a, i, name, FW_ACCEPT, 0), 0);
    }
    assert_int_equal(names_use(n, &a, i, "more.example", FW_ACCEPT, 0),
                     -ENOBUFS);
    assert_int_equal(names_set(n, &a, i), 0);
    names_end(n, &a);
    assert_int_not_equal(names_set(n, &a, NAMES_MAX - 1), 0);
    names_begin(n, &b);
    for (i = 0; i < NAMES_USES_MAX - NAMES_MAX; i++)
        assert_int_equal(names_use(n, &b, i, "n7.example", FW_DROP, 0), 0);
    assert_int_equal(names_use(n, &b, i, "n7.example", FW_DROP, 0), -ENOBUFS);
    names_end(n, &b);
    names_begin(n, &a);
    names_end(n, &a);
    names_begin(n, &b);
    assert_int_equal(names_use(n, &b, 0, "*.example.org", FW_DROP, 0), -EINVAL);
    names_end(n, &b);
    assert_int_equal(names_wait_ms(n, 0), 0);
}

static bool seen(const char *client, const char *name, const char *addr,
                 uint32_t ttl_s, uint64_t now)
{
    struct ipaddr c = ip(client);
    struct dns_answer d = {.status = DNS_OK, .n = 1};

    d.v[0] = (struct dns_addr){ip(addr), ttl_s};
    d.family = d.v[0].addr.family;
    snprintf(d.name, sizeof(d.name), "%s", name);
    return names_seen(n, &c, &d, now);
}

static void test_wild(void **state)
{
    struct ipaddr a = ip(A4), b = ip(B4);
    unsigned set, six;

    (void)state;
    LIST(A4, 0, {4, FW_ACCEPT, "*.example.org"});
    LIST(A6, 0, {4, FW_ACCEPT, "*.example.org"});
    LIST(B4, 0, {0, FW_ACCEPT, "*.b.example."}, {1, FW_ACCEPT, "example.org"});
    assert_true(names_has_wild(n, &a));
    assert_true(names_has_wild(n, &b));
    set = set_of(A4, 4);
    six = set_of(A6, 4);
    assert_int_not_equal(set_of(B4, 0), set);
    assert_int_not_equal(six, set);
    assert_string_equal(want(0).name, "example.org");
    told(0);
    assert_string_equal(status(A4, 4, 0), "ok");
    /* below it, not itself, not beside it, not another's */
    assert_false(seen(A4, "example.org", "192.0.2.1", 60, 0));
    assert_false(seen(A4, "xexample.org", "192.0.2.1", 60, 0));
    assert_false(seen(A4, "example.org.evil", "192.0.2.1", 60, 0));
    assert_false(seen(A4, "", "192.0.2.1", 60, 0));
    assert_false(seen(B4, "www.example.org", "192.0.2.1", 60, 0));
    assert_true(seen(A4, "www.example.org", "192.0.2.1", 60, 0));
    assert_true(seen(A4, "a.b.example.org", "192.0.2.2", 3600, 0));
    assert_string_equal(told(0), "set 1; status 10.137.0.5 4; ");
    assert_string_equal(elems(set, 0), "192.0.2.1/360 192.0.2.2/3900 ");
    assert_string_equal(elems(six, 0), "");
    /* The qube's other family, by the address plan. */
    assert_true(seen(A4, "www.example.org", "2001:db8::1", 60, 0));
    assert_string_equal(elems(six, 0), "2001:db8::1/360 ");
    assert_true(seen(A6, "www.example.org", "192.0.2.3", 60, 0));
    /* Said again soon: no transaction; later: a longer life. */
    assert_false(seen(A4, "www.example.org", "192.0.2.1", 60, 100 * S));
    assert_true(seen(A4, "www.example.org", "192.0.2.1", 60, 160 * S));
    assert_true(seen(A4, "www.example.org", "192.0.2.1", 4000, 160 * S));
    assert_false(seen(A4, "www.example.org", "192.0.2.1", 60, 170 * S));
    names_tick(n, 3900 * S);
    assert_string_equal(status(A4, 4, 3900 * S), "ok 192.0.2.1");
    /* Whatever the TTL says, an element has an end. */
    assert_true(seen(A4, "z.example.org", "192.0.2.9", UINT32_MAX, 3900 * S));
    assert_string_equal(elems(set, 4000 * S), "192.0.2.1/460 192.0.2.9/86600 ");
    list(A4, NULL, 0, 0);
    list(A6, NULL, 0, 0);
    assert_false(names_has_wild(n, &a));
}

/* A qube that asks for ever keeps to its limit and loses the oldest. */
static void test_wild_many(void **state)
{
    struct names_elem v[NAME_ADDRS_MAX];
    char addr[32];
    unsigned i;

    (void)state;
    LIST(A4, 0, {4, FW_ACCEPT, "*.example.org"});
    for (i = 0; i < 1000; i++) {
        snprintf(addr, sizeof(addr), "192.0.%u.%u", i / 250, i % 250 + 1);
        assert_true(seen(A4, "a.example.org", addr, 3600, i));
        assert_true(names_set_has(
            n, set_of(A4, 4),
            &(struct ipaddr){
                AF_INET, {192, 0, (uint8_t)(i / 250), (uint8_t)(i % 250 + 1)}},
            i));
    }
    assert_int_equal(names_set_addrs(n, set_of(A4, 4), i, v), NAME_ADDRS_MAX);
}

static void test_plan(void **state)
{
    static const struct {
        const char *four, *six;
    } rows[] = {
        {"10.137.0.5", "fd09:24ef:4179::a89:5"},
        {"10.137.0.254", "fd09:24ef:4179::a89:fe"},
        {"10.137.1.1", "fd09:24ef:4179::a89:ff"},
        {"10.138.39.94", "fd09:24ef:4179::a8a:2710"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(rows); i++) {
        struct ipaddr four = ip(rows[i].four), six = ip(rows[i].six);

        LIST(rows[i].four, 0, {4, FW_ACCEPT, "*.example.org"});
        assert_true(names_has_wild(n, &six));
        list(rows[i].four, NULL, 0, 0);
        LIST(rows[i].six, 0, {4, FW_ACCEPT, "*.example.org"});
        assert_true(names_has_wild(n, &four));
        list(rows[i].six, NULL, 0, 0);
        assert_false(names_has_wild(n, &four));
    }
    LIST(A6, 0, {4, FW_ACCEPT, "*.example.org"});
    assert_false(names_has_wild(n, &(struct ipaddr){AF_INET, {192, 0, 2, 5}}));
}

/* ---- whatever happens ---- */
#define ROUNDS 60000
#define NAMES 6
#define SOURCES 4
#define RULES 5

static uint64_t random_state;

static uint32_t rnd(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % below;
}

/* The test's own, plain record: what each name last was, and since when. */
struct truth {
    bool known[2];
    uint64_t good_until_ms[2][256]; /* by last byte of the address */
    bool last_good[2][256];
};

static struct resolver_request open_q[64];
static unsigned n_open;
static struct truth truth[NAMES];

static const char *const SOURCE[SOURCES] = {A4, A6, B4, "2001:db8::7"};
static struct line rules[SOURCES][RULES];
static unsigned n_rules[SOURCES];

static void random_list(uint64_t now)
{
    static char texts[NAMES][16];
    unsigned s = rnd(SOURCES), i;

    n_rules[s] = rnd(RULES + 1);
    for (i = 0; i < n_rules[s]; i++) {
        unsigned k = rnd(NAMES);

        snprintf(texts[k], sizeof(texts[k]), "n%u.example", k);
        rules[s][i] =
            (struct line){i * 3, rnd(2) ? FW_ACCEPT : FW_DROP, texts[k]};
    }
    list(SOURCE[s], rules[s], n_rules[s], now);
    /* What nobody wants is forgotten, and known no more. */
    for (i = 0; i < NAMES; i++) {
        bool used[2] = {false, false};
        unsigned a, b;

        for (a = 0; a < SOURCES; a++)
            for (b = 0; b < n_rules[a]; b++)
                if (rules[a][b].name[1] == (char)('0' + i))
                    used[a & 1] = true;
        for (a = 0; a < 2; a++)
            if (!used[a])
                truth[i].known[a] = false;
    }
}

static void random_answer(uint64_t now)
{
    unsigned at = rnd(n_open), i, k, six;
    bool is_open;
    struct resolver_request q = open_q[at];
    struct resolver_answer ans = {
        .type = RESOLVER_ANSWER,
        .id = q.id,
        .serial = q.serial,
        .family = q.family,
        .status = (enum dns_status)rnd(4),
    };
    struct truth *t;

    open_q[at] = open_q[--n_open];
    if (ans.status == DNS_OK)
        ans.n = 1 + rnd(4);
    six = q.family == AF_INET6;
    k = (unsigned)(q.name[1] - '0');
    t = &truth[k];
    for (i = 0; i < ans.n; i++)
        ans.v[i] = (struct dns_addr){{q.family, {10, [3] = (uint8_t)rnd(9)}},
                                     rnd(200)};
    is_open = n->v[q.id].f[six].asked && n->v[q.id].f[six].serial == q.serial &&
              n->v[q.id].f[six].due_ms > now;
    names_answer(n, &ans, now);
    if (is_open && (ans.status == DNS_OK || ans.status == DNS_NODATA)) {
        t->known[six] = true;
        for (i = 0; i < 256; i++)
            t->last_good[six][i] = false;
        for (i = 0; i < ans.n; i++)
            t->last_good[six][ans.v[i].addr.b[3]] = true;
    }
}

/* No drop rule that is known ever lacks an address of the last good answer
 * (or the rule's set is 0); no accept set holds an address without an end,
 * none for longer than ceiling and grace. */
static void check(uint64_t now)
{
    unsigned s, i, b;

    for (s = 0; s < SOURCES; s++) {
        for (i = 0; i < n_rules[s]; i++) {
            const struct line *l = &rules[s][i];
            unsigned set = set_of(SOURCE[s], l->number), six = s & 1;
            struct names_elem v[NAME_ADDRS_MAX];
            size_t k, count = names_set_addrs(n, set, now, v);
            const struct truth *t = &truth[l->name[1] - '0'];

            if (l->action == FW_ACCEPT) {
                assert_int_not_equal(set, 0);
                for (k = 0; k < count; k++) {
                    assert_true(v[k].timeout_s > 0);
                    assert_true(v[k].timeout_s <=
                                NAMES_CONFIG.ceiling_s + NAMES_CONFIG.grace_s);
                }
                continue;
            }
            for (k = 0; k < count; k++)
                assert_int_equal(v[k].timeout_s, 0);
            if (set == 0 || !t->known[six])
                continue;
            for (b = 0; b < 9; b++) {
                struct ipaddr a = {six ? AF_INET6 : AF_INET,
                                   {10, [3] = (uint8_t)b}};

                if (t->last_good[six][b])
                    assert_true(names_set_has(n, set, &a, now));
            }
        }
    }
}

static void test_random(void **state)
{
    const char *env = getenv("SEED");
    uint64_t seed = env ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);
    uint64_t now = 0;
    unsigned i;

    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    random_state = seed | 1;
    for (i = 0; i < ROUNDS; i++) {
        struct names_change c;

        switch (rnd(8)) {
        case 0:
            random_list(now);
            break;
        case 1:
        case 2:
            if (n_open < ARRAY_LEN(open_q) &&
                names_want(n, now, &open_q[n_open]))
                n_open++;
            break;
        case 3:
        case 4:
            if (n_open > 0)
                random_answer(now);
            break;
        case 5:
            if (rnd(50) == 0)
                names_lost(n, now);
            break;
        default:
            now += rnd(rnd(2) ? 1000 : 100000);
            names_tick(n, now);
            break;
        }
        while (rnd(2) && names_next(n, now, &c))
            ;
        check(now);
        assert_true(names_wait_ms(n, now) <= 3600 * S);
    }
}

/* The kernel ends an element by itself: the set is told again, so that the
 * flows it allowed end, also when a drop rule keeps the address. */
static void test_lapse(void **state)
{
    struct resolver_request q;
    unsigned accept, drop;

    (void)state;
    LIST(A4, 0, {0, FW_ACCEPT, "a.example.org"}, {1, FW_DROP, "a.example.org"});
    assert_true(names_pending(n));
    q = want(0);
    answer(&q, DNS_OK, 60, "192.0.2.1", 0);
    assert_false(names_pending(n));
    accept = set_of(A4, 0);
    drop = set_of(A4, 1);
    assert_true(names_set_changed(n, accept));
    assert_string_equal(elems(accept, 0), "192.0.2.1/360 ");
    assert_false(names_set_changed(n, accept));
    assert_string_equal(elems(drop, 0), "192.0.2.1/0 ");
    told(0);
    q = want(60 * S);
    answer(&q, DNS_FAILED, 0, "", 60 * S);
    told(60 * S);
    assert_true(names_wait_ms(n, 60 * S) <= 300 * S);
    assert_string_equal(status(A4, 0, 359 * S), "stale 192.0.2.1");
    assert_string_equal(told(359 * S), "");
    names_tick(n, 360 * S);
    assert_true(names_set_changed(n, accept));
    assert_false(names_set_changed(n, drop));
    assert_string_equal(elems(accept, 360 * S), "");
    assert_string_equal(elems(drop, 360 * S), "192.0.2.1/0 ");
    assert_string_equal(status(A4, 0, 360 * S), "unresolved");
    assert_string_equal(status(A4, 1, 360 * S), "stale 192.0.2.1");
    assert_true(names_set_used(n, accept));
    LIST(A4, 361 * S, {1, FW_DROP, "a.example.org"});
    assert_false(names_set_used(n, accept));
    assert_true(names_set_used(n, drop));
    assert_false(names_set_used(n, 0));
    assert_false(names_set_used(n, NAME_HANDLES + 1));
}

/* NXDOMAIN is an answer one need not wait for. */
static void test_pending(void **state)
{
    struct resolver_request q;

    (void)state;
    assert_false(names_pending(n));
    LIST(A4, 0, {0, FW_ACCEPT, "a.example.org"},
         {1, FW_ACCEPT, "*.example.org"});
    assert_true(names_pending(n));
    q = want(0);
    assert_true(names_pending(n));
    answer(&q, DNS_NXDOMAIN, 0, "", 0);
    assert_false(names_pending(n));
}

static void test_config(void **state)
{
    static const struct {
        const char *text;
        int want;
        uint32_t floor_s, ceiling_s, grace_s;
    } rows[] = {
        {"", 0, 60, 3600, 300},
        {"floor=1", 0, 1, 3600, 300},
        {"floor=1 ceiling=2 grace=3", 0, 1, 2, 3},
        {"grace=86400 floor=3600", 0, 3600, 3600, 86400},
        {"floor=3601", -EBADMSG, 0, 0, 0},
        {"ceiling=59", -EBADMSG, 0, 0, 0},
        {"floor=0", -EBADMSG, 0, 0, 0},
        {"grace=86401", -EBADMSG, 0, 0, 0},
        {"floor=", -EBADMSG, 0, 0, 0},
        {"floor=1  grace=3", -EBADMSG, 0, 0, 0},
        {"floor=1 ", -EBADMSG, 0, 0, 0},
        {" floor=1", -EBADMSG, 0, 0, 0},
        {"floor=1,grace=3", -EBADMSG, 0, 0, 0},
        {"patience=3", -EBADMSG, 0, 0, 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct names_config c = {.floor_s = 7};
        int r = names_config_parse(text_of(rows[i].text), &c);

        if ((r < 0) != (rows[i].want < 0))
            fail_msg("'%s' gave %d", rows[i].text, r);
        assert_int_equal(c.floor_s, r < 0 ? 7 : rows[i].floor_s);
        assert_int_equal(c.ceiling_s, r < 0 ? 0 : rows[i].ceiling_s);
        assert_int_equal(c.grace_s, r < 0 ? 0 : rows[i].grace_s);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_accept),         T(test_lapse),  T(test_pending),
        T(test_config),         T(test_ttl),    T(test_dead_resolver),
        T(test_failures),       T(test_lists),  T(test_one_family),
        T(test_many_addresses), T(test_limits), T(test_wild),
        T(test_wild_many),      T(test_plan),   T(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
