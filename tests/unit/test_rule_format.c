/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of rule_format.c, and the property that text and
 * rule are two forms of one thing: random rules, printed seed (set
 * RULE_SEED to run one again). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "rules/rule_format.h"
#include "rules/rule_lower.h"
#include "rules/rule_parse.h"

#define ROUNDS 20000

static uint64_t random_state;

static uint32_t rnd(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % below;
}

static void random_text(char *dst, size_t cap, const char *set)
{
    size_t i, n = 1 + rnd((uint32_t)cap - 1);

    for (i = 0; i < n; i++)
        dst[i] = set[rnd((uint32_t)strlen(set))];
    dst[n] = '\0';
}

static void random_dst(struct fw_rule *r)
{
    struct ipnet *n = &r->m.dst;
    size_t i;

    r->m.dst_kind = (enum fw_dst)rnd(3);
    if (r->m.dst_kind == FW_DST_NAME) {
        snprintf(r->name, sizeof(r->name), "h%u.x-%u.example%s", rnd(9999),
                 rnd(9999), rnd(2) ? "" : ".");
    } else if (r->m.dst_kind == FW_DST_NET) {
        n->addr.family = rnd(2) ? AF_INET : AF_INET6;
        for (i = 0; i < ipaddr_len(&n->addr); i++)
            n->addr.b[i] = rnd(3) ? (uint8_t)rnd(256) : 0;
        n->prefix = (uint8_t)rnd((uint32_t)ipaddr_len(&n->addr) * 8 + 1);
    }
}

/* Up to 15 more ranges behind that of the match, with gaps between. */
static void random_more(struct fw_rule *r)
{
    uint32_t at = r->m.port_last;
    unsigned n = rnd(FW_PORTS_MAX);

    while (r->n_more < n) {
        uint32_t first = at + 2 + rnd(2000), last = first + rnd(2) * rnd(900);

        if (last > UINT16_MAX)
            break;
        r->more[r->n_more++] =
            (struct fw_ports){(uint16_t)first, (uint16_t)last};
        at = last;
    }
}

static struct fw_rule random_rule(void)
{
    struct fw_rule r = {.m = {.action = rnd(2) ? FW_ACCEPT : FW_DROP}};
    uint32_t a = rnd(65536), b = rnd(65536);

    random_dst(&r);
    r.m.proto = (enum fw_proto)rnd(4);
    r.m.dns = r.m.proto != FW_PROTO_ICMP && rnd(4) == 0;
    r.m.has_ports = r.m.proto != FW_PROTO_ICMP && rnd(2);
    if (r.m.has_ports) {
        r.m.port_first = (uint16_t)(r.m.dns ? 53 : a < b ? a : b);
        r.m.port_last = (uint16_t)(r.m.dns ? 53 : a < b ? b : a);
        if (!r.m.dns && rnd(2))
            random_more(&r);
    }
    r.m.has_icmptype = r.m.proto == FW_PROTO_ICMP && rnd(2);
    if (r.m.has_icmptype)
        r.icmp_name = (uint8_t)(rnd(2) * (1 + rnd(13)));
    if (r.m.has_icmptype && !r.icmp_name)
        r.m.icmptype = (uint8_t)rnd(256);
    r.has_expire = rnd(2);
    if (r.has_expire)
        r.expire = rnd(UINT32_MAX);
    if (rnd(2))
        random_text(r.comment, sizeof(r.comment) - 1,
                    PARSE_LOWER PARSE_UPPER PARSE_DIGIT ":;,./-_[] ");
    return r;
}

static bool has_port(const struct fw_rule *r, uint32_t port)
{
    unsigned i;

    if (!r->m.has_ports || (port >= r->m.port_first && port <= r->m.port_last))
        return true;
    for (i = 0; i < r->n_more; i++)
        if (port >= r->more[i].first && port <= r->more[i].last)
            return true;
    return false;
}

/* Each key is read back as it was meant, and all together mean the ports
 * of the rule and no others. */
