/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/rules/rule_parse.c: the grammar, form by form, and
 * every malformed case of spec/firewall-rules.md, must 3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "rules/rule_format.h"
#include "rules/rule_parse.h"

/* want: canonical API text; NULL: refused with a reason that holds why, at
 * the column. */
struct row {
    const char *input;
    const char *want;
    const char *why;
    unsigned column;
};

typedef int (*parse_fn)(struct text t, struct fw_rule *ret,
                        struct rule_error *err);

static int parse_cli(struct text t, struct fw_rule *ret, struct rule_error *err)
{
    return rule_parse_line(t, 1000, ret, err);
}

static void check_row(const struct row *row, parse_fn parse)
{
    static const struct rule_error UNTOUCHED = {"untouched", 999};
    struct rule_error err = UNTOUCHED;
    struct fw_rule rule, before;
    char text[FW_TEXT_MAX];
    int r;

    memset(&rule, 0x5a, sizeof(rule));
    before = rule;
    r = parse(text_of(row->input), &rule, &err);
    if (row->want) {
        if (r != 0)
            fail_msg("'%s' refused: %s", row->input, err.reason);
        assert_string_equal(err.reason, UNTOUCHED.reason);
        assert_true(rule_format_api(&rule, text, sizeof(text)) > 0);
        if (strcmp(text, row->want) != 0)
            fail_msg("'%s' became '%s'", row->input, text);
        return;
    }
    if (r != -EBADMSG)
        fail_msg("'%s' passed", row->input);
    assert_memory_equal(&rule, &before, sizeof(rule));
    if (!strstr(err.reason, row->why))
        fail_msg("'%s': reason '%s', not '%s'", row->input, err.reason,
                 row->why);
    if (err.column != row->column)
        fail_msg("'%s': column %u, not %u", row->input, err.column,
                 row->column);
    assert_int_equal(parse(text_of(row->input), &rule, NULL), -EBADMSG);
}

