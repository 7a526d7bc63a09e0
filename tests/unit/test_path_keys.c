/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dom0 writes limits, paths and forwards (sys-common/dom0/keys_firewall.c),
 * firewallvmd and netvmd read them: with every form and the largest values of
 * a configuration each record is one that its reader takes, and says what the
 * line said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "dom0/keys.h"
#include "dom0/plan.h"
#include "firewallvm/limits.h"
#include "firewallvm/path.h"
#include "lib/mem.h"
#include "netvm/uplink_forward.h"

_Static_assert(UPLINK_FORWARDS_MAX >= FW_PATHS_MAX, "dom0 may write more");

/* net <- outer <- {inner <- deep, flat} */
static const struct {
    const char *name, *text;
} files[] = {
    {"deep", "Kind=qube\nNetVM=inner\n[Firewall]\nRule=drop\n"
             "Flows=1000000\nRate=1000000\nBurst=1000000\n"
             "Bandwidth=4000000000\nQuota=1000000000000000\n"
             "Forward=tcp 65535 1\nForward=udp 1 65535 from 192.0.2.0/24\n"
             "Forward=tcp 2 3 from 2001:db8::/32\n"
             "Forward=tcp 3 3 from 0.0.0.0/0\n"
             "Reach=flat any\nReach=flat icmp\nReach=flat udp\n"},
    {"flat", "Kind=qube\nNetVM=outer\n[Firewall]\nRule=drop\n"
             "Flows=1\nRate=1\nBurst=1\nBandwidth=0\nQuota=0\n"
             "Reach=deep tcp 1-65535\nReach=deep udp 53\n"},
    {"inner", "Kind=firewallvm\nNetVM=outer\n"},
    {"net", "Kind=netvm\nIPv6=yes\n"},
    {"outer", "Kind=firewallvm\nNetVM=net\n"},
};
enum { DEEP, FLAT, INNER, NET, OUTER, N };

struct seen {
    unsigned limits, inbound, edges, forwards;
};

static void read_key(const struct key *k, struct seen *ret)
{
    struct text v = text_of(k->val);
    struct uplink_forward fwd;
    struct fw_limits limits;
    struct fw_path path;
    const char *why = "";
    int r = 0;

    if (!v.len)
        return;
    if (strstr(k->path, "/limits")) {
        r = limits_parse(v, &limits);
        ret->limits++;
    } else if (!strncmp(k->path, "/sysqube-firewall/inbound/", 26)) {
        r = path_parse(FW_PATH_INBOUND, v, &path, &why);
        ret->inbound++;
    } else if (!strncmp(k->path, "/sysqube-firewall/edge/", 23)) {
        r = path_parse(FW_PATH_EDGE, v, &path, &why);
        ret->edges++;
    } else if (!strncmp(k->path, "/sysqube-forward/", 17)) {
        r = uplink_forward_parse(v, &fwd);
        ret->forwards++;
    }
    if (r)
        fail_msg("%s = '%s': %s", k->path, k->val, why);
}

static struct seen read_all(const struct keys_world *w, size_t index)
{
    struct keyset s = {0};
    struct seen seen = {0};

    assert_int_equal(keys_desired(w, index, &s), 0);
    for (size_t i = 0; i < s.n; i++)
        read_key(&s.v[i], &seen);
    keyset_free(&s);
    return seen;
}

static void test_contract(void **state)
{
    struct keys_run run[N] = {{.active = true},
                              {.active = true},
                              {.active = true},
                              {.active = true},
                              {.active = true}};
    struct config c = {0};
    struct keys_world w = {.cfg = &c, .run = run};
    struct plan_ids ids = {0};
    struct problems p = {0};
    struct seen s;
    bool changed;

    (void)state;
    config_daemon_defaults(&c.d);
    for (size_t i = 0; i < N; i++) {
        struct config_qube *q;
        char text[1024];

        snprintf(text, sizeof(text), "[Qube]\nImage=i\n%s", files[i].text);
        if (config_parse_qube(text_of(text), files[i].name, files[i].name, &c.d,
                              &q, &p))
            fail_msg("%s", p.v[0].text);
        assert_int_equal(config_add(&c, q), 0);
    }
    assert_int_equal(plan_resolve(&c, &ids, &changed, &p), 0);
    if (config_check(&c, &p))
        fail_msg("%s", p.v[0].text);
    s = read_all(&w, NET);
    assert_int_equal(s.forwards, 2 + 1 + 1 + 1);
    s = read_all(&w, INNER);
    assert_int_equal(s.limits, 2);
    assert_int_equal(s.inbound, 5 + 2 * 2);
    s = read_all(&w, OUTER);
    assert_int_equal(s.limits, 2); /* of flat; inner gives none */
    assert_int_equal(s.inbound, 5);
    assert_int_equal(s.edges, 2 * 5);
    plan_ids_free(&ids);
    config_free(&c);
}

/* More records than a VM takes are found before anything starts. */
static void test_too_many(void **state)
{
    struct config c = {0};
    struct plan_ids ids = {0};
    struct problems p = {0};
    bool changed;

    (void)state;
    config_daemon_defaults(&c.d);
    for (unsigned i = 0; i < 2 + 17; i++) {
        char text[2048], name[16];
        struct config_qube *q;
        size_t n;

        snprintf(name, sizeof(name), i < 2 ? (i ? "net" : "fw") : "q%u", i);
        n = (size_t)snprintf(text, sizeof(text), "[Qube]\nImage=i\n%s",
                             i == 0   ? "Kind=firewallvm\nNetVM=net\n"
                             : i == 1 ? "Kind=netvm\nIPv6=yes\n"
                                      : "Kind=qube\nNetVM=fw\n[Firewall]\n");
        for (unsigned k = 0; i >= 2 && k < 32; k++)
            n += (size_t)snprintf(text + n, sizeof(text) - n,
                                  "Forward=tcp %u 1\n", i * 32 + k);
        assert_int_equal(
            config_parse_qube(text_of(text), name, name, &c.d, &q, &p), 0);
        assert_int_equal(config_add(&c, q), 0);
    }
    assert_int_equal(plan_resolve(&c, &ids, &changed, &p), 0);
    assert_int_not_equal(config_check(&c, &p), 0);
    assert_int_equal(problems_count(&p), 2); /* of net and of fw */
    assert_non_null(strstr(p.v[0].text, "make 1088 records"));
    problems_free(&p);
    plan_ids_free(&ids);
    config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contract),
        cmocka_unit_test(test_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