static void check_keys(const struct fw_rule *rule)
{
    static const unsigned families[] = {AF_INET, AF_INET6};
    uint32_t port = rnd(65536);
    char text[FW_TEXT_MAX];
    struct fw_rule low, back;
    unsigned f, i, hits = 0, n = 0;

    for (f = 0; f < 2; f++) {
        for (i = 0; i < rule_span(rule); i++) {
            if (rule_lower(rule, families[f], i, &low) < 0)
                continue;
            n++;
            assert_true(rule_format_qdb(&low, text, sizeof(text)) > 0);
            if (rule_parse_qdb(text_of(text), &back, NULL) < 0)
                fail_msg("'%s' refused", text);
            assert_true(rule_eq(&low, &back));
            hits += has_port(&low, port);
        }
    }
    assert_int_equal(hits, has_port(rule, port) ? n / rule_span(rule) : 0);
}

static void test_lower(void **state)
{
    struct fw_rule r = {0}, low;
    char text[FW_TEXT_MAX];

    (void)state;
    rule_parse_api(text_of("action=drop dst4=1.1.1.1 dstports=80,90-99"), &r,
                   NULL);
    assert_int_equal(rule_span(&r), 2);
    assert_int_equal(rule_lower(&r, AF_INET6, 0, &low), -ENOENT);
    assert_int_equal(rule_lower(&r, AF_INET, 1, &low), 0);
    rule_format_qdb(&low, text, sizeof(text));
    assert_string_equal(text, "action=drop dst4=1.1.1.1/32 dstports=90-99");
    rule_parse_api(text_of("action=accept proto=icmp icmptype=echo-request"),
                   &r, NULL);
    assert_int_equal(rule_lower(&r, AF_INET, 0, &low), 0);
    assert_int_equal(low.m.icmptype, 8);
    assert_int_equal(rule_lower(&r, AF_INET6, 0, &low), 0);
    assert_int_equal(low.m.icmptype, 128);
    rule_parse_api(text_of("action=accept proto=icmp icmptype=packet-too-big"),
                   &r, NULL);
    assert_int_equal(rule_lower(&r, AF_INET, 0, &low), -ENOENT);
    assert_int_equal(rule_lower(&r, AF_INET6, 0, &low), 0);
    assert_int_equal(low.m.icmptype, 2);
}

static void test_round_trip(void **state)
{
    const char *given = getenv("RULE_SEED");
    uint64_t seed =
        given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 2654435761u;
    char text[FW_TEXT_MAX], again[FW_TEXT_MAX];
    struct fw_rule rule, back;
    struct rule_error err;
    int i;

    (void)state;
    random_state = seed | 1;
    print_message("RULE_SEED=%" PRIu64 "\n", seed);
    for (i = 0; i < ROUNDS; i++) {
        rule = random_rule();
        assert_true(rule_format_api(&rule, text, sizeof(text)) > 0);
        if (rule_parse_api(text_of(text), &back, &err) < 0)
            fail_msg("'%s' refused: %s", text, err.reason);
        if (!rule_eq(&rule, &back))
            fail_msg("'%s' differs", text);
        rule_format_api(&back, again, sizeof(again));
        assert_string_equal(text, again);
        /* The keys, without dom0's own word. */
        rule.comment[0] = '\0';
        check_keys(&rule);
    }
}

/* No random text breaks the parser, and what passes is canonical after one
 * turn. */
static void test_random_text(void **state)
{
    static const char *const words[] = {
        "action=accept",     "action=drop",
        "dst4=1.2.3.4/8",    "dst6=::/0",
        "dsthost=a.b",       "proto=tcp",
        "proto=icmp",        "dstports=53",
        "icmptype=3",        "=",
        "specialtarget=dns", "",
        "expire=5",          "comment=a",
        "dstports=9-8",      "x",
        "dstports=7,1-3,2",  "icmptype=echo-reply",
    };
    char line[512], text[FW_TEXT_MAX], again[FW_TEXT_MAX];
    struct fw_rule rule, back;
    uint32_t i, j, n;

    (void)state;
    for (i = 0; i < ROUNDS; i++) {
        line[0] = '\0';
        n = 1 + rnd(6);
        for (j = 0; j < n; j++) {
            if (j > 0)
                strcat(line, " ");
            strcat(line, words[rnd(ARRAY_LEN(words))]);
        }
        if (rnd(4) == 0 && line[0])
            line[rnd((uint32_t)strlen(line))] = (char)(1 + rnd(255));
        if (rule_parse_api(text_of(line), &rule, NULL) < 0)
            continue;
        assert_true(rule_format_api(&rule, text, sizeof(text)) > 0);
        assert_int_equal(rule_parse_api(text_of(text), &back, NULL), 0);
        assert_true(rule_eq(&rule, &back));
        rule_format_api(&back, again, sizeof(again));
        assert_string_equal(text, again);
    }
}