static const struct row QDB[] = {
    {"action=accept", "action=accept", NULL, 0},
    {"action=drop", "action=drop", NULL, 0},
    {"action=accept dst4=10.0.0.0/8", "action=accept dst4=10.0.0.0/8", NULL, 0},
    {"action=accept dst4=10.1.2.3/8", "action=accept dst4=10.1.2.3/8", NULL, 0},
    {"action=accept dst4=1.2.3.4", "action=accept dst4=1.2.3.4/32", NULL, 0},
    {"action=accept dst4=0.0.0.0/0", "action=accept dst4=0.0.0.0/0", NULL, 0},
    {"action=accept dst6=::/0", "action=accept dst6=::/0", NULL, 0},
    {"action=accept dst6=FD09:0:0::1/64", "action=accept dst6=fd09::1/64", NULL,
     0},
    {"action=drop dst6=2001:db8::/32", "action=drop dst6=2001:db8::/32", NULL,
     0},
    {"action=drop dst6=::1", "action=drop dst6=::1/128", NULL, 0},
    {"action=accept dsthost=example.org", "action=accept dsthost=example.org",
     NULL, 0},
    {"action=accept dsthost=1.2.3.4", "action=accept dst4=1.2.3.4/32", NULL, 0},
    {"action=accept dsthost=2001:db8::1", "action=accept dst6=2001:db8::1/128",
     NULL, 0},
    {"action=accept dsthost=_srv.x-y.example.",
     "action=accept dsthost=_srv.x-y.example.", NULL, 0},
    {"action=accept dsthost=1.2.3.4a", "action=accept dsthost=1.2.3.4a", NULL,
     0},
    {"action=accept proto=tcp", "action=accept proto=tcp", NULL, 0},
    {"action=accept proto=udp dstports=53-53",
     "action=accept proto=udp dstports=53-53", NULL, 0},
    {"action=accept proto=tcp dstports=80",
     "action=accept proto=tcp dstports=80-80", NULL, 0},
    {"action=accept proto=tcp dstports=0-65535",
     "action=accept proto=tcp dstports=0-65535", NULL, 0},
    {"action=accept dstports=1-1024", "action=accept dstports=1-1024", NULL, 0},
    {"action=accept proto=icmp", "action=accept proto=icmp", NULL, 0},
    {"action=accept proto=icmp icmptype=8",
     "action=accept proto=icmp icmptype=8", NULL, 0},
    {"action=accept icmptype=255 proto=icmp",
     "action=accept proto=icmp icmptype=255", NULL, 0},
    {"action=accept specialtarget=dns", "action=accept specialtarget=dns", NULL,
     0},
    {"action=accept proto=udp specialtarget=dns dstports=53-53",
     "action=accept proto=udp specialtarget=dns dstports=53-53", NULL, 0},
    {"action=accept dst4=10.139.1.1/32 specialtarget=dns",
     "action=accept dst4=10.139.1.1/32 specialtarget=dns", NULL, 0},
    {"dstports=1-2 proto=tcp dst4=1.1.1.1/32 action=drop",
     "action=drop dst4=1.1.1.1/32 proto=tcp dstports=1-2", NULL, 0},
    /* what is no rule */
    {"", NULL, "empty line", 1},
    {" ", NULL, "double space", 1},
    {" action=accept", NULL, "double space", 1},
    {"action=accept ", NULL, "double space", 15},
    {"action=accept  proto=tcp", NULL, "double space", 15},
    {"proto=tcp", NULL, "no action", 1},
    {"accept", NULL, "without '='", 1},
    {"action=accept tcp", NULL, "without '='", 15},
    {"=accept", NULL, "unknown key", 1},
    {"=", NULL, "unknown key", 1},
    {"action==accept", NULL, "two '='", 1},
    {"action=accept=drop", NULL, "two '='", 1},
    {"action=accept proto=tcp=udp", NULL, "two '='", 15},
    {"action=", NULL, "without a value", 1},
    {"action=accept proto=", NULL, "without a value", 15},
    {"action=accept dsthost=", NULL, "without a value", 15},
    {"action=accept dpi=http", NULL, "unknown key", 15},
    {"action=accept Proto=tcp", NULL, "unknown key", 15},
    {"ACTION=accept", NULL, "unknown key", 1},
    {"action=ACCEPT", NULL, "accept or drop", 1},
    {"action=reject", NULL, "accept or drop", 1},
    {"action=accept action=accept", NULL, "repeated key", 15},
    {"action=accept proto=tcp proto=tcp", NULL, "repeated key", 25},
    {"action=accept dst4=1.1.1.1/32 dst4=1.1.1.1/32", NULL,
     "second destination", 31},
    {"action=accept dst4=1.1.1.1/32 dst6=::/0", NULL, "second destination", 31},
    {"action=accept dsthost=a.b dst4=1.1.1.1/32", NULL, "second destination",
     27},
    {"action=accept\tproto=tcp", NULL, "printable", 14},
    {"action=accept\n", NULL, "printable", 14},
    {"action=accept proto=tcp\x7f", NULL, "printable", 24},
    {"action=accept dsthost=b\xc3\xbc"
     "cher.example",
     NULL, "printable", 24},
    {"action=accept dsthost=a!b", NULL, "not allowed", 15},
    {"action=accept expire=100", "action=accept expire=100", NULL, 0},
    {"action=accept expire=+100", NULL, "expire is", 15},
    {"action=accept comment=x", NULL, "unknown key", 15},
    {"action=accept dstname=x.y", NULL, "unknown key", 15},
    /* destinations */
    {"action=accept dst4=10.0.0.0/33", NULL, "dst4", 15},
    {"action=accept dst4=10.0.0.0/-1", NULL, "dst4", 15},
    {"action=accept dst4=10.0.0.0/08", NULL, "dst4", 15},
    {"action=accept dst4=10.0.0.0/", NULL, "dst4", 15},
    {"action=accept dst4=10.0.0.0/8/8", NULL, "dst4", 15},
    {"action=accept dst4=/8", NULL, "dst4", 15},
    {"action=accept dst4=10.0.0/8", NULL, "dst4", 15},
    {"action=accept dst4=10", NULL, "dst4", 15},
    {"action=accept dst4=256.0.0.1/32", NULL, "dst4", 15},
    {"action=accept dst4=010.0.0.1/32", NULL, "dst4", 15},
    {"action=accept dst4=::1/128", NULL, "dst4", 15},
    {"action=accept dst4=example.org", NULL, "dst4", 15},
    {"action=accept dst6=10.0.0.0/8", NULL, "dst6", 15},
    {"action=accept dst6=::/129", NULL, "dst6", 15},
    {"action=accept dst6=fe80::1%eth0", NULL, "not allowed", 15},
    {"action=accept dst6=:::/0", NULL, "dst6", 15},
    {"action=accept dst6=1:2:3:4:5:6:7:8:9/128", NULL, "dst6", 15},
    {"action=accept dst6=[::1]/128", NULL, "dst6", 15},
    {"action=accept dsthost=10.1", NULL, "not an address", 15},
    {"action=accept dsthost=1.2.3.4.5", NULL, "not an address", 15},
    {"action=accept dsthost=12345", NULL, "not an address", 15},
    {"action=accept dsthost=0x7f.0.0.0x1", NULL, "not an address", 15},
    {"action=accept dsthost=1.2.3.256", NULL, "not an address", 15},
    {"action=accept dsthost=10.0.0.0/33", NULL, "not an address", 15},
    {"action=accept dsthost=example.org/24", NULL, "not an address", 15},
    {"action=accept dsthost=Example.org", NULL, "not an address", 15},
    {"action=accept dsthost=.example.org", NULL, "not an address", 15},
    {"action=accept dsthost=a..b", NULL, "not an address", 15},
    {"action=accept dsthost=.", NULL, "not an address", 15},
    {"action=accept dsthost=a.b..", NULL, "not an address", 15},
    {"action=accept dsthost=-a.b", NULL, "not an address", 15},
    {"action=accept dsthost=a.-b", NULL, "not an address", 15},
    {"action=accept dsthost=a_b,c", NULL, "not an address", 15},
    /* protocols, ports, types */
    {"action=accept proto=sctp", NULL, "proto is", 15},
    {"action=accept proto=icmpv6", NULL, "proto is", 15},
    {"action=accept proto=6", NULL, "proto is", 15},
    {"action=accept proto=TCP", NULL, "proto is", 15},
    {"action=accept dstports=65536", NULL, "dstports is", 15},
    {"action=accept dstports=1-65536", NULL, "dstports is", 15},
    {"action=accept dstports=99999999999999999999", NULL, "dstports is", 15},
    {"action=accept dstports=-1", NULL, "dstports is", 15},
    {"action=accept dstports=-", NULL, "dstports is", 15},
    {"action=accept dstports=1-", NULL, "dstports is", 15},
    {"action=accept dstports=1-2-3", NULL, "dstports is", 15},
    {"action=accept dstports=1:2", NULL, "dstports is", 15},
    {"action=accept dstports=80,443", NULL, "dstports is", 15},
    {"action=accept dstports=http", NULL, "dstports is", 15},
    {"action=accept dstports=0x50", NULL, "dstports is", 15},
    {"action=accept dstports=080", NULL, "dstports is", 15},
    {"action=accept dstports=+80", NULL, "not allowed", 15},
    {"action=accept dstports=90-80", NULL, "reversed", 15},
    {"action=accept proto=icmp dstports=1-2", NULL, "dstports needs", 26},
    {"action=accept dstports=1-2 proto=icmp", NULL, "dstports needs", 28},
    {"action=accept icmptype=8", NULL, "icmptype needs", 15},
    {"action=accept proto=tcp icmptype=8", NULL, "icmptype needs", 25},
    {"action=accept proto=icmp icmptype=256", NULL, "icmptype is", 26},
    {"action=accept proto=icmp icmptype=echo", NULL, "icmptype is", 26},
    {"action=accept proto=icmp icmptype=-1", NULL, "icmptype is", 26},
    {"action=accept proto=icmp icmptype=echo-request", NULL, "icmptype is", 26},
    {"action=accept specialtarget=DNS", NULL, "specialtarget is", 15},
    {"action=accept specialtarget=ntp", NULL, "specialtarget is", 15},
    {"action=accept specialtarget=dns proto=icmp", NULL, "tcp or udp", 33},
    {"action=accept specialtarget=dns dstports=54", NULL, "port 53", 33},
    {"action=accept specialtarget=dns dstports=53-54", NULL, "port 53", 33},
    {"action=accept specialtarget=dns specialtarget=dns", NULL, "repeated", 33},
};

