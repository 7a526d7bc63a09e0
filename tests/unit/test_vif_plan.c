/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of vif/vif_plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/mem.h"
#include "vif/vif_plan.h"

static struct ipaddr ip(const char *text)
{
    struct ipaddr a;

    assert_int_equal(ipaddr_parse(text_of(text), &a), 0);
    return a;
}

/* One line a step, as the tests below write them. */
static void format_step(const struct vif_step *s, char *to, size_t cap)
{
    static const char *const names[] = {
        [VIF_OP_ALLOW] = "allow",     [VIF_OP_PREPARE] = "prepare",
        [VIF_OP_NEIGH] = "neigh",     [VIF_OP_UP] = "up",
        [VIF_OP_ROUTE] = "route",     [VIF_OP_ADDR] = "addr",
        [VIF_OP_CONNECT] = "connect",
    };
    char net[IPNET_TEXT_MAX] = "";
    char via[IPADDR_TEXT_MAX] = "";
    bool has_net = s->net.addr.family != 0;

    if (has_net)
        ipnet_format(&s->net, net);
    if (s->via.family != 0)
        ipaddr_format(&s->via, via);
    (void)snprintf(to, cap, "%s%s%s%s%s%s", names[s->op], has_net ? " " : "",
                   net, via[0] != '\0' ? " via " : "", via,
                   s->op == VIF_OP_NEIGH && s->mac[5] != 5 ? " other" : "");
}

static void expect_steps(const struct vif_steps *steps, const char *const *want,
                         size_t n)
{
    char line[128];

    for (unsigned i = 0; i < steps->n && i < n; i++) {
        format_step(&steps->s[i], line, sizeof(line));
        assert_string_equal(line, want[i]);
    }
    assert_int_equal(steps->n, n);
}

static struct vif_want base_want(void)
{
    struct vif_want w;

    memset(&w, 0, sizeof(w));
    w.id.domid = 5;
    w.id.mac[5] = 5;
    w.id.ip4 = ip("10.137.0.5");
    w.gw4 = ip("10.137.0.4");
    return w;
}

