/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/dom0/config.c, config_check.c and section.c: what a
 * file means, and every way in which it is refused, with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/config.h"
#include "dom0/plan.h"
#include "dom0/section.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "rules/rule_parse.h"

static struct config_daemon defaults(void)
{
    struct config_daemon d;

    config_daemon_defaults(&d);
    return d;
}

static int parse(const char *text, const char *name, struct config_qube **ret,
                 struct problems *p)
{
    struct config_daemon d = defaults();

    return config_parse_qube(text_of(text), "f", name, &d, ret, p);
}

static void test_whole_file(void **state)
{
    static const char text[] = "# a comment\n"
                               "[Qube]\n"
                               "Kind=netvm\n"
                               "Label=red\r\n"
                               "Image=netvm\n"
                               "Memory=64\n"
                               "VCPUs=2\n"
                               "VirtMode=pv\n"
                               "NetVM=none\n"
                               "PCI=0000:00:04.0\n"
                               "PCI=00:05.1\n"
                               "QID=7\n"
                               "IPv6=yes\n"
                               "Autostart=no\n"
                               "KernelOptions=loglevel=3 a=b ; c\n"
                               "; another comment\n"
                               "\n"
                               "[Uplink]\n"
                               "Mode=static\n"
                               "Address=192.0.2.5/24\n"
                               "Gateway=192.0.2.1\n"
                               "DNS=192.0.2.1 2001:db8::1\n"
                               "[Netns]\n"
                               "Uplink=/run/netns/x\n"
                               "Bridge=br0\n";
    struct problems p = {0};
    struct config_qube *q = NULL;

    (void)state;
    assert_int_equal(parse(text, "sys-net", &q, &p), 0);
    assert_int_equal(q->kind, KIND_NETVM);
    assert_int_equal(q->label, LABEL_RED);
    assert_string_equal(q->image, "netvm");
    assert_int_equal(q->memory_mib, 64);
    assert_int_equal(q->vcpus, 2);
    assert_int_equal(q->virt, VIRT_PV);
    assert_int_equal(q->n_pci, 2);
    assert_int_equal(q->pci[1].dev, 5);
    assert_int_equal(q->pci[1].func, 1);
    assert_int_equal(q->qid, 7);
    assert_int_equal(q->ipv6, CONFIG_YES);
    assert_false(q->autostart);
    assert_string_equal(q->kernel_options, "loglevel=3 a=b ; c");
    assert_int_equal(q->uplink, UPLINK_STATIC);
    assert_int_equal(q->n_up_dns, 2);
    assert_int_equal(q->line[KEY_MEMORY], 6);
    assert_string_equal(q->ns_bridge, "br0");
    assert_false(q->has_firewall);
    config_qube_free(q);
    problems_free(&p);
}

static void test_defaults(void **state)
{
    struct problems p = {0};
    struct config_qube *q = NULL;

    (void)state;
    assert_int_equal(
        parse("[Qube]\nKind=qube\nImage=i\n[Firewall]\n", "w", &q, &p), 0);
    assert_int_equal(q->memory_mib, 256);
    assert_int_equal(q->virt, VIRT_PVH);
    assert_true(q->autostart);
    assert_true(q->has_firewall);
    assert_int_equal(q->n_rules, 0);
    assert_int_equal(q->mac[0], 0x00);
    assert_int_equal(q->mac[2], 0x3e);
    config_qube_free(q);
}

#define OK "[Qube]\nKind=qube\nImage=i\n"

