/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/dom0/usb_policy.c and of the [USB] section: what a
 * line means, which of several lines counts, every way in which one is
 * refused, with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "dom0/config.h"
#include "dom0/section_lines.h"
#include "dom0/plan.h"
#include "lib/err.h"
#include "lib/mem.h"

static const struct usb_iface keyboard = {3, 1, 1}, mouse = {3, 1, 2},
                              storage = {8, 6, 0x50};

/* A stick that hides a keyboard, at sys-usb:2-1.3. */
static struct usb_device stick(void)
{
    struct usb_device d = {
        .usbvm = "sys-usb",
        .port = {.bus = 2, .depth = 2, .port = {1, 3}},
        .ident = {.vendor_id = 0x1234, .product_id = 0xabcd, .serial = "S1"},
        .ifaces = {.n = 2, .code = {storage, keyboard}}};

    usb_ifmap_add(&d.map, 0, storage);
    usb_ifmap_add(&d.map, 1, keyboard);
    return d;
}

static void parse_lines(const char *lines, struct config_qube **ret)
{
    char text[2048];
    struct config_daemon d;
    struct problems p = {0};

    config_daemon_defaults(&d);
    snprintf(text, sizeof(text), "[Qube]\nKind=qube\nImage=i\n[USB]\n%s",
             lines);
    int r = config_parse_qube(text_of(text), "f", "work", &d, ret, &p);
    for (size_t i = 0; i < p.n; i++)
        print_message("%u: %s\n", p.v[i].line, p.v[i].text);
    assert_int_equal(r, 0);
    problems_free(&p);
}

static const struct {
    const char *lines;
    const char *ifaces; /* NULL: all */
    unsigned want;      /* 0: allowed, else the refusing line */
    int number;
} RULINGS[] = {
    {"", NULL, 0, 0},
    {"Deny=Keyboard\n", NULL, 5, 1},
    {"Deny=Keyboard\n", "0", 0, 0},
    {"Deny=Keyboard\n", "1", 5, 1},
    {"Deny=Keyboard\n", "0,7", 5, 1}, /* there is no 7: all of it */
    {"Deny=Input\n", NULL, 5, 1},
    {"Deny=Mouse\n", NULL, 0, 0},
    {"Deny=*\n", NULL, 5, 0},
    {"Deny=*\nAllow=Storage\n", "0", 0, 0},
    {"Deny=*\nAllow=Storage\n", NULL, 5, 1},
    {"Deny=*\nAllow=Storage\nAllow=u0301**\n", NULL, 0, 0},
    {"Allow=Storage\nDeny=u0806**\n", NULL, 6, 0},
    {"Allow=u080650\nDeny=u0806**\n", NULL, 0, 0},
    {"Allow=Storage\nDeny=Storage\n", NULL, 6, 0},
    {"Deny=Storage\nAllow=Storage\n", NULL, 5, 0},
    {"Deny=1234:abcd\n", NULL, 5, 0},
    {"Deny=1234:abcd:S2\n", NULL, 0, 0},
    {"Deny=1234:abcd:S1:u080650u030101\n", NULL, 5, 0},
    {"Deny=sys-usb:2-1.3\n", NULL, 5, 0},
    {"Deny=sys-usb:2-1\n", NULL, 0, 0},
    {"Deny=other-usb:2-1.3\n", NULL, 0, 0},
    /* identity over class, port over identity, both over either */
    {"Deny=u080650\nAllow=1234:abcd\n", NULL, 0, 0},
    {"Deny=1234:abcd\nAllow=sys-usb:2-1.3\n", NULL, 0, 0},
    {"Deny=sys-usb:2-1.3 1234:abcd\nAllow=sys-usb:2-1.3\n", NULL, 5, 0},
    {"Allow=1234:abcd sys-usb:2-1.3\nDeny=sys-usb:2-1.3\n", NULL, 0, 0},
    {"Deny=1234:abcd\nAllow=1234:abcd Storage\n", NULL, 5, 1},
    {"Deny=1234:abcd\nAllow=1234:abcd Storage\n", "0", 0, 0},
    {"Deny=sys-usb:2-1.3 Keyboard\n", NULL, 5, 1},
    {"Deny=sys-usb:2-2 Keyboard\n", NULL, 0, 0},
};

