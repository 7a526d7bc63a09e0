/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/dom0/fw_explain.c and fw_question.c: what is asked, and
 * which rule decides it, in tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "dom0/fw_explain.h"
#include "dom0/plan.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "rules/rule_lower.h"

#define NOW 5000u

static const struct {
    const char *name, *text;
} files[] = {
    {"fw", "Kind=firewallvm\nNetVM=net\nQID=2\n"},
    {"net", "Kind=netvm\nIPv6=yes\nQID=1\n[Uplink]\nMode=dhcp\n"},
    {"open", "Kind=qube\nNetVM=fw\nQID=5\n"},
    {"plain", "Kind=qube\nNetVM=net\nQID=6\n"},
    {"shut", "Kind=qube\nNetVM=fw\nQID=7\n[Firewall]\n"},
    {"v4", "Kind=qube\nNetVM=fw\nIPv6=no\nQID=8\n[Firewall]\nRule=accept\n"
           "Reach=open tcp 80-90\nReach=shut icmp\n"},
    {"inner", "Kind=firewallvm\nNetVM=fw\nQID=10\n[Firewall]\n"
              "Rule=drop 192.0.2.9\nRule=accept\n"},
    {"deep", "Kind=qube\nNetVM=inner\nQID=11\n[Firewall]\n"
             "Rule=accept proto=tcp\nRule=accept 192.0.2.9\n"
             "Reach=open any\n"},
    {"vault", "Kind=qube\nQID=9\n"},
    {"work", "Kind=qube\nNetVM=fw\nQID=4\n[Firewall]\n"
             /* 0 */ "Rule=drop dst4=192.0.2.66/32\n"
             /* 1 */ "Rule=accept 192.0.2.0/24 tcp 80,443,1000-2000\n"
             /* 2 */ "Rule=accept dst6=2001:db8::/32 proto=udp\n"
             /* 3 */ "Rule=accept proto=icmp icmptype=echo-request\n"
             /* 4 */ "Rule=accept specialtarget=dns\n"
             /* 5 */ "Rule=accept dsthost=a.example.org proto=tcp\n"
             /* 6 */ "Rule=accept 203.0.113.9 udp 7 expire=4000\n"
             /* 7 */ "Rule=accept 203.0.113.9 udp 8 expire=6000\n"
             /* 8 */ "Rule=drop dsthost=b.example.org\n"
             /* 9 */ "Rule=accept proto=udp\n"},
    {"wild", "Kind=qube\nNetVM=fw\nQID=12\nIPv6=no\n[Firewall]\n"
             "Rule=accept dsthost=*.example.org proto=tcp\n"},
};

static void make(struct config *c)
{
    struct plan_ids ids = {0};
    struct problems p = {0};
    bool changed;

    *c = (struct config){0};
    config_daemon_defaults(&c->d);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct config_qube *q;
        char text[1024];

        snprintf(text, sizeof(text), "[Qube]\nImage=i\n%s", files[i].text);
        assert_int_equal(config_parse_qube(text_of(text), files[i].name,
                                           files[i].name, &c->d, &q, &p),
                         0);
        assert_int_equal(config_add(c, q), 0);
    }
    assert_int_equal(plan_resolve(c, &ids, &changed, &p), 0);
    assert_int_equal(config_check(c, &p), 0);
    plan_ids_free(&ids);
}