/* Each: one complaint on that line which holds that text. */
static const struct {
    const char *input;
    unsigned line;
    const char *want;
} refused[] = {
    {OK "Colour=red\n", 4,
     "unknown key Colour in [Qube]; expected one of "
     "Kind, Label"},
    {OK "[Net]\nA=b\n", 4,
     "unknown section [Net]; expected one of [Qube], "
     "[Uplink], [Netns], [Firewall]"},
    {OK "memory=64\n", 4, "unknown key memory"},
    {OK "Memory=lots\n", 4, "Memory=lots: expected MiB"},
    {OK "Memory=15\n", 4, "from 16 to"},
    {OK "Memory=064\n", 4, "Memory=064"},
    {OK "VCPUs=0\n", 4, "from 1 to 128"},
    {OK "VCPUs=1\nVCPUs=1\n", 5, "VCPUs= is given again (first at line 4)"},
    {OK "VirtMode=kvm\n", 4, "expected pvh, pv or hvm"},
    {OK "Label=pink\n", 4, "red, orange, yellow"},
    {OK "PCI=4.0\n", 4, "a PCI address"},
    {OK "QID=0\n", 4, "from 1 to 10000"},
    {OK "QID=10001\n", 4, "from 1 to 10000"},
    {OK "Address=10.0.0.300\n", 4, "one IPv4 host address"},
    {OK "Address=127.0.0.1\n", 4, "one IPv4 host address"},
    {OK "Address6=10.0.0.3\n", 4, "one IPv6 host address"},
    {OK "MAC=01:00:00:00:00:01\n", 4, "a unicast MAC address"},
    {OK "IPv6=maybe\n", 4, "yes or no"},
    {OK "NetVM=-x\n", 4, "the name of a qube, or none"},
    {OK "Image\n", 4, "expected Key=value"},
    {OK "Memory:64\n", 4, "expected Key=value"},
    {OK " Memory=64\n", 4, "begins with a blank"},
    {OK "[Qube\n", 4, "expected a section as [Name]"},
    {OK "Memory=6\x01\n", 4, "control byte 0x01"},
    {OK "[Firewall]\nRule=accept proto=tcp dstports=70000\n", 5,
     "Rule=accept proto=tcp dstports=70000: "},
    {OK "[Firewall]\nRule=\n", 5, "Rule="},
    {OK "[Firewall]\nRule=allow\n", 5, "Rule=allow"},
    {OK "[Uplink]\nAddress=192.0.2.1\n", 5, "with its prefix"},
    {OK "[Uplink]\nDNS=x\n", 5, "one to three addresses"},
    {OK "[Netns]\nUplink=a/b\n", 5, "an absolute path"},
    {OK "[Netns]\nUplink=/a/../b\n", 5, "an absolute path"},
    {"Kind=qube\n" OK, 1, "before any section"},
    {"[Qube]\nImage=i\n", 0, "Kind= is missing"},
    {OK "[Firewall]\nForward=tcp 80\n", 5, "as 'tcp 8080 80'"},
    {OK "[Firewall]\nForward=icmp 80 80\n", 5, "as 'tcp 8080 80'"},
    {OK "[Firewall]\nForward=tcp 0 80\n", 5, "as 'tcp 8080 80'"},
    {OK "[Firewall]\nForward=tcp 80 80 from\n", 5, "as 'tcp 8080 80'"},
    {OK "[Firewall]\nForward=tcp 80 80 from a\n", 5, "as 'tcp 8080 80'"},
    {OK "[Firewall]\nForward=tcp  80 80\n", 5, "as 'tcp 8080 80'"},
    {OK "[Firewall]\nReach=db\n", 5, "as 'db tcp 5432'"},
    {OK "[Firewall]\nReach=db sctp\n", 5, "as 'db tcp 5432'"},
    {OK "[Firewall]\nReach=db icmp 8\n", 5, "as 'db tcp 5432'"},
    {OK "[Firewall]\nReach=db tcp 9-8\n", 5, "as 'db tcp 5432'"},
    {OK "[Firewall]\nReach=../x any\n", 5, "as 'db tcp 5432'"},
    {OK "[Firewall]\nFlows=0\n", 5, "from 1 to 1000000"},
    {OK "[Firewall]\nBurst=1\nBurst=2\n", 6, "given again"},
    {OK "[Firewall]\nBandwidth=2MB\n", 5, "K, M or G"},
    {OK "[Firewall]\nBandwidth=4G\n", 5, "at most 4000000000"},
    {OK "[Firewall]\nQuota=K\n", 5, "1024 each"},
    {OK "[Firewall]\nQuota=9999T\n", 5, "1024 each"},
    {OK "Names=60 3600\n", 4, "three numbers"},
    {OK "Names=60 3600 300 1\n", 4, "three numbers"},
    {OK "Names=61 60 300\n", 4, "three numbers"},
    {OK "Names=60  3600 300\n", 4, "three numbers"},
    {OK "Names=0 3600 300\n", 4, "three numbers"},
    {OK "Names=60 3600 86401\n", 4, "three numbers"},
    {OK "[Firewall]\nInclude=9x\n", 5, "name of a profile"},
    {"[Qube]\nKind=qube\n", 0, "Image= is missing"},
    {"[Qube]\nKind=vm\nImage=i\n", 2, "netvm, firewallvm, usbvm or qube"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct problems p = {0};
        struct config_qube *q = NULL;
        int r = parse(refused[i].input, "x", &q, &p);

        if (r != -EBADMSG || p.n != 1)
            fail_msg("row %zu: %d, %zu complaints: %s", i, r, p.n,
                     p.n ? p.v[0].text : "");
        if (p.v[0].line != refused[i].line ||
            !strstr(p.v[0].text, refused[i].want))
            fail_msg("row %zu: line %u: %s", i, p.v[0].line, p.v[0].text);
        config_qube_free(q);
        problems_free(&p);
    }
}

