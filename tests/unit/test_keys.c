/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/dom0/keys.c and keyset.c: the whole desired state of a
 * chain against a reviewed text, and the operations that lead from one state
 * to the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/keys.h"
#include "dom0/plan.h"
#include "lib/err.h"
#include "lib/mem.h"

/* ---- a chain: net <- fw <- {v4only, work}; usb ---- */

static const struct {
    const char *name, *text;
} files[] = {
    {"fw", "Kind=firewallvm\nNetVM=net\nQID=2\n"},
    {"net", "Kind=netvm\nIPv6=yes\nQID=1\n[Uplink]\nMode=static\n"
            "Address=192.0.2.5/24\nGateway=192.0.2.1\nDNS=192.0.2.1\n"
            "Address6=2001:db8::5/64\nGateway6=fe80::1\n"},
    {"usb", "Kind=usbvm\nQID=3\n"},
    {"v4only", "Kind=qube\nNetVM=fw\nIPv6=no\nQID=300\n"},
    {"work", "Kind=qube\nNetVM=fw\nQID=4\nMAC=02:00:00:00:00:04\n"
             "[Firewall]\n"
             "Rule=accept proto=tcp dst4=192.0.2.0/24 dstports=443\n"
             "Rule=accept dst6=2001:db8::/32 comment=v6 only\n"
             "Rule=accept proto=icmp expire=1000\n"
             "Rule=drop\n"},
};

enum { FW, NET, USB, V4ONLY, WORK, N };