static void test_rulings(void **state)
{
    struct usb_device d = stick();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(RULINGS); i++) {
        struct config_qube *q = NULL;
        struct usb_want w = {0};
        struct usb_ruling r;

        parse_lines(RULINGS[i].lines, &q);
        if (RULINGS[i].ifaces)
            assert_int_equal(
                usb_want_parse_ifaces(text_of(RULINGS[i].ifaces), &w), 0);
        usb_policy_rule(&q->usb, &d, RULINGS[i].ifaces ? &w : NULL, &r);
        if (r.allowed != !RULINGS[i].want || r.line != RULINGS[i].want ||
            (!r.allowed && r.number != RULINGS[i].number))
            fail_msg("row %zu '%s': allowed %d line %u interface %d", i,
                     RULINGS[i].lines, r.allowed, r.line, r.number);
        config_qube_free(q);
    }
}

/* A code that only one of the two keys shows is ruled on all the same. */
static void test_hidden_codes(void **state)
{
    struct usb_device d = stick();
    struct config_qube *q = NULL;
    struct usb_ruling r;

    (void)state;
    parse_lines("Deny=Mouse\n", &q);
    d.ifaces.code[d.ifaces.n++] = mouse;
    usb_policy_rule(&q->usb, &d, NULL, &r);
    assert_false(r.allowed);
    assert_true(r.has_code && r.number == -1 && r.code.proto == 2);
    d = stick();
    usb_ifmap_add(&d.map, 0, mouse); /* an alternate setting */
    usb_policy_rule(&q->usb, &d, NULL, &r);
    assert_false(r.allowed);
    assert_int_equal(r.number, 0);
    config_qube_free(q);
}

static void test_without_interfaces(void **state)
{
    static const struct {
        const char *lines;
        bool want;
    } ROWS[] = {{"", true},
                {"Deny=Storage\n", true},
                {"Deny=*\n", false},
                {"Deny=*\nAllow=1234:abcd::?******\n", true}};
    struct usb_device d = stick();

    (void)state;
    d.ifaces.n = 0;
    d.map.n = 0;
    d.ident.serial[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct config_qube *q = NULL;
        struct usb_ruling r;

        parse_lines(ROWS[i].lines, &q);
        usb_policy_rule(&q->usb, &d, NULL, &r);
        if (r.allowed != ROWS[i].want)
            fail_msg("row %zu", i);
        config_qube_free(q);
    }
}

static const struct {
    const char *lines;
    unsigned want; /* line that counts; 0: none */
    enum usb_assign_mode mode;
} ASSIGNS[] = {
    {"", 0, 0},
    {"Assign=auto 1234:abcd\n", 5, USB_ASSIGN_AUTO},
    {"Assign=auto 1234:abce\n", 0, 0},
    {"Assign=auto Storage\nAssign=ask 1234:abcd\n", 6, USB_ASSIGN_ASK},
    {"Assign=ask sys-usb:2-1.3\nAssign=auto 1234:abcd\n", 5, USB_ASSIGN_ASK},
    {"Assign=auto 1234:abcd\nAssign=ask 1234:abcd\n", 5, USB_ASSIGN_AUTO},
    {"Assign=required sys-usb:2-1.3 1234:abcd\nAssign=ask sys-usb:2-1.3\n", 5,
     USB_ASSIGN_REQUIRED},
    {"Assign=auto *\nAssign=manual Keyboard\n", 6, USB_ASSIGN_MANUAL},
    {"Assign=auto Input\nAssign=manual *\n", 5, USB_ASSIGN_AUTO},
};

static void test_assigned(void **state)
{
    struct usb_device d = stick();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ASSIGNS); i++) {
        struct config_qube *q = NULL;
        const struct usb_assign *a;
        int rank = -1;

        parse_lines(ASSIGNS[i].lines, &q);
        a = usb_policy_assigned(&q->usb, &d, &rank);
        if ((a ? a->line : 0) != ASSIGNS[i].want ||
            (a && (a->mode != ASSIGNS[i].mode || rank < 0)))
            fail_msg("row %zu: line %u", i, a ? a->line : 0);
        config_qube_free(q);
    }
}

static void test_want(void **state)
{
    struct usb_assign a;
    char why[USB_WHY_MAX];

    (void)state;
    assert_int_equal(
        usb_assign_parse(text_of("auto  1234:abcd interfaces=0,2,31 "
                                 "input=pointer,keyboard"),
                         &a, why),
        0);
    assert_true(a.want.some && a.want.ifaces == 0x80000005u);
    assert_true(a.want.evdev && a.want.keyboard && a.want.pointer);
    assert_int_equal(usb_assign_parse(text_of("required *"), &a, why), 0);
    assert_true(!a.want.some && !a.want.evdev && a.mode == USB_ASSIGN_REQUIRED);
}