static void test_all_errors_listed(void **state)
{
    struct problems p = {0};
    struct config_qube *q = NULL;
    char line[400];

    (void)state;
    assert_int_equal(
        parse("[Qube]\nKind=x\nMemory=y\nImage=i\nFoo=1\n", "n", &q, &p),
        -EBADMSG);
    assert_int_equal(p.n, 3);
    assert_int_equal(p.v[2].line, 5);
    assert_string_equal(problems_line(&p.v[0], line, sizeof(line)),
                        "f:2: Kind=x: expected netvm, firewallvm, usbvm or "
                        "qube");
    config_qube_free(q);
    problems_free(&p);
}

static void test_long_line(void **state)
{
    char text[3000] = OK "KernelOptions=";
    struct problems p = {0};
    struct config_qube *q = NULL;

    (void)state;
    memset(text + strlen(text), 'a', 1500);
    assert_int_equal(parse(text, "n", &q, &p), -EBADMSG);
    assert_int_equal(p.n, 1);
    assert_int_equal(p.v[0].line, 4);
    assert_non_null(strstr(p.v[0].text, "expected at most 1022"));
    config_qube_free(q);
    problems_free(&p);
}

static void test_file_names(void **state)
{
    static const char *const bad[] = {
        "",     "9x",   "a/b",
        "none", "x-dm", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct problems p = {0};
        struct config_qube *q = NULL;

        assert_int_equal(parse(OK, bad[i], &q, &p), -EBADMSG);
        assert_non_null(strstr(p.v[0].text, "is not a qube's"));
        config_qube_free(q);
        problems_free(&p);
    }
}

static void test_daemon(void **state)
{
    struct config_daemon d = defaults();
    struct problems p = {0};

    (void)state;
    assert_int_equal(d.platform, CONFIG_XEN);
    assert_int_equal(
        config_parse_daemon(text_of("[Sysqube]\nPlatform=netns\nImages=/i\n"
                                    "CheckImages=no\n[Defaults]\n"
                                    "Memory=100\n"),
                            "d", &d, &p),
        0);
    assert_int_equal(d.platform, CONFIG_NETNS);
    assert_string_equal(d.images, "/i");
    assert_false(d.check_images);
    assert_int_equal(d.memory_mib, 100);
    assert_int_equal(
        config_parse_daemon(text_of("[Sysqube]\nPlatform=kvm\n"), "d", &d, &p),
        -EBADMSG);
    assert_non_null(strstr(p.v[0].text, "expected xen or netns"));
    problems_free(&p);
}

/* ---- across qubes ---- */

#define NET "[Qube]\nKind=netvm\nImage=i\n"
#define FW "[Qube]\nKind=firewallvm\nImage=i\nNetVM=net\n"