static void test_longest(void **state)
{
    struct fw_rule r = {
        .m = {.action = FW_ACCEPT,
              .dst_kind = FW_DST_NAME,
              .proto = FW_PROTO_ICMP,
              .has_icmptype = true,
              .icmptype = 255},
        .has_expire = true,
        .expire = FW_EXPIRE_MAX,
    };
    char text[FW_TEXT_MAX];
    int n;

    (void)state;
    memset(r.name, 'a', FW_NAME_MAX - 1);
    memset(r.comment, 'c', FW_COMMENT_MAX - 1);
    n = rule_format_api(&r, text, sizeof(text));
    assert_true(n > 0 && (size_t)n == strlen(text));
    assert_int_equal(rule_format_api(&r, text, (size_t)n), -ENOBUFS);
    assert_int_equal(rule_format_api(&r, text, (size_t)n + 1), n);
    assert_int_equal(rule_format_qdb(&r, text, 0), -ENOBUFS);
}

static struct fw_rule parsed(const char *text)
{
    struct fw_rule r = {0};

    assert_int_equal(rule_parse_api(text_of(text), &r, NULL), 0);
    return r;
}

static void test_eq(void **state)
{
    static const char *const texts[] = {
        "action=accept",
        "action=drop",
        "action=accept dst4=1.1.1.1/32",
        "action=accept dst4=1.1.1.1/31",
        "action=accept dst6=::1/128",
        "action=accept dsthost=a.b",
        "action=accept dsthost=a.c",
        "action=accept proto=tcp",
        "action=accept proto=udp",
        "action=accept proto=tcp dstports=1-2",
        "action=accept proto=tcp dstports=1-3",
        "action=accept proto=tcp dstports=0-2",
        "action=accept proto=icmp",
        "action=accept proto=icmp icmptype=0",
        "action=accept proto=icmp icmptype=1",
        "action=accept specialtarget=dns",
        "action=accept expire=0",
        "action=accept expire=1",
        "action=accept comment=a",
        "action=accept comment=b",
        "action=accept proto=tcp dstports=1-2,4",
        "action=accept proto=tcp dstports=1-2,4-5",
        "action=accept proto=icmp icmptype=echo-reply",
        "action=accept proto=icmp icmptype=echo-request",
    };
    size_t i, j;

    (void)state;
    for (i = 0; i < ARRAY_LEN(texts); i++) {
        for (j = 0; j < ARRAY_LEN(texts); j++) {
            struct fw_rule a = parsed(texts[i]), b = parsed(texts[j]);

            assert_int_equal(rule_eq(&a, &b), i == j);
        }
    }
}

static void test_family(void **state)
{
    struct fw_rule any = parsed("action=drop"),
                   v4 = parsed("action=drop dst4=1.1.1.1"),
                   v6 = parsed("action=drop dst6=::1"),
                   name = parsed("action=drop dsthost=a.b");

    (void)state;
    assert_true(rule_fits_family(&any, AF_INET));
    assert_true(rule_fits_family(&any, AF_INET6));
    assert_true(rule_fits_family(&name, AF_INET));
    assert_true(rule_fits_family(&name, AF_INET6));
    assert_true(rule_fits_family(&v4, AF_INET));
    assert_false(rule_fits_family(&v4, AF_INET6));
    assert_true(rule_fits_family(&v6, AF_INET6));
    assert_false(rule_fits_family(&v6, AF_INET));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_random_text),
        cmocka_unit_test(test_longest),    cmocka_unit_test(test_eq),
        cmocka_unit_test(test_family),     cmocka_unit_test(test_lower),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