/* "HOST PROTO TYPE" as words. @return as fw_question_parse() */
static int question(const char *text, struct fw_question *ret)
{
    char copy[512], *argv[8], *save = NULL;
    const char *why = NULL;
    int argc = 0, r;

    snprintf(copy, sizeof(copy), "%s", text);
    for (char *w = strtok_r(copy, " ", &save); w;
         w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    r = fw_question_parse(argc, argv, ret, &why);
    if (r)
        assert_non_null(why);
    return r;
}

/* ---- questions ---- */

static void test_question_good(void **state)
{
    static const struct {
        const char *text, *host;
        unsigned family;
        enum fw_proto proto;
        unsigned port;
        const char *type; /* name; NULL: number in port */
    } t[] = {
        {"192.0.2.1:443", "192.0.2.1", AF_INET, FW_PROTO_TCP, 443, NULL},
        {"192.0.2.1:0 udp", "192.0.2.1", AF_INET, FW_PROTO_UDP, 0, NULL},
        {"192.0.2.1", "192.0.2.1", AF_INET, FW_PROTO_ICMP, 0, "echo-request"},
        {"2001:db8::1", "2001:db8::1", AF_INET6, FW_PROTO_ICMP, 0,
         "echo-request"},
        {"[2001:db8::1]", "2001:db8::1", AF_INET6, FW_PROTO_ICMP, 0,
         "echo-request"},
        {"[2001:db8::1]:53 udp", "2001:db8::1", AF_INET6, FW_PROTO_UDP, 53,
         NULL},
        {"a.example.org:80", "a.example.org", 0, FW_PROTO_TCP, 80, NULL},
        {"Work_1 icmp", "Work_1", 0, FW_PROTO_ICMP, 0, "echo-request"},
        {"192.0.2.1 icmp 13", "192.0.2.1", AF_INET, FW_PROTO_ICMP, 13, NULL},
        {"192.0.2.1 icmp redirect", "192.0.2.1", AF_INET, FW_PROTO_ICMP, 0,
         "redirect"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct fw_question q;

        if (question(t[i].text, &q))
            fail_msg("%s: refused", t[i].text);
        assert_string_equal(q.host, t[i].host);
        assert_int_equal(q.addr.family, t[i].family);
        assert_int_equal(q.proto, t[i].proto);
        if (t[i].type)
            assert_string_equal(rule_icmp_text(q.icmp_name), t[i].type);
        else if (q.proto == FW_PROTO_ICMP)
            assert_int_equal(q.icmp_type, t[i].port);
        else
            assert_int_equal(q.port, t[i].port);
    }
}

static void test_question_bad(void **state)
{
    static const char *const t[] = {
        "",
        "192.0.2.1:65536",
        "192.0.2.1:",
        "192.0.2.1:80:90",
        "192.0.2.1 tcp",
        "192.0.2.1:80 icmp",
        "192.0.2.1:80 tcp 8",
        "192.0.2.1:80 sctp",
        "192.0.2.1 icmp 256",
        "192.0.2.1 icmp ping",
        "[2001:db8::1",
        "[2001:db8::1]80",
        "[a.example.org]:80",
        "-a:80",
        "a b c d",
        "10.1 icmp",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct fw_question q;

        if (question(t[i], &q) != -EBADMSG)
            fail_msg("'%s' was taken", t[i]);
    }
}

/* ---- answers ---- */

struct said {
    const char *path, *val;
};

static const char *say(void *arg, const struct config_qube *fw,
                       const char *path)
{
    assert_non_null(fw);
    for (const struct said *s = arg; s && s->path; s++) {
        if (!strcmp(s->path, path))
            return s->val;
    }
    return NULL;
}

/* One line for each answer: "VERDICT BECAUSE RULE ...". */
static void ask(const struct config *c, const struct said *said,
                const char *qube, const char *text, char *out, size_t cap)
{
    struct fw_explain_world w = {c, NOW, say, (void *)(uintptr_t)said};
    const struct config_qube *q = config_find(c, qube);
    static const unsigned both[] = {AF_INET, AF_INET6};
    struct fw_question k;
    size_t len = 0;

    out[0] = '\0';
    assert_int_equal(question(text, &k), 0);
    for (size_t f = 0; f < 2; f++) {
        struct ipaddr v[FW_ASK_ADDRS_MAX];
        bool named;
        size_t n = fw_explain_addrs(&w, q, &k, both[f], v, &named);

        for (size_t i = 0; i < n || (named && !n && !i); i++) {
            struct fw_answer a;

            assert_int_equal(
                fw_explain(&w, q, &k, n ? &v[i] : NULL, both[f], &a), 0);
            len += (size_t)snprintf(
                out + len, cap - len, "%s%c%s", len ? " " : "",
                both[f] == AF_INET ? '4' : '6',
                a.depends ? "?" : (a.action == FW_ACCEPT ? "+" : "-"));
            len += (size_t)snprintf(out + len, cap - len, "%s",
                                    fw_because_name(a.why));
            if (a.why == FW_BY_RULE)
                len += (size_t)snprintf(out + len, cap - len, "%zu%s", a.rule,
                                        a.shut ? "!" : "");
            if (a.maybe != FW_NO_RULE)
                len += (size_t)snprintf(out + len, cap - len, "~%zu", a.maybe);
            if (a.expired != FW_NO_RULE)
                len +=
                    (size_t)snprintf(out + len, cap - len, "<%zu", a.expired);
            fw_answer_free(&a);
        }
    }
}

static void test_answers(void **state)
{
    static const struct {
        const char *qube, *ask, *want;
    } t[] = {
        {"work", "192.0.2.7:443", "4+rule1"},
        {"work", "192.0.2.7:1000", "4+rule1"},
        {"work", "192.0.2.7:2001", "4-rule8!"},
        {"work", "192.0.2.66:443", "4-rule0"},
        {"work", "192.0.2.66", "4-rule0"},
        {"work", "192.0.2.67", "4+rule3"},
        {"work", "192.0.2.67 icmp 0", "4-rule8!"},
        {"work", "2001:db8::1", "6+rule3"},
        {"work", "2001:db8::1 icmp 8", "6-rule8!"},
        {"work", "[2001:db8::1]:9 udp", "6+rule2"},
        {"work", "[2001:db9::1]:9 udp", "6-rule8!"},
        {"work", "10.139.1.1:53 udp", "4+rule4"},
        {"work", "10.139.1.2:53", "4+rule4"},
        {"work", "10.139.1.1:54 udp", "4-rule8!"},
        /* a rule that ended says nothing any more, one to come to its end
         * does */
        {"work", "203.0.113.9:7 udp", "4-rule8!<6"},
        {"work", "203.0.113.9:8 udp", "4+rule7"},
        /* a name is known by its rule; what it may be besides is said */
        {"work", "a.example.org:443", "4?rule5~0 6+rule5"},
        {"work", "b.example.org:9 udp", "4-rule8 6?rule8~2"},
        {"work", "c.example.org:9 tcp", "4?policy~5 6?policy~5"},
        {"wild", "www.example.org:1", "4+rule0 6-no-address"},
        {"wild", "a.b.example.org:1", "4+rule0 6-no-address"},
        {"wild", "www.example.org.:1", "4+rule0 6-no-address"},
        {"wild", "example.org:1", "4?policy~0 6-no-address"},
        {"wild", "wwwexample.org:1", "4?policy~0 6-no-address"},
        {"wild", "www.example.org:1 udp", "4-policy 6-no-address"},
        /* other qubes, by name and address, before any rule */
        {"work", "open:80", "4-to-qube 6-to-qube"},
        {"v4", "10.137.0.1:80", "4-to-qube"},
        {"v4", "open:80", "4+reach 6-no-address"},
        {"v4", "open:91", "4-to-qube 6-no-address"},
        {"v4", "open:80 udp", "4-to-qube 6-no-address"},
        {"v4", "shut icmp 13", "4+reach 6-no-address"},
        /* on the way to where both meet deep's own list counts */
        {"deep", "open:80", "4+reach 6+reach"},
        {"deep", "open:80 udp", "4-policy 6-policy"},
        {"work", "[fd09:24ef:4179::a8b:101]:53", "6+rule4"},
        {"work", "a.example.org.:443", "4?rule5~0 6+rule5"},
        {"open", "192.0.2.1:1", "4+rule0"},
        {"shut", "192.0.2.1:1", "4-policy"},
        {"shut", "d.example.org", "4-policy 6-policy"},
        {"plain", "192.0.2.1:1", "4+no-firewall"},
        {"vault", "192.0.2.1:1", "4-no-netvm"},
        /* two firewalls: what either drops is dropped */
        {"deep", "192.0.2.1:1", "4+rule0"},
        {"deep", "192.0.2.1:1 udp", "4-policy"},
        {"deep", "192.0.2.9:1", "4-rule0"},
        {"deep", "a.example.org:1", "4?rule1~0 6+rule0"},
        {"v4", "192.0.2.1:1", "4+rule0"},
        {"v4", "2001:db8::1", "6-no-address"},
    };
    struct config c;

    (void)state;
    make(&c);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        char out[256];

        ask(&c, NULL, t[i].qube, t[i].ask, out, sizeof(out));
        if (strcmp(out, t[i].want))
            fail_msg("%s %s: %s, expected %s", t[i].qube, t[i].ask, out,
                     t[i].want);
    }
    config_free(&c);
}

/* Rule 5 is key 0007 and rule 8 key 0010, as rule 1 has three ranges. */
static const struct said names[] = {
    {"/sysqube-status/firewall/10.137.0.4", "applied 12"},
    {"/sysqube-status/firewall-names/10.137.0.4/0007",
     "ok 198.51.100.1 198.51.100.2"},
    {"/sysqube-status/firewall-names/10.137.0.4/0010", "stale 198.51.100.9"},
    {"/sysqube-status/firewall-names/fd09:24ef:4179::a89:4/0007", "unresolved"},
    {"/sysqube-status/firewall-names/fd09:24ef:4179::a89:4/0010",
     "ok 2001:db8:9::1 198.51.100.9 junk"},
    {NULL, NULL},
};
static const struct said refused[] = {
    {"/sysqube-status/firewall/10.137.0.4", "blocked 0003: no action"},
    {NULL, NULL},
};

static void test_status(void **state)
{
    static const struct {
        const struct said *said;
        const char *qube, *ask, *want;
    } t[] = {
        {names, "work", "198.51.100.2:443", "4+rule5"},
        {names, "work", "198.51.100.3:443", "4-policy"},
        {names, "work", "198.51.100.3:9 udp", "4+rule9"},
        {names, "work", "198.51.100.9:9 udp", "4-rule8"},
        {names, "work", "a.example.org:443", "4+rule5 4+rule5 6+rule5"},
        {names, "work", "[2001:db9::1]:9 udp", "6+rule9"},
        {names, "work", "[2001:db8:9::1]:9 tcp", "6-rule8"},
        {refused, "work", "192.0.2.7:443", "4-list-blocked"},
        {refused, "work", "2001:db8::1", "6+rule3"},
    };
    struct config c;

    (void)state;
    make(&c);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        char out[256];

        ask(&c, t[i].said, t[i].qube, t[i].ask, out, sizeof(out));
        if (strcmp(out, t[i].want))
            fail_msg("%s %s: %s, expected %s", t[i].qube, t[i].ask, out,
                     t[i].want);
    }
    config_free(&c);
}

/* Why each rule before the deciding one was passed over. */
static void test_missed(void **state)
{
    static const enum fw_miss want[] = {
        FW_MISS_FAMILY, FW_MISS_FAMILY, FW_MISS_DST,    FW_MISS_PROTO,
        FW_MISS_DNS,    FW_MISS_PROTO,  FW_MISS_FAMILY, FW_MISS_FAMILY};
    struct config c;
    struct fw_explain_world w = {.cfg = &c, .now_s = NOW};
    struct fw_question k;
    struct fw_answer a;

    (void)state;
    make(&c);
    assert_int_equal(question("[2001:db9::1]:53 udp", &k), 0);
    assert_int_equal(
        fw_explain(&w, config_find(&c, "work"), &k, &k.addr, AF_INET6, &a), 0);
    assert_int_equal(a.n_missed, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_int_equal(a.missed[i], want[i]);
    fw_answer_free(&a);
    config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_question_good),
        cmocka_unit_test(test_question_bad),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_missed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