static const struct {
    const char *text[3]; /* of net, fw and q */
    const char *want;    /* NULL: fine */
    const char *file;
    unsigned line;
} sets[] = {
    {{NET, FW, OK "NetVM=fw\n[Firewall]\nRule=drop\n"}, NULL, NULL, 0},
    {{NET "QID=5\n", FW, OK "NetVM=fw\nQID=5\n"},
     "QID=5 is also the number of net",
     "q",
     5},
    {{NET "Address=10.1.0.1\n", FW, OK "Address=10.1.0.1\n"},
     "10.1.0.1 is also that of net",
     "q",
     4},
    {{NET "QID=5\n", FW, OK "Address=10.137.0.5\n"},
     "10.137.0.5 is also that of net",
     "q",
     4},
    {{NET "IPv6=yes\nAddress6=fd00::1\n", FW,
      OK "NetVM=fw\nAddress6=fd00::1\n"},
     "fd00::1 is also that of net",
     "q",
     5},
    {{NET "MAC=02:00:00:00:00:01\n", FW, OK "MAC=02:00:00:00:00:01\n"},
     "MAC address is also that of net",
     "q",
     4},
    {{NET "PCI=00:04.0\n", FW, OK "VirtMode=pv\nPCI=0000:00:04.0\n"},
     "PCI=0000:00:04.0 is also given to net (line 4 of net)",
     "q",
     5},
    {{NET "PCI=00:04.0\nPCI=00:04.0\n", FW, OK}, "is given twice", "net", 5},
    {{NET "PCI=00:04.0\nVirtMode=pvh\n", FW, OK},
     "PVH domain takes no PCI",
     "net",
     5},
    {{NET "[Firewall]\nRule=accept\n", FW, OK},
     "no firewall would enforce it",
     "net",
     5},
    {{NET, FW, OK "NetVM=net\n[Firewall]\nRule=accept\n"},
     "no firewall would enforce it",
     "q",
     6},
    {{NET "NetVM=fw\n", FW, OK}, "in a qube of kind netvm", "net", 4},
    {{NET, "[Qube]\nKind=firewallvm\nImage=i\n", OK},
     "NetVM= is missing in a qube of kind firewallvm",
     "fw",
     0},
    {{NET, FW, "[Qube]\nKind=usbvm\nImage=i\nNetVM=fw\n"},
     "in a qube of kind usbvm",
     "q",
     4},
    {{NET "[Uplink]\nMode=static\n", FW, OK},
     "static without an address",
     "net",
     5},
    {{NET "[Uplink]\nAddress=192.0.2.1/24\n", FW, OK},
     "expected Mode=static",
     "net",
     5},
    {{NET, FW "[Uplink]\nMode=dhcp\n", OK}, "only in kind netvm", "fw", 6},
    {{NET, FW, OK "[Netns]\nUplink=/x\n"}, "only in kind netvm", "q", 5},
    {{NET, FW, OK "Address6=fd00::5\n"}, "IPv6 is off here", "q", 4},
    {{NET, FW, OK "NetVM=nosuch\n"}, "there is no such qube", "q", 4},
    {{NET, FW, OK "NetVM=q\n"}, "that qube is of kind qube", "q", 4},
    {{NET, FW,
      OK "NetVM=fw\n[Firewall]\nForward=tcp 80 80\n"
         "Forward=udp 80 80\nForward=tcp 80 81\n"},
     "this port of net leads to q already (line 6 of q)",
     "q",
     8},
    {{NET, FW, OK "NetVM=fw\n[Firewall]\nForward=udp 68 68\n"},
     "belongs to the DHCP client of net",
     "q",
     6},
    {{NET, FW, OK "NetVM=fw\n[Firewall]\nForward=tcp 1 1 from fd00::/8\n"},
     "q has no IPv6",
     "q",
     6},
    {{NET, FW, OK "NetVM=fw\n[Firewall]\nReach=nosuch any\n"},
     "there is no such qube",
     "q",
     6},
    {{NET, FW, OK "NetVM=fw\n[Firewall]\nReach=q any\n"},
     "that is this qube itself",
     "q",
     6},
    {{NET, FW, OK "NetVM=fw\n[Firewall]\nRule=drop\nReach=net tcp 1\n"},
     "cannot be reached: q hangs on fw, net on no netvm",
     "q",
     7},
};