static void test_qdb(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(QDB); i++)
        check_row(&QDB[i], rule_parse_qdb);
}

/* What the key form refuses and accepts, the API form does too, but for
 * its three further keys. */
static void test_api_as_qdb(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(QDB); i++) {
        if (strstr(QDB[i].input, "expire=") ||
            strstr(QDB[i].input, "comment=") ||
            strstr(QDB[i].input, "dstname=") || strchr(QDB[i].input, ',') ||
            strstr(QDB[i].input, "icmptype=echo-"))
            continue;
        check_row(&QDB[i], rule_parse_api);
    }
}

static const struct row API[] = {
    {"action=accept expire=100", "action=accept expire=100", NULL, 0},
    {"action=accept expire=0", "action=accept expire=0", NULL, 0},
    {"expire=5 action=accept dst4=1.1.1.1",
     "action=accept expire=5 dst4=1.1.1.1/32", NULL, 0},
    {"action=accept comment=a b  c", "action=accept comment=a b  c", NULL, 0},
    {"action=accept comment= x", "action=accept comment= x", NULL, 0},
    {"comment=x action=drop", NULL, "not allowed", 1},
    {"action=drop comment=proto-tcp, at [home]: 10.0.0.0/8;_",
     "action=drop comment=proto-tcp, at [home]: 10.0.0.0/8;_", NULL, 0},
    {"action=accept dstname=x.y", "action=accept dsthost=x.y", NULL, 0},
    {"proto=tcp dsthost=*.example.org action=accept",
     "action=accept dsthost=*.example.org proto=tcp", NULL, 0},
    {"action=accept dstname=*.a.b.c.", "action=accept dsthost=*.a.b.c.", NULL,
     0},
    {"action=accept dsthost=*.org", NULL, "or a name", 15},
    {"action=accept dsthost=*.org.", NULL, "or a name", 15},
    {"action=accept dsthost=*", NULL, "or a name", 15},
    {"action=accept dsthost=*.", NULL, "or a name", 15},
    {"action=accept dsthost=*..example.org", NULL, "or a name", 15},
    {"action=accept dsthost=*example.org", NULL, "or a name", 15},
    {"action=accept dsthost=*.*.example.org", NULL, "or a name", 15},
    {"action=accept dsthost=www.*.example.org", NULL, "or a name", 15},
    {"action=accept dsthost=*.10.1", NULL, "or a name", 15},
    {"action=drop dsthost=*.example.org", NULL, "needs action=accept", 13},
    {"action=accept dst4=*.0.0.1", NULL, "dst4 is", 15},
    {"action=acc*pt", NULL, "accept or drop", 1},
    {"action=accept comment=a*b", NULL, "not allowed", 15},
    {"action=accept dstname=10.0.0.1", NULL, "not an address", 15},
    {"action=accept dstname=x.y dsthost=x.y", NULL, "second destination", 27},
    {"action=accept expire=+100", NULL, "expire is", 15},
    {"action=accept expire=", NULL, "without a value", 15},
    {"action=accept expire=-1", NULL, "expire is", 15},
    {"action=accept expire=1.5", NULL, "expire is", 15},
    {"action=accept expire=100000000000", NULL, "expire is", 15},
    {"action=accept expire=99999999999", "action=accept expire=99999999999",
     NULL, 0},
    {"action=accept expire=1 expire=1", NULL, "repeated", 24},
    {"action=accept comment=", NULL, "without a value", 15},
    {"action=accept comment=a=b", NULL, "not allowed", 15},
    {"action=accept comment=a'b", NULL, "not allowed", 15},
    {"comment=no action", NULL, "no action", 1},
    {"action=accept comment=x comment=y", NULL, "not allowed", 15},
    /* lists of ports: ascending, joined where they touch */
    {"action=accept proto=tcp dstports=80,443,1000-2000",
     "action=accept proto=tcp dstports=80,443,1000-2000", NULL, 0},
    {"action=accept dstports=443,80", "action=accept dstports=80,443", NULL, 0},
    {"action=accept dstports=2-4,1,5-5", "action=accept dstports=1-5", NULL, 0},
    {"action=accept dstports=10-20,1-15,30", "action=accept dstports=1-20,30",
     NULL, 0},
    {"action=accept dstports=1-100,5-6", "action=accept dstports=1-100", NULL,
     0},
    {"action=accept dstports=65535,0-65534", "action=accept dstports=0-65535",
     NULL, 0},
    {"action=accept dstports=1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31",
     "action=accept dstports=1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31", NULL,
     0},
    {"action=accept dstports=1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33",
     NULL, "more than 16", 15},
    {"action=accept dstports=80,", NULL, "dstports is", 15},
    {"action=accept dstports=,80", NULL, "dstports is", 15},
    {"action=accept dstports=80,,81", NULL, "dstports is", 15},
    {"action=accept dstports=80,99-90", NULL, "reversed", 15},
    {"action=accept dstports=80,443 proto=icmp", NULL, "dstports needs", 31},
    {"action=accept specialtarget=dns dstports=53,54", NULL, "port 53", 33},
    {"action=accept specialtarget=dns dstports=53,80", NULL, "port 53", 33},
    {"action=accept specialtarget=dns dstports=53,53",
     "action=accept specialtarget=dns dstports=53-53", NULL, 0},
    /* ICMP types by name */
    {"action=accept proto=icmp icmptype=echo-request",
     "action=accept proto=icmp icmptype=echo-request", NULL, 0},
    {"icmptype=packet-too-big proto=icmp action=accept",
     "action=accept proto=icmp icmptype=packet-too-big", NULL, 0},
    {"action=accept icmptype=echo-request", NULL, "icmptype needs", 15},
    {"action=accept proto=icmp icmptype=Echo-request", NULL, "icmptype is", 26},
};