static const struct {
    const char *line;
    const char *want; /* in the complaint */
} REFUSED[] = {
    {"Deny=", "Deny"},
    {"Deny=stick", "'stick' is no port"},
    {"Deny=1234:ABCD", "lower case"},
    {"Allow=u08**** u03****", "'u03****' is a second word of its kind"},
    {"Allow=1234:abcd 1234:abce", "second word"},
    {"Allow=sys-usb:2-1 sys-usb:2-2", "second word"},
    {"Allow=sys-usb:usb2", "is no port"},
    {"Allow=sys-usb:0-1", "is no port"},
    {"Allow=-x:2-1", "is no port"},
    {"Assign=1234:abcd", "'1234:abcd' is no mode"},
    {"Assign=always 1234:abcd", "manual, ask, auto or required"},
    {"Assign=auto", "names no device"},
    {"Assign=auto interfaces=0", "names no device"},
    {"Assign=auto 1234:abcd interfaces=", "interfaces=0,1"},
    {"Assign=auto 1234:abcd interfaces=1,0", "interfaces=0,1"},
    {"Assign=auto 1234:abcd interfaces=1,1", "interfaces=0,1"},
    {"Assign=auto 1234:abcd interfaces=32", "interfaces=0,1"},
    {"Assign=auto 1234:abcd interfaces=0 interfaces=1", "once"},
    {"Assign=auto 1234:abcd input=joystick", "input=keyboard"},
    {"Assign=auto 1234:abcd input=keyboard,keyboard", "input=keyboard"},
    {"Assign=auto 1234:abcd input=", "input=keyboard"},
    {"Mode=auto", "unknown key Mode in [USB]; expected one of Allow"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(REFUSED); i++) {
        struct config_daemon d;
        struct config_qube *q = NULL;
        struct problems p = {0};
        char text[512];

        config_daemon_defaults(&d);
        snprintf(text, sizeof(text), "[Qube]\nKind=qube\nImage=i\n[USB]\n%s\n",
                 REFUSED[i].line);
        if (config_parse_qube(text_of(text), "f", "work", &d, &q, &p) !=
                -EBADMSG ||
            p.n != 1 || p.v[0].line != 5 || strcmp(p.v[0].file, "f") != 0 ||
            !strstr(p.v[0].text, REFUSED[i].want))
            fail_msg("row %zu '%s': %zu: %s", i, REFUSED[i].line, p.n,
                     p.n ? p.v[0].text : "");
        problems_free(&p);
        config_qube_free(q);
    }
}

static void test_limits(void **state)
{
    struct usb_policy p = {0};
    struct usb_line l = {.line = 1};
    struct usb_assign a = {.line = 1};

    (void)state;
    for (unsigned i = 0; i < USB_LINES_MAX; i++)
        assert_int_equal(usb_policy_add_line(&p, &l), 0);
    assert_int_equal(usb_policy_add_line(&p, &l), -ENOBUFS);
    for (unsigned i = 0; i < USB_ASSIGNS_MAX; i++)
        assert_int_equal(usb_policy_add_assign(&p, &a), 0);
    assert_int_equal(usb_policy_add_assign(&p, &a), -ENOBUFS);
    usb_policy_free(&p);
}

/* Across files: the section only in user qubes, ports only of USBVMs. */
static void test_cross_checks(void **state)
{
    static const struct {
        const char *name, *text;
    } FILES[] = {
        {"sys-usb", "[Qube]\nKind=usbvm\nImage=i\n[USB]\nDeny=*\n"},
        {"work", "[Qube]\nKind=qube\nImage=i\n[USB]\nDeny=sys-usb:2-1\n"
                 "Allow=sys-net:2-1\nAssign=auto work:2-1\n"},
    };
    static const struct {
        unsigned line;
        const char *text;
    } WANT[] = {{5, "[USB] in a qube of kind usbvm"},
                {6, "a port of sys-net, which is no qube"},
                {7, "a port of work, which is of another kind"}};
    struct config c = {0};
    struct problems p = {0};

    (void)state;
    config_daemon_defaults(&c.d);
    for (size_t i = 0; i < ARRAY_LEN(FILES); i++) {
        struct config_qube *q = NULL;

        assert_int_equal(config_parse_qube(text_of(FILES[i].text),
                                           FILES[i].name, FILES[i].name, &c.d,
                                           &q, &p),
                         0);
        assert_int_equal(config_add(&c, q), 0);
    }
    assert_int_equal(config_check(&c, &p), -EBADMSG);
    assert_int_equal(p.n, ARRAY_LEN(WANT));
    for (size_t i = 0; i < p.n; i++) {
        assert_int_equal(p.v[i].line, WANT[i].line);
        assert_non_null(strstr(p.v[i].text, WANT[i].text));
    }
    problems_free(&p);
    config_free(&c);
}