static void make(struct config *c)
{
    struct plan_ids ids = {0};
    struct problems p = {0};
    bool changed;

    *c = (struct config){0};
    config_daemon_defaults(&c->d);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct config_qube *q;
        char text[512];

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

static char *dump(const struct keyset *s)
{
    char *out = calloc(1, 65536);
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        n += (size_t)snprintf(out + n, 65536 - n, "%s=%s\n", s->v[i].path,
                              s->v[i].val);
    return out;
}

static void check_desired(const struct keys_world *w, size_t index,
                          const char *want)
{
    struct keyset s = {0};
    char *text;

    assert_int_equal(keys_desired(w, index, &s), 0);
    text = dump(&s);
    if (strcmp(text, want))
        fail_msg("%s:\n%s\nexpected:\n%s", w->cfg->qubes[index]->name, text,
                 want);
    free(text);
    keyset_free(&s);
}

#define IDENTITY(name)                                                         \
    "/default-user=user\n/name=" name "\n/qubes-debug-mode=0\n"

static const char want_net[] =
    "/connected-ips=10.137.0.2\n"
    "/connected-ips6=fd09:24ef:4179::a89:2\n" IDENTITY(
        "net") "/qubes-netvm-gateway=10.137.0.1\n"
               "/qubes-netvm-gateway6=fd09:24ef:4179::a89:1\n"
               "/qubes-netvm-netmask=255.255.255.255\n"
               "/qubes-netvm-network=10.137.0.1\n"
               "/qubes-netvm-primary-dns=10.139.1.1\n"
               "/qubes-netvm-secondary-dns=10.139.1.2\n"
               "/qubes-vm-persistence=none\n"
               "/qubes-vm-type=NetVM\n"
               "/qubes-vm-updateable=False\n"
               "/sysqube-behind/10.137.0.2/0000=10.137.0.4\n"
               "/sysqube-behind/10.137.0.2/0001=fd09:24ef:4179::a89:4\n"
               "/sysqube-forward=\n"
               "/sysqube-uplink/address=192.0.2.5/24\n"
               "/sysqube-uplink/address6=2001:db8::5/64\n"
               "/sysqube-uplink/dns=192.0.2.1\n"
               "/sysqube-uplink/gateway=192.0.2.1\n"
               "/sysqube-uplink/gateway6=fe80::1\n"
               "/sysqube-uplink/mode=static\n"
               "/sysqube-vif/2.0=10.137.0.2 00:16:3e:5e:6c:00 "
               "fd09:24ef:4179::a89:2\n"
               "/type=AppVM\n";

static const char want_fw[] =
    "/connected-ips=10.137.1.46 10.137.0.4\n"
    "/connected-ips6=fd09:24ef:4179::a89:4\n" IDENTITY(
        "fw") "/qubes-firewall/10.137.0.4=\n"
              "/qubes-firewall/10.137.0.4/0000=action=accept dst4=192.0.2.0/24 "
              "proto=tcp dstports=443-443\n"
              "/qubes-firewall/10.137.0.4/0003=action=drop\n"
              "/qubes-firewall/10.137.0.4/policy=drop\n"
              "/qubes-firewall/fd09:24ef:4179::a89:4=\n"
              "/qubes-firewall/fd09:24ef:4179::a89:4/0001=action=accept "
              "dst6=2001:db8::/32\n"
              "/qubes-firewall/fd09:24ef:4179::a89:4/0003=action=drop\n"
              "/qubes-firewall/fd09:24ef:4179::a89:4/policy=drop\n"
              "/qubes-gateway=10.137.0.1\n"
              "/qubes-gateway6=fd09:24ef:4179::a89:1\n"
              "/qubes-ip=10.137.0.2\n"
              "/qubes-ip6=fd09:24ef:4179::a89:2\n"
              "/qubes-mac=00:16:3e:5e:6c:00\n"
              "/qubes-netmask=255.255.255.255\n"
              "/qubes-netvm-gateway=10.137.0.2\n"
              "/qubes-netvm-gateway6=fd09:24ef:4179::a89:2\n"
              "/qubes-netvm-netmask=255.255.255.255\n"
              "/qubes-netvm-network=10.137.0.2\n"
              "/qubes-netvm-primary-dns=10.139.1.1\n"
              "/qubes-netvm-secondary-dns=10.139.1.2\n"
              "/qubes-primary-dns=10.139.1.1\n"
              "/qubes-secondary-dns=10.139.1.2\n"
              "/qubes-service/qubes-firewall=1\n"
              "/qubes-vm-persistence=none\n"
              "/qubes-vm-type=ProxyVM\n"
              "/qubes-vm-updateable=False\n"
              "/sysqube-dns6=fd09:24ef:4179::a8b:101\n"
              "/sysqube-firewall/edge=\n"
              "/sysqube-firewall/inbound=\n"
              "/sysqube-vif/9.0=10.137.0.4 02:00:00:00:00:04 "
              "fd09:24ef:4179::a89:4\n"
              "/type=AppVM\n";

static const char want_work[] =
    IDENTITY("work") "/qubes-gateway=10.137.0.2\n"
                     "/qubes-gateway6=fd09:24ef:4179::a89:2\n"
                     "/qubes-ip=10.137.0.4\n"
                     "/qubes-ip6=fd09:24ef:4179::a89:4\n"
                     "/qubes-mac=02:00:00:00:00:04\n"
                     "/qubes-netmask=255.255.255.255\n"
                     "/qubes-primary-dns=10.139.1.1\n"
                     "/qubes-secondary-dns=10.139.1.2\n"
                     "/qubes-vm-persistence=none\n"
                     "/qubes-vm-type=AppVM\n"
                     "/qubes-vm-updateable=False\n"
                     "/sysqube-dns6=fd09:24ef:4179::a8b:101\n"
                     "/type=AppVM\n";

static void test_desired(void **state)
{
    struct config c;
    struct keys_run run[N] = {[NET] = {true, true, 1, 0},
                              [FW] = {true, true, 2, 0},
                              [WORK] = {true, true, 9, 0}};
    struct keys_world w = {.cfg = &c, .run = run, .netns = true, .now_s = 5000};

    (void)state;
    make(&c);
    check_desired(&w, NET, want_net);
    check_desired(&w, FW, want_fw);
    check_desired(&w, WORK, want_work);
    config_free(&c);
}

/* A rule that has not expired is there; without a [Firewall] section one
 * rule accepts; on xen no vif identity is written; before the domain exists
 * the rules are there already. */
static void test_variants(void **state)
{
    struct config c;
    struct keys_run run[N] = {
        [WORK] = {true, false, 0, 0}, [V4ONLY] = {true, true, 5, 0}};
    struct keys_world w = {.cfg = &c, .run = run, .now_s = 999};
    struct keyset s = {0};

    (void)state;
    make(&c);
    assert_int_equal(keys_desired(&w, FW, &s), 0);
    assert_string_equal(keyset_get(&s, "/qubes-firewall/10.137.0.4/0002"),
                        "action=accept expire=1000 proto=icmp");
    assert_string_equal(keyset_get(&s, "/qubes-firewall/10.137.1.46/0000"),
                        "action=accept");
    assert_null(keyset_get(&s, "/qubes-firewall/10.137.1.46/0001"));
    for (size_t i = 0; i < s.n; i++)
        assert_null(strstr(s.v[i].path, "sysqube-vif"));
    keyset_free(&s);
    config_free(&c);
}

/* ---- limits, forwards, qube to qube ---- */

/* net <- outer <- {inner <- {deep, deep2}, flat} */
static const struct {
    const char *name, *text;
} paths[] = {
    {"deep", "Kind=qube\nNetVM=inner\nQID=10\n[Firewall]\nRule=drop\n"
             "Flows=100\nRate=50\nBandwidth=2M\nQuota=0\n"
             "Forward=tcp 8080 80\nForward=udp 53 53 from 192.0.2.0/24\n"
             "Reach=deep2 tcp 22\nReach=flat any\n"},
    {"deep2", "Kind=qube\nNetVM=inner\nIPv6=no\nQID=11\n"},
    {"flat", "Kind=qube\nNetVM=outer\nQID=12\n[Firewall]\nRule=accept\n"
             "Reach=deep tcp 5000-5010\n"},
    {"inner", "Kind=firewallvm\nNetVM=outer\nQID=3\nNames=1 2 3\n[Firewall]\n"
              "Rule=accept\nBurst=7\n"},
    {"net", "Kind=netvm\nIPv6=yes\nQID=1\n"},
    {"outer", "Kind=firewallvm\nNetVM=net\nQID=2\n"},
};
enum { DEEP, DEEP2, FLAT, INNER, NET2, OUTER, PATHS };

static void make_paths(struct config *c)
{
    struct plan_ids ids = {0};
    struct problems p = {0};
    bool changed;

    *c = (struct config){0};
    config_daemon_defaults(&c->d);
    for (size_t i = 0; i < PATHS; i++) {
        struct config_qube *q;
        char text[512];

        snprintf(text, sizeof(text), "[Qube]\nImage=i\n%s", paths[i].text);
        if (config_parse_qube(text_of(text), paths[i].name, paths[i].name,
                              &c->d, &q, &p))
            fail_msg("%s", p.v[0].text);
        assert_int_equal(config_add(c, q), 0);
    }
    assert_int_equal(plan_resolve(c, &ids, &changed, &p), 0);
    if (config_check(c, &p))
        fail_msg("%s", p.v[0].text);
    plan_ids_free(&ids);
}

static void paths_of(const struct keys_world *w, size_t index, const char *want)
{
    struct keyset s = {0};
    char out[4096] = "";
    size_t n = 0;

    assert_int_equal(keys_desired(w, index, &s), 0);
    for (size_t i = 0; i < s.n; i++) {
        if (!strncmp(s.v[i].path, "/sysqube-f", 10) && s.v[i].val[0])
            n += (size_t)snprintf(out + n, sizeof(out) - n, "%s=%s\n",
                                  s.v[i].path + 9, s.v[i].val);
    }
    if (strcmp(out, want))
        fail_msg("%s:\n%s\nexpected:\n%s", w->cfg->qubes[index]->name, out,
                 want);
    keyset_free(&s);
}

static void test_paths(void **state)
{
    struct config c;
    struct keys_run run[PATHS] = {0};
    struct keys_world w = {.cfg = &c, .run = run};
    struct keyset s = {0};

    (void)state;
    make_paths(&c);
    for (size_t i = 0; i < PATHS; i++)
        run[i].active = i != DEEP2;
    paths_of(&w, NET2,
             "forward/0000=tcp 8080 10.137.0.10 80\n"
             "forward/0001=tcp 8080 fd09:24ef:4179::a89:a 80\n"
             "forward/0002=udp 53 10.137.0.10 53 192.0.2.0/24\n");
    /* deep2 does not run: its edge waits; what comes from flat enters inner
     * from its uplink */
    paths_of(&w, INNER,
             "firewall/10.137.0.10/limits=flows=100 rate=50 bandwidth=2097152 "
             "quota=0\n"
             "firewall/fd09:24ef:4179::a89:a/limits=flows=100 rate=50 "
             "bandwidth=2097152 quota=0\n"
             "firewall/inbound/0000=tcp 10.137.0.10 80\n"
             "firewall/inbound/0001=tcp fd09:24ef:4179::a89:a 80\n"
             "firewall/inbound/0002=udp 10.137.0.10 53 192.0.2.0/24\n"
             "firewall/inbound/0003=tcp 10.137.0.10 5000-5010 "
             "10.137.0.12/32\n"
             "firewall/inbound/0004=tcp fd09:24ef:4179::a89:a 5000-5010 "
             "fd09:24ef:4179::a89:c/128\n"
             "firewall/names=floor=1 ceiling=2 grace=3\n");
    run[DEEP2].active = true;
    paths_of(&w, OUTER,
             "firewall/10.137.0.10/limits=burst=7\n"
             "firewall/10.137.0.11/limits=burst=7\n"
             "firewall/10.137.0.3/limits=burst=7\n"
             "firewall/edge/0000=10.137.0.10 10.137.0.12 any any\n"
             "firewall/edge/0001=fd09:24ef:4179::a89:a "
             "fd09:24ef:4179::a89:c any any\n"
             "firewall/edge/0002=10.137.0.12 10.137.0.10 tcp 5000-5010\n"
             "firewall/edge/0003=fd09:24ef:4179::a89:c "
             "fd09:24ef:4179::a89:a tcp 5000-5010\n"
             "firewall/fd09:24ef:4179::a89:3/limits=burst=7\n"
             "firewall/fd09:24ef:4179::a89:a/limits=burst=7\n"
             "firewall/inbound/0000=tcp 10.137.0.10 80\n"
             "firewall/inbound/0001=tcp fd09:24ef:4179::a89:a 80\n"
             "firewall/inbound/0002=udp 10.137.0.10 53 192.0.2.0/24\n");
    /* what lives behind inner has inner's list in outer, and its own there */
    assert_int_equal(keys_desired(&w, OUTER, &s), 0);
    assert_string_equal(keyset_get(&s, "/qubes-firewall/10.137.0.10/0000"),
                        "action=accept");
    keyset_free(&s);
    assert_int_equal(keys_desired(&w, INNER, &s), 0);
    assert_string_equal(keyset_get(&s, "/qubes-firewall/10.137.0.10/0000"),
                        "action=drop");
    assert_string_equal(keyset_get(&s, "/sysqube-firewall/edge/0000"),
                        "10.137.0.10 10.137.0.11 tcp 22");
    assert_null(keyset_get(&s, "/sysqube-firewall/edge/0001"));
    keyset_free(&s);
    run[FLAT].active = run[DEEP].active = false;
    paths_of(&w, NET2, "");
    /* while inner is not active outer has nothing of what is behind it */
    run[INNER].active = false;
    assert_int_equal(keys_desired(&w, OUTER, &s), 0);
    assert_null(keyset_get(&s, "/qubes-firewall/10.137.0.11"));
    keyset_free(&s);
    config_free(&c);
}

/* ---- differences ---- */

struct log {
    char text[4096];
    size_t n;
};

static int note(enum key_op op, const char *path, const char *val, void *arg)
{
    struct log *l = arg;

    l->n += (size_t)snprintf(l->text + l->n, sizeof(l->text) - l->n,
                             op == KEY_OP_SET ? "set %s=%s\n" : "rm %s%s\n",
                             path, val ? val : "");
    return 0;
}

/* "path=value path=value ..." */
static struct keyset set_of(const char *text)
{
    struct keyset s = {0};
    struct text rest = text_of(text), piece;

    while (text[0] && parse_split(&rest, ' ', &piece)) {
        const char *eq = memchr(piece.p, '=', piece.len);
        char path[QDB_REC_PATH];
        int len = (int)(eq - piece.p);

        snprintf(path, sizeof(path), "%.*s", len, piece.p);
        assert_int_equal(
            keyset_add(&s, path, "%.*s", (int)piece.len - len - 1, eq + 1), 0);
    }
    keyset_sort(&s);
    return s;
}

#define F "/qubes-firewall/10.0.0.1"
#define L "/sysqube-firewall/10.0.0.1/limits"
#define E "/sysqube-firewall/edge"

static const struct {
    const char *old, *now, *want;
} diffs[] = {
    {"", "", ""},
    {"/a=1 /b=2", "/a=1 /b=2", ""},
    {"/a=1", "/a=2 /b=3", "set /a=2\nset /b=3\n"},
    {"/a=1 /b=2", "/b=2", "rm /a\n"},
    /* first time: policy, numbers in order, signal last, then the rest */
    {"", "/a=1 " F "= " F "/policy=drop " F "/0000=x " F "/0001=y",
     "set " F "/policy=drop\nset " F "/0000=x\nset " F "/0001=y\n"
     "set " F "=\nset /a=1\n"},
    /* one rule changed: the whole source anew */
    {F "= " F "/policy=drop " F "/0000=x", F "= " F "/policy=drop " F "/0000=z",
     "rm " F "/\nset " F "/policy=drop\nset " F "/0000=z\nset " F "=\n"},
    /* one rule fewer */
    {F "= " F "/policy=drop " F "/0000=x", F "= " F "/policy=drop",
     "rm " F "/\nset " F "/policy=drop\nset " F "=\n"},
    /* the source is gone: last, after the other keys */
    {"/a=1 " F "= " F "/policy=drop " F "/0000=x", "/a=2",
     "set /a=2\nrm " F "/\nrm " F "\n"},
    /* another source whose text begins alike is not touched */
    {F "= " F "/policy=drop " F "1= " F "1/policy=drop",
     F "1= " F "1/policy=drop", "rm " F "/\nrm " F "\n"},
    {F "= " F "/policy=drop", F "= " F "/policy=drop", ""},
    /* limits: a part of their source, before its rules */
    {"", F "= " F "/policy=drop " L "=flows:9",
     "set " L "=flows:9\nset " F "/policy=drop\nset " F "=\n"},
    {F "= " F "/policy=drop " L "=flows:9",
     F "= " F "/policy=drop " L "=flows:8",
     "set " L "=flows:8\nrm " F "/\nset " F "/policy=drop\nset " F "=\n"},
    {F "= " F "/policy=drop " L "=flows:9", F "= " F "/policy=drop",
     "rm " L "\nrm " F "/\nset " F "/policy=drop\nset " F "=\n"},
    {F "= " F "/policy=drop " L "=flows:9", "",
     "rm " L "\nrm " F "/\nrm " F "\n"},
    /* the other trees: the same, and the last record gone is told, too */
    {E "=", E "= " E "/0000=x " E "/0001=y",
     "set " E "/0000=x\nset " E "/0001=y\nset " E "=\n"},
    {E "= " E "/0000=x " E "/0001=y", E "= " E "/0000=y",
     "rm " E "/\nset " E "/0000=y\nset " E "=\n"},
    {E "= " E "/0000=x", E "=", "rm " E "/\nset " E "=\n"},
    {"/sysqube-forward= /sysqube-forward/0000=x",
     "/sysqube-forward=", "rm /sysqube-forward/\nset /sysqube-forward=\n"},
    {"/sysqube-firewall/watch=0", "/sysqube-firewall/watch=1",
     "set /sysqube-firewall/watch=1\n"},
};

static void test_diff(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(diffs); i++) {
        struct keyset old = set_of(diffs[i].old), now = set_of(diffs[i].now);
        struct log l = {.n = 0};

        assert_int_equal(keys_diff(&old, &now, note, &l), 0);
        if (strcmp(l.text, diffs[i].want))
            fail_msg("row %zu:\n%s", i, l.text);
        keyset_free(&old);
        keyset_free(&now);
    }
}