static void check_set(size_t i)
{
    static const char *const names[] = {"net", "fw", "q"};
    struct config c = {0};
    struct problems p = {0};
    struct plan_ids ids = {0};
    bool changed, found = false;

    config_daemon_defaults(&c.d);
    for (size_t k = 0; k < 3; k++) {
        struct config_qube *q;

        assert_int_equal(config_parse_qube(text_of(sets[i].text[k]), names[k],
                                           names[k], &c.d, &q, &p),
                         0);
        assert_int_equal(config_add(&c, q), 0);
    }
    (void)plan_resolve(&c, &ids, &changed, &p);
    (void)config_check(&c, &p);
    for (size_t k = 0; k < p.n; k++)
        found |= sets[i].want && strstr(p.v[k].text, sets[i].want) &&
                 p.v[k].line == sets[i].line &&
                 !strcmp(p.v[k].file, sets[i].file);
    if (sets[i].want ? !found : p.n > 0)
        fail_msg("set %zu: %zu complaints, first: %s:%u %s", i, p.n,
                 p.n ? p.v[0].file : "", p.n ? p.v[0].line : 0,
                 p.n ? p.v[0].text : "");
    config_free(&c);
    plan_ids_free(&ids);
    problems_free(&p);
}

static void test_sets(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sets); i++)
        check_set(i);
}

/* The addresses of 150 qubes with IPv6 do not fit one value. */
static void test_too_many_clients(void **state)
{
    struct config c = {0};
    struct problems p = {0};
    struct plan_ids ids = {0};
    bool changed;

    (void)state;
    config_daemon_defaults(&c.d);
    for (int i = 0; i < 151; i++) {
        struct config_qube *q;
        char name[16] = "net";

        if (i)
            snprintf(name, sizeof(name), "q%d", i);
        assert_int_equal(
            config_parse_qube(text_of(i ? OK "NetVM=net\n" : NET "IPv6=yes\n"),
                              name, name, &c.d, &q, &p),
            0);
        assert_int_equal(config_add(&c, q), 0);
    }
    assert_int_equal(plan_resolve(&c, &ids, &changed, &p), 0);
    assert_int_equal(config_check(&c, &p), -EBADMSG);
    assert_int_equal(p.n, 1);
    assert_non_null(strstr(p.v[0].text, "150 qubes use it as netvm"));
    config_free(&c);
    plan_ids_free(&ids);
    problems_free(&p);
}

/* ---- the [Firewall] section ---- */

static const struct {
    const char *name, *input;
    const char *rules[4]; /* NULL ended; first "-": remove the section */
    const char *want;
} sections[] = {
    {"unchanged list, every byte kept",
     "[Qube]\nKind=qube\n\n[Firewall]\n# web\nRule = accept proto=tcp\n"
     "Rule=drop\n# end\n",
     {"accept proto=tcp", "drop"},
     "[Qube]\nKind=qube\n\n[Firewall]\n# web\nRule = accept proto=tcp\n"
     "Rule=drop\n# end\n"},
    {"added in the middle",
     "[Firewall]\nRule=accept proto=tcp\n# last\nRule=drop\n",
     {"accept proto=tcp", "accept proto=udp", "drop"},
     "[Firewall]\nRule=accept proto=tcp\nRule=action=accept proto=udp\n"
     "# last\nRule=drop\n"},
    {"removed, its comment stays",
     "[Firewall]\n# a\nRule=accept\nRule=drop\n[Netns]\nUplink=/x\n",
     {"drop"},
     "[Firewall]\nRule=drop\n# a\n[Netns]\nUplink=/x\n"},
    {"no section yet",
     "[Qube]\nKind=qube",
     {"drop"},
     "[Qube]\nKind=qube\n\n[Firewall]\nRule=action=drop\n"},
    {"empty list",
     "[Firewall]\nRule=drop\n[Qube]\nA=b\n",
     {NULL},
     "[Firewall]\n[Qube]\nA=b\n"},
    {"section removed",
     "[Qube]\nA=b\n[Firewall]\nRule=drop\n",
     {"-"},
     "[Qube]\nA=b\n"},
    {"two sections become one",
     "[Firewall]\nRule=accept proto=tcp\n[Qube]\nA=b\n[Firewall]\n"
     "Rule=drop\n",
     {"accept proto=tcp", "drop"},
     "[Firewall]\nRule=accept proto=tcp\nRule=drop\n[Qube]\nA=b\n"},
    {"equal rules stay two",
     "[Firewall]\nRule=drop\nRule=drop\n",
     {"drop", "drop"},
     "[Firewall]\nRule=drop\nRule=drop\n"},
    {"Rule= of another section stays",
     "[Other]\nRule=drop\n[Firewall]\nRule=drop\n",
     {NULL},
     "[Other]\nRule=drop\n[Firewall]\n"},
};