/* Lines taken out and put in; all else stays as it was. */
static void test_section(void **state)
{
    static const struct {
        const char *file;
        unsigned drop[2];
        const char *add, *want;
    } ROWS[] = {
        {"[Qube]\nKind=qube\n",
         {0, 0},
         "Deny=*",
         "[Qube]\nKind=qube\n\n[USB]\nDeny=*\n"},
        {"[Qube]\nKind=qube",
         {0, 0},
         "Deny=*",
         "[Qube]\nKind=qube\n\n[USB]\nDeny=*\n"},
        {"", {0, 0}, "Deny=*", "\n[USB]\nDeny=*\n"},
        {"[USB]\n# mine\nDeny=a\n# end\n\n[Qube]\nx=1\n",
         {0, 0},
         "Allow=b",
         "[USB]\n# mine\nDeny=a\nAllow=b\n# end\n\n[Qube]\nx=1\n"},
        {"[USB]\nDeny=a\n[Qube]\nx=1\n[USB]\n[Netns]\n",
         {2, 0},
         "Allow=b",
         "[USB]\n[Qube]\nx=1\n[USB]\nAllow=b\n[Netns]\n"},
        {"[USB]\nDeny=a\nDeny=c", {3, 2}, "Allow=b", "[USB]\nAllow=b\n"},
        {"[USB]\r\nDeny=a\r\n", {2, 9}, NULL, "[USB]\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        char *out = NULL;
        size_t len = 0;

        assert_int_equal(section_lines_edit(text_of(ROWS[i].file), "[USB]",
                                            ROWS[i].drop, 2, ROWS[i].add, &out,
                                            &len),
                         0);
        assert_string_equal(out, ROWS[i].want);
        assert_int_equal(len, strlen(out));
        free(out);
    }
    assert_true(text_eq(section_lines_get(text_of("a\n  b \r\nc"), 2), "b"));
    assert_true(text_eq(section_lines_get(text_of("a\nb\nc"), 3), "c"));
    assert_int_equal(section_lines_get(text_of("a\n"), 2).len, 0);
}

static void test_modes(void **state)
{
    static const struct {
        const char *word;
        int want;
    } ROWS[] = {{"manual", USB_ASSIGN_MANUAL},
                {"ask", USB_ASSIGN_ASK},
                {"ask-to-attach", USB_ASSIGN_ASK},
                {"auto", USB_ASSIGN_AUTO},
                {"auto-attach", USB_ASSIGN_AUTO},
                {"required", USB_ASSIGN_REQUIRED},
                {"Auto", -1},
                {"", -1}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        enum usb_assign_mode m = USB_ASSIGN_MANUAL;
        int r = usb_assign_mode_parse(text_of(ROWS[i].word), &m);

        assert_int_equal(r ? -1 : (int)m, ROWS[i].want);
    }
}

static void test_same_words(void **state)
{
    static const char *const WORDS[] = {
        "*",
        "Storage",
        "u08****u03****",
        "1234:abcd",
        "1234:abcd:",
        "1234:abcd:1",
        "1234:abcd:1:u080650",
        "1234:abcd:1:u080650u030101",
        "sys-usb:2-1",
        "sys-usb:2-1.1",
        "sys-usb2:2-1",
        "sys-usb:2-1 1234:abcd",
        "sys-usb:2-1 Storage",
    };
    char why[USB_WHY_MAX];
    struct usb_select a, b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++)
        for (size_t k = 0; k < ARRAY_LEN(WORDS); k++) {
            memset(&a, 0xa5, sizeof(a));
            assert_int_equal(usb_select_parse(text_of(WORDS[i]), &a, why), 0);
            assert_int_equal(usb_select_parse(text_of(WORDS[k]), &b, why), 0);
            assert_int_equal(usb_select_eq(&a, &b), i == k);
        }
    assert_int_equal(usb_select_parse(text_of("Storage sys-usb:2-1"), &a, why),
                     0);
    assert_int_equal(usb_select_parse(text_of("sys-usb:2-1 u08****"), &b, why),
                     0);
    assert_true(usb_select_eq(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rulings),
        cmocka_unit_test(test_hidden_codes),
        cmocka_unit_test(test_without_interfaces),
        cmocka_unit_test(test_assigned),
        cmocka_unit_test(test_want),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_cross_checks),
        cmocka_unit_test(test_section),
        cmocka_unit_test(test_same_words),
        cmocka_unit_test(test_modes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