static void test_api(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(API); i++)
        check_row(&API[i], rule_parse_api);
}

static const struct row CLI[] = {
    {"accept", "action=accept", NULL, 0},
    {"drop 10.0.0.0/8", "action=drop dst4=10.0.0.0/8", NULL, 0},
    {"accept 2001:db8::/32", "action=accept dst6=2001:db8::/32", NULL, 0},
    {"accept example.org tcp 443",
     "action=accept dsthost=example.org proto=tcp dstports=443-443", NULL, 0},
    {"accept example.org udp 1-10",
     "action=accept dsthost=example.org proto=udp dstports=1-10", NULL, 0},
    {"accept 1.1.1.1 icmp 8",
     "action=accept dst4=1.1.1.1/32 proto=icmp icmptype=8", NULL, 0},
    {"accept proto=tcp dst4=1.2.3.4 dstports=80-80",
     "action=accept dst4=1.2.3.4/32 proto=tcp dstports=80-80", NULL, 0},
    {"proto=tcp accept dstports=22", "action=accept proto=tcp dstports=22-22",
     NULL, 0},
    {"specialtarget=dns drop", "action=drop specialtarget=dns", NULL, 0},
    {"action=drop", "action=drop", NULL, 0},
    {"accept expire=+60", "action=accept expire=1060", NULL, 0},
    {"accept expire=60", "action=accept expire=60", NULL, 0},
    {"accept comment=any text, 1 2", "action=accept comment=any text, 1 2",
     NULL, 0},
    {"accept expire=+", NULL, "expire is", 8},
    {"accept expire=+-1", NULL, "expire is", 8},
    {"accept expire=+99999999999", NULL, "expire is", 8},
    {"reject", NULL, "accept or drop", 1},
    {"1.1.1.1", NULL, "accept or drop", 1},
    {"accept action=accept", NULL, "repeated", 8},
    {"action=accept accept", NULL, "repeated", 15},
    {"accept 1.1.1.1 dst4=1.1.1.1", NULL, "second destination", 16},
    {"accept 1.1.1.1 tcp 80 90", NULL, "too many words", 23},
    {"accept 1.1.1.1 80", NULL, "proto is", 16},
    {"accept 1.1.1.1 tcp proto=tcp", NULL, "repeated", 20},
    {"accept 1.1.1.1 icmp 8 icmptype=8", NULL, "repeated", 23},
    {"accept tcp", "action=accept dsthost=tcp", NULL, 0},
    {"accept 1.1.1.1 tcp 443,80,90-91",
     "action=accept dst4=1.1.1.1/32 proto=tcp dstports=80,90-91,443", NULL, 0},
    {"accept 1.1.1.1 icmp echo-request",
     "action=accept dst4=1.1.1.1/32 proto=icmp icmptype=echo-request", NULL, 0},
    {"", NULL, "empty line", 1},
    {"accept  tcp", NULL, "double space", 8},
    {"dst4=1.1.1.1", NULL, "no action", 1},
};