static void test_names(void **state)
{
    static const struct {
        const char *name;
        int want;
        uint32_t domid, devid;
    } cases[] = {
        {"vif5.0", 0, 5, 0},           {"vif32751.999", 0, 32751, 999},
        {"vif0.0", 0, 0, 0},           {"vif32752.0", -EBADMSG, 0, 0},
        {"vif5.1000", -EBADMSG, 0, 0}, {"vif5", -EBADMSG, 0, 0},
        {"vif5.", -EBADMSG, 0, 0},     {"vif.5", -EBADMSG, 0, 0},
        {"vif05.0", -EBADMSG, 0, 0},   {"vif5.0.0", -EBADMSG, 0, 0},
        {"vif5.0 ", -EBADMSG, 0, 0},   {"Vif5.0", -EBADMSG, 0, 0},
        {"vif5.0-q0", -EBADMSG, 0, 0}, {"eth0", -EBADMSG, 0, 0},
        {"vi", -EBADMSG, 0, 0},        {"", -EBADMSG, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct vif_ident id = {.domid = 7, .devid = 7};
        char name[VIF_NAME_MAX];
        int r =
            vif_plan_name_parse(text_of(cases[i].name), &id.domid, &id.devid);

        if (r != cases[i].want)
            fail_msg("%s: %d", cases[i].name, r);
        if (r < 0) {
            assert_int_equal(id.domid, 7);
            continue;
        }
        assert_int_equal(id.domid, cases[i].domid);
        assert_int_equal(id.devid, cases[i].devid);
        vif_plan_name(&id, name);
        assert_string_equal(name, cases[i].name);
    }
}

static void test_ident_key(void **state)
{
    static const struct {
        const char *key, *value;
        int want;
    } cases[] = {
        {"5.0", "10.137.0.5 00:16:3e:5e:6c:05", 0},
        {"5.0", "10.137.0.5 00:16:3E:5e:6c:05 fd00::5", 0},
        {"5", "10.137.0.5 00:16:3e:5e:6c:05", -EBADMSG},
        {"5.0/x", "10.137.0.5 00:16:3e:5e:6c:05", -EBADMSG},
        {"5.0", "", -EBADMSG},
        {"5.0", "10.137.0.5", -EBADMSG},
        {"5.0", "10.137.0.5  00:16:3e:5e:6c:05", -EBADMSG},
        {"5.0", "10.137.0.5 00:16:3e:5e:6c:05 ", -EBADMSG},
        {"5.0", "10.137.0.5 00:16:3e:5e:6c:05 10.137.0.6", -EBADMSG},
        {"5.0", "10.137.0.5 00:16:3e:5e:6c:05 fd00::5 x", -EBADMSG},
        {"5.0", "10.137.0.5 01:00:5e:00:00:01", -EBADMSG},
        {"5.0", "10.137.0.5 00:16:3e:5e:6c", -EBADMSG},
        {"5.0", "fd00::5 00:16:3e:5e:6c:05", -EBADMSG},
        {"5.0", "127.0.0.1 00:16:3e:5e:6c:05", -EBADMSG},
        {"5.0", "224.0.0.1 00:16:3e:5e:6c:05", -EBADMSG},
        {"5.0", "10.137.0.5 00:16:3e:5e:6c:05 fe80::5", -EBADMSG},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct vif_ident id = {.domid = 99};
        int r = vif_plan_ident_parse(text_of(cases[i].key),
                                     text_of(cases[i].value), &id);

        if (r != cases[i].want)
            fail_msg("\"%s\" \"%s\": %d", cases[i].key, cases[i].value, r);
        assert_int_equal(id.domid, r == 0 ? 5 : 99);
    }
}

static void test_ident_xen(void **state)
{
    static const struct {
        const char *ips;
        int want;
        bool v4, v6;
    } cases[] = {
        {"10.137.0.5", 0, true, false},
        {"10.137.0.5 fd00::5", 0, true, true},
        {"fd00::5 10.137.0.5", 0, true, true},
        {" fd00::5  ", 0, false, true},
        {"", -EBADMSG, false, false},
        {"10.137.0.5 10.137.0.6", -EBADMSG, false, false},
        {"10.137.0.5/32", -EBADMSG, false, false},
        {"10.137.0.5,fd00::5", -EBADMSG, false, false},
        {"0.0.0.0", -EBADMSG, false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct vif_ident id = {.domid = 5, .devid = 1};
        int r = vif_plan_ident_xen(text_of(cases[i].ips),
                                   text_of("00:16:3e:5e:6c:05"), &id);

        if (r != cases[i].want)
            fail_msg("\"%s\": %d", cases[i].ips, r);
        assert_int_equal(id.domid, 5);
        assert_int_equal(id.ip4.family != 0, cases[i].v4);
        assert_int_equal(id.ip6.family != 0, cases[i].v6);
    }
    struct vif_ident id = {.domid = 5};
    assert_int_equal(vif_plan_ident_xen(text_of("10.137.0.5"),
                                        text_of("ff:ff:ff:ff:ff:ff"), &id),
                     -EBADMSG);
}

static void test_build(void **state)
{
    static const char *const want4[] = {"allow 10.137.0.5/32",
                                        "prepare",
                                        "neigh 10.137.0.5/32",
                                        "up",
                                        "route 10.137.0.5/32",
                                        "addr 10.137.0.4/32",
                                        "connect"};
    static const char *const want_both[] = {
        "allow 10.137.0.5/32",
        "allow fd00::5/128",
        "allow 10.137.0.9/32",
        "allow fd00::9/128",
        "prepare",
        "neigh 10.137.0.5/32",
        "neigh fd00::5/128",
        "up",
        "route 10.137.0.5/32",
        "route fd00::5/128",
        "route 10.137.0.9/32 via 10.137.0.5",
        "route fd00::9/128 via fd00::5",
        "addr 10.137.0.4/32",
        "addr fd00::4/128",
        "connect"};
    static const char *const want_pinned[] = {
        "allow 10.137.0.5/32", "allow fd00::9/128", "prepare",
        "neigh 10.137.0.5/32", "neigh fd00::9/128", "up",
        "route 10.137.0.5/32", "route fd00::9/128", "connect"};
    struct vif_want w = base_want();
    struct vif_steps steps;

    (void)state;
    vif_plan_build(&w, &steps);
    expect_steps(&steps, want4, ARRAY_LEN(want4));
    w.id.ip6 = ip("fd00::5");
    w.gw6 = ip("fd00::4");
    w.behind[w.n_behind++] = ip("10.137.0.9");
    w.behind[w.n_behind++] = ip("fd00::9");
    w.behind[w.n_behind++] = ip("10.137.0.5"); /* its own: once is enough */
    vif_plan_build(&w, &steps);
    expect_steps(&steps, want_both, ARRAY_LEN(want_both));
    w = base_want();
    w.gw4.family = 0;
    w.behind[w.n_behind++] = ip("fd00::9");
    vif_plan_build(&w, &steps);
    expect_steps(&steps, want_pinned, ARRAY_LEN(want_pinned));
}

static void test_build_most(void **state)
{
    struct vif_want w = base_want();
    struct vif_steps steps;

    (void)state;
    for (unsigned i = 0; i < VIF_BEHIND_MAX; i++) {
        w.behind[i] = ip("fd00::");
        w.behind[i].b[15] = (uint8_t)i;
        w.behind[i].b[14] = 1;
    }
    w.n_behind = VIF_BEHIND_MAX;
    vif_plan_build(&w, &steps);
    assert_int_equal(steps.n, 7 + 3 * VIF_BEHIND_MAX);
    assert_int_equal(steps.s[steps.n - 1].op, VIF_OP_CONNECT);
}

struct trace {
    char text[2048];
    size_t len;
    unsigned stop_after;
    struct vif_steps *have;
};

static int note(const struct vif_action *a, void *arg)
{
    struct trace *t = arg;
    char line[128];

    if (t->stop_after-- == 0)
        return -EIO;
    format_step(&a->step, line, sizeof(line));
    t->len += (size_t)snprintf(t->text + t->len, sizeof(t->text) - t->len,
                               "%c%s\n", a->add ? '+' : '-', line);
    if (t->have != NULL)
        assert_int_equal(vif_plan_record(t->have, a), 0);
    return 0;
}

static void expect_diff(const struct vif_steps *old,
                        const struct vif_steps *new, const char *want)
{
    struct vif_steps have = *old;
    struct trace t = {.stop_after = 1000, .have = &have};

    assert_int_equal(vif_plan_diff(old, new, note, &t), 0);
    assert_string_equal(t.text, want);
    /* what was recorded is what was wanted, in whatever order */
    assert_int_equal(have.n, new->n);
    for (unsigned i = 0; i < new->n; i++)
        assert_true(vif_plan_has(&have, &new->s[i]));
}

static void test_diff(void **state)
{
    struct vif_steps none = {.n = 0};
    struct vif_steps a, b;
    struct vif_want w = base_want();

    (void)state;
    vif_plan_build(&w, &a);
    expect_diff(&none, &a,
                "+allow 10.137.0.5/32\n+prepare\n+neigh 10.137.0.5/32\n+up\n"
                "+route 10.137.0.5/32\n+addr 10.137.0.4/32\n+connect\n");
    expect_diff(&a, &none,
                "-connect\n-addr 10.137.0.4/32\n-route 10.137.0.5/32\n-up\n"
                "-neigh 10.137.0.5/32\n-prepare\n-allow 10.137.0.5/32\n");
    expect_diff(&a, &a, "");
    w.behind[w.n_behind++] = ip("10.137.0.9");
    vif_plan_build(&w, &b);
    expect_diff(&a, &b,
                "+allow 10.137.0.9/32\n+route 10.137.0.9/32 via 10.137.0.5\n");
    expect_diff(&b, &a,
                "-route 10.137.0.9/32 via 10.137.0.5\n-allow 10.137.0.9/32\n");
    w = base_want();
    w.id.mac[5] = 6;
    vif_plan_build(&w, &b);
    expect_diff(&a, &b, "-neigh 10.137.0.5/32\n+neigh 10.137.0.5/32 other\n");
}

static void test_diff_stop(void **state)
{
    struct vif_steps none = {.n = 0};
    struct vif_steps a;
    struct vif_want w = base_want();
    struct trace t = {.stop_after = 2};

    (void)state;
    vif_plan_build(&w, &a);
    assert_int_equal(vif_plan_diff(&none, &a, note, &t), -EIO);
    assert_string_equal(t.text, "+allow 10.137.0.5/32\n+prepare\n");
}

static void test_lists(void **state)
{
    static const char *const want[] = {"allow 10.137.0.7/32",
                                       "prepare",
                                       "neigh 10.137.0.5/32",
                                       "up",
                                       "route 10.137.0.5/32",
                                       "addr 10.137.0.4/32",
                                       "connect"};
    static const char *const only[] = {"allow 10.137.0.7/32"};
    struct vif_want w = base_want();
    struct vif_steps a, b;
    struct vif_action gone = {.add = false};

    (void)state;
    vif_plan_build(&w, &a);
    w.id.ip4 = ip("10.137.0.7");
    vif_plan_build(&w, &b);
    vif_plan_take_allow(&a, &b);
    expect_steps(&a, want, ARRAY_LEN(want));
    /* taking away what is not there changes nothing */
    gone.step.op = VIF_OP_ADDR;
    assert_int_equal(vif_plan_record(&a, &gone), 0);
    expect_steps(&a, want, ARRAY_LEN(want));
    vif_plan_link_gone(&a);
    expect_steps(&a, only, ARRAY_LEN(only));
    b.n = VIF_STEPS_MAX;
    gone.add = true;
    assert_int_equal(vif_plan_record(&b, &gone), -ENOBUFS);
}

static void test_applied(void **state)
{
    (void)state;
    assert_true(vif_plan_applied(text_of("applied 3")));
    assert_true(vif_plan_applied(text_of("applied")));
    assert_false(vif_plan_applied(text_of("appliedx")));
    assert_false(vif_plan_applied(text_of("blocked 1: x")));
    assert_false(vif_plan_applied(text_of("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),      cmocka_unit_test(test_ident_key),
        cmocka_unit_test(test_ident_xen),  cmocka_unit_test(test_build),
        cmocka_unit_test(test_build_most), cmocka_unit_test(test_diff),
        cmocka_unit_test(test_diff_stop),  cmocka_unit_test(test_lists),
        cmocka_unit_test(test_applied)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