static void check_section(size_t i)
{
    struct fw_items list = {0};
    bool none = sections[i].rules[0] && sections[i].rules[0][0] == '-';
    char *out = NULL;
    size_t len;

    for (size_t k = 0; !none && k < 4 && sections[i].rules[k]; k++) {
        struct fw_rule r;

        assert_int_equal(
            rule_parse_line(text_of(sections[i].rules[k]), 0, &r, NULL), 0);
        assert_int_equal(fw_items_add_rule(&list, &r), 0);
    }
    assert_int_equal(section_rewrite(text_of(sections[i].input),
                                     none ? NULL : &list, &out, &len),
                     0);
    if (strcmp(out, sections[i].want) || len != strlen(out))
        fail_msg("%s:\n%s", sections[i].name, out);
    free(out);
    fw_items_free(&list);
}

static void test_sections(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        check_section(i);
}

/* ---- one value ---- */

static const struct {
    const char *input, *want;
} values[] = {
    {"[Qube]\nKind=qube\nNetVM=a\n# b\nLabel=red\n",
     "[Qube]\nKind=qube\nNetVM=new\n# b\nLabel=red\n"},
    {"[Qube]\nNetVM = a", "[Qube]\nNetVM=new\n"},
    {"[Qube]\nKind=qube\n# end\n\n[Netns]\nNetVM=a\n",
     "[Qube]\nKind=qube\nNetVM=new\n# end\n\n[Netns]\nNetVM=a\n"},
    {"[Qube]\n#NetVM=a\n", "[Qube]\nNetVM=new\n#NetVM=a\n"},
    {"[Netns]\nA=b\n[Qube]", "[Netns]\nA=b\n[Qube]\nNetVM=new\n"},
    {"[Firewall]\nRule=drop", "[Firewall]\nRule=drop\n[Qube]\nNetVM=new\n"},
    {"", "[Qube]\nNetVM=new\n"},
};

static void test_section_set(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        char *out;
        size_t len;

        assert_int_equal(section_set(text_of(values[i].input), "[Qube]",
                                     "NetVM", "new", &out, &len),
                         0);
        assert_string_equal(out, values[i].want);
        assert_int_equal(len, strlen(out));
        free(out);
    }
}

/* What was written is read back as the same list. */
static void test_section_round_trip(void **state)
{
    static const char *const rules[] = {
        "accept proto=tcp dst4=192.0.2.0/24 dstports=80-443",
        "drop dst6=2001:db8::/32",
        "accept specialtarget=dns",
        "accept proto=icmp icmptype=8 comment=ping ; of mine",
        "accept dsthost=example.org expire=4102444800",
        "drop",
    };
    struct fw_items list = {0};
    struct problems p = {0};
    struct config_qube *q = NULL;
    char *out = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        struct fw_rule r;

        assert_int_equal(rule_parse_line(text_of(rules[i]), 0, &r, NULL), 0);
        assert_int_equal(fw_items_add_rule(&list, &r), 0);
    }
    assert_int_equal(section_rewrite(text_of(OK), &list, &out, NULL), 0);
    assert_int_equal(parse(out, "q", &q, &p), 0);
    assert_int_equal(q->n_rules, ARRAY_LEN(rules));
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        assert_memory_equal(&q->rules[i].rule.m, &list.v[i].rule.m,
                            sizeof(list.v[i].rule.m));
    assert_string_equal(q->rules[3].rule.comment, "ping ; of mine");
    config_qube_free(q);
    free(out);
    fw_items_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_file),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_all_errors_listed),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_file_names),
        cmocka_unit_test(test_daemon),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_too_many_clients),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_section_set),
        cmocka_unit_test(test_section_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