static void test_cli(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(CLI); i++)
        check_row(&CLI[i], parse_cli);
}

static void test_args(void **state)
{
    char a[] = "accept", b[] = "proto=tcp", c[] = "comment=two words", e[] = "",
         two[] = "accept drop";
    char *good[] = {a, b, c}, *empty[] = {a, e}, *joined[] = {two};
    char text[FW_TEXT_MAX];
    struct rule_error err;
    struct fw_rule rule;

    (void)state;
    assert_int_equal(rule_parse_args(3, good, 0, &rule, &err), 0);
    rule_format_api(&rule, text, sizeof(text));
    assert_string_equal(text, "action=accept proto=tcp comment=two words");
    assert_int_equal(rule_parse_args(0, good, 0, &rule, &err), -EBADMSG);
    assert_string_equal(err.reason, "no action");
    assert_int_equal(rule_parse_args(2, empty, 0, &rule, &err), -EBADMSG);
    assert_int_equal(err.column, 2);
    assert_int_equal(rule_parse_args(1, joined, 0, &rule, &err), -EBADMSG);
    assert_int_equal(err.column, 1);
}

/* Bytes that are no text: every byte in every place of a good line. */
static void test_bad_bytes(void **state)
{
    static const char GOOD[] =
        "action=accept dst4=10.0.0.0/8 proto=tcp dstports=1-9";
    char line[sizeof(GOOD)];
    struct fw_rule rule;
    size_t at;
    int c;

    (void)state;
    for (at = 0; at < sizeof(GOOD) - 1; at++) {
        for (c = 0; c < 256; c++) {
            if (c >= 0x20 && c < 0x7f)
                continue;
            memcpy(line, GOOD, sizeof(line));
            line[at] = (char)c;
            assert_int_equal(
                rule_parse_qdb((struct text){line, sizeof(GOOD) - 1}, &rule,
                               NULL),
                -EBADMSG);
        }
    }
}