static void test_changed_sources(void **state)
{
    struct keyset old = set_of(F "= " F "/policy=drop /qubes-firewall/fd00::1="
                                 " /qubes-firewall/fd00::1/policy=drop");
    struct keyset now = set_of(F "= " F "/policy=drop " F "/0000=x "
                                 "/qubes-firewall/fd00::1="
                                 " /qubes-firewall/fd00::1/policy=drop");
    char ips[2][IPADDR_TEXT_MAX];

    (void)state;
    assert_int_equal(keys_changed_sources(&old, &now, ips, 2), 1);
    assert_string_equal(ips[0], "10.0.0.1");
    assert_int_equal(keys_changed_sources(&now, &now, ips, 2), 0);
    keyset_free(&old);
    keyset_free(&now);
}

static void test_set(void **state)
{
    struct keyset s = {0};
    char big[KEYS_VALUE_MAX + 2];

    (void)state;
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    assert_int_equal(keyset_add(&s, "a", "%s", ""), -EINVAL);
    assert_int_equal(keyset_add(&s, "/a/", "%s", ""), -EINVAL);
    assert_int_equal(keyset_add(&s, "/a b", "%s", ""), -EINVAL);
    assert_int_equal(keyset_add(&s, "/a", "%s", big), -ENOBUFS);
    big[KEYS_VALUE_MAX] = 0;
    assert_int_equal(keyset_add(&s, "/b", "%s", big), 0);
    assert_int_equal(keyset_add(&s, "/a", "%s", "1"), 0);
    keyset_sort(&s);
    assert_string_equal(keyset_get(&s, "/a"), "1");
    keyset_del(&s, "/a");
    keyset_del(&s, "/nosuch");
    assert_null(keyset_get(&s, "/a"));
    assert_int_equal(s.n, 1);
    keyset_free(&s);
}

static void test_expiry(void **state)
{
    struct config c;

    (void)state;
    make(&c);
    assert_int_equal(keys_next_expiry(&c, 0), 1000);
    assert_int_equal(keys_next_expiry(&c, 999), 1000);
    assert_int_equal(keys_next_expiry(&c, 1000), 0);
    config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expiry),          cmocka_unit_test(test_desired),
        cmocka_unit_test(test_variants),        cmocka_unit_test(test_diff),
        cmocka_unit_test(test_changed_sources), cmocka_unit_test(test_set),
        cmocka_unit_test(test_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