static void test_limits(void **state)
{
    char line[4000], label[64];
    struct fw_rule rule;
    struct rule_error err;
    size_t n;
    int i;

    (void)state;
    memset(label, 'a', 63);
    label[63] = '\0';
    snprintf(line, sizeof(line), "action=accept dsthost=%s", label);
    assert_int_equal(rule_parse_qdb(text_of(line), &rule, NULL), 0);
    snprintf(line, sizeof(line), "action=accept dsthost=%sa", label);
    assert_int_equal(rule_parse_qdb(text_of(line), &rule, NULL), -EBADMSG);
    /* 4 x 63 + 3 dots = 255 > 253 */
    snprintf(line, sizeof(line), "action=accept dsthost=%s.%s.%s.%s", label,
             label, label, label);
    assert_int_equal(rule_parse_qdb(text_of(line), &rule, NULL), -EBADMSG);
    line[strlen(line) - 2] = '\0';
    assert_int_equal(rule_parse_qdb(text_of(line), &rule, NULL), 0);
    assert_int_equal(strlen(rule.name), 253);
    for (i = 254; i <= 257; i++) {
        n = (size_t)snprintf(line, sizeof(line), "action=accept comment=");
        memset(line + n, 'c', (size_t)i);
        line[n + (size_t)i] = '\0';
        assert_int_equal(rule_parse_api(text_of(line), &rule, &err),
                         i < FW_COMMENT_MAX ? 0 : -EBADMSG);
    }
    memset(line, 'a', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    assert_int_equal(rule_parse_qdb(text_of(line), &rule, NULL), -EBADMSG);
}

static void test_number(void **state)
{
    static const struct {
        const char *text;
        int want; /* -1: refused */
    } rows[] = {
        {"0000", 0},  {"0001", 1},  {"0099", 99},  {"9999", 9999}, {"", -1},
        {"1", -1},    {"001", -1},  {"00001", -1}, {"10000", -1},  {"-001", -1},
        {"000a", -1}, {"0x01", -1}, {" 001", -1},  {"policy", -1},
    };
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned n = 77777;
        int r = rule_parse_number(text_of(rows[i].text), &n);

        assert_int_equal(r, rows[i].want < 0 ? -EBADMSG : 0);
        assert_int_equal(n, rows[i].want < 0 ? 77777 : rows[i].want);
    }
}

static void test_policy(void **state)
{
    enum fw_action a = FW_ACCEPT;

    (void)state;
    assert_int_equal(rule_parse_policy(text_of("drop"), &a), 0);
    assert_int_equal(a, FW_DROP);
    assert_int_equal(rule_parse_policy(text_of("accept"), &a), 0);
    assert_int_equal(a, FW_ACCEPT);
    assert_int_equal(rule_parse_policy(text_of(""), &a), -EBADMSG);
    assert_int_equal(rule_parse_policy(text_of("drop "), &a), -EBADMSG);
    assert_int_equal(rule_parse_policy(text_of("DROP"), &a), -EBADMSG);
    assert_int_equal(rule_parse_policy(text_of("reject"), &a), -EBADMSG);
}

static void test_covers(void **state)
{
    static const struct {
        const char *name, *asked;
        bool want;
    } rows[] = {
        {"a.example.org", "a.example.org", true},
        {"a.example.org.", "a.example.org", true},
        {"a.example.org", "a.example.org.", true},
        {"a.example.org", "b.example.org", false},
        {"example.org", "a.example.org", false},
        {"*.example.org", "a.example.org", true},
        {"*.example.org", "b.a.example.org.", true},
        {"*.example.org.", "a.example.org", true},
        {"*.example.org", "example.org", false},
        {"*.example.org", "xexample.org", false},
        {"*.example.org", ".example.org", false},
        {"*.example.org", "a.example.com", false},
        {"*.example.org", "org", false},
        {"*.example.org", "", false},
    };
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(rows); i++)
        if (rule_name_covers(rows[i].name, rows[i].asked) != rows[i].want)
            fail_msg("%s, %s", rows[i].name, rows[i].asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qdb),    cmocka_unit_test(test_api_as_qdb),
        cmocka_unit_test(test_api),    cmocka_unit_test(test_cli),
        cmocka_unit_test(test_args),   cmocka_unit_test(test_bad_bytes),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_number),
        cmocka_unit_test(test_policy), cmocka_unit_test(test_covers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
