/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of init/svc_table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "init/svc_table.h"
#include "lib/mem.h"

static const struct {
    const char *name;
    const char *text;
    int want;
    unsigned line; /* of the failure */
} cases[] = {
    {"one", "a 0 0 - /a\n", 0, 0},
    {"no newline", "a 0 0 - /a", 0, 0},
    {"comments and blanks", "# x\n\n \t\n  a\t0  0 - /a b # c\n", 0, 0},
    {"hash inside a word", "a 0 0 - /a b#c\n", 0, 0},
    {"other platform only", "@netns a 0 0 - /a\n", -EBADMSG, 0},
    {"empty", "", -EBADMSG, 0},
    {"few fields", "a 0 0 -\n", -EBADMSG, 1},
    {"relative command", "b 0 0 - /b\na 0 0 - a\n", -EBADMSG, 2},
    {"bad name", "A 0 0 - /a\n", -EBADMSG, 1},
    {"empty name", "+tty 0 0 - /a\n", -EBADMSG, 1},
    {"long name", "abcdefghijklmnopqrstuvwx 0 0 - /a\n", -ENOBUFS, 1},
    {"longest name", "abcdefghijklmnopqrstuvw 0 0 - /a\n", 0, 0},
    {"flag unknown", "a+x 0 0 - /a\n", -EBADMSG, 1},
    {"flag twice", "a+tty+tty 0 0 - /a\n", -EBADMSG, 1},
    {"uid sign", "a -1 0 - /a\n", -EBADMSG, 1},
    {"uid octal", "a 010 0 - /a\n", -EBADMSG, 1},
    {"uid huge", "a 2147483648 0 - /a\n", -EBADMSG, 1},
    {"gid word", "a 0 root - /a\n", -EBADMSG, 1},
    {"cap unknown", "a 0 0 net_admi /a\n", -EBADMSG, 1},
    {"cap twice", "a 0 0 kill,kill /a\n", -EBADMSG, 1},
    {"cap empty", "a 0 0 kill, /a\n", -EBADMSG, 1},
    {"twice", "a 0 0 - /a\na 0 0 - /b\n", -EEXIST, 2},
    {"twice on two platforms", "@xen:a 0 0 - /a\n@netns:a 0 0 - /b\n", 0, 0},
    {"bad line of the other platform", "a 0 0 - /a\n@netns:b 0\n", -EBADMSG, 2},
    {"platform unknown", "@kvm:a 0 0 - /a\n", -EBADMSG, 1},
    {"platform glued", "@xena 0 0 - /a\n", -EBADMSG, 1},
    {"control byte", "a 0 0 - /a\x01\n", -EBADMSG, 1},
    {"high byte", "a 0 0 - /\xc3\n", -EBADMSG, 1},
    {"carriage return", "a 0 0 - /a\r\n", -EBADMSG, 1},
    {"24 arguments", "a 0 0 - /a 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3",
     0, 0},
    {"25 arguments",
     "a 0 0 - /a 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4", -ENOBUFS, 1},
    {"40 arguments",
     "a 0 0 - /a 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 "
     "1 2 3 4 5 6 7 8 9",
     -ENOBUFS, 1},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct svc_table t = {.n = 99};
        const char *why = NULL;
        unsigned line = 77;
        int r = svc_table_parse(cases[i].text, strlen(cases[i].text), SVC_XEN,
                                &t, &line, &why);

        if (r != cases[i].want || (r < 0 && line != cases[i].line))
            fail_msg("%s: %d in line %u", cases[i].name, r, line);
        if (r < 0) {
            assert_non_null(why);
            assert_int_equal(t.n, 99);
        }
    }
}

static void test_fields(void **state)
{
    static const char text[] =
        "qdbd 100 101 - /usr/bin/qdbd -v --name=x\n"
        "@xen mod+once 0 0 all /m\n"
        "@netns:no 0 0 - /n\n"
        "sh+tty+once 7 8 chown,checkpoint_restore,net_admin /sh\n";
    struct svc_table t;
    const char *why;
    unsigned line;

    (void)state;
    assert_int_equal(
        svc_table_parse(text, strlen(text), SVC_XEN, &t, &line, &why), 0);
    assert_int_equal(t.n, 3);
    assert_string_equal(t.e[0].name, "qdbd");
    assert_int_equal(t.e[0].uid, 100);
    assert_int_equal(t.e[0].gid, 101);
    assert_int_equal(t.e[0].caps, 0);
    assert_int_equal(t.e[0].argc, 3);
    assert_string_equal(svc_table_arg(&t.e[0], 0), "/usr/bin/qdbd");
    assert_string_equal(svc_table_arg(&t.e[0], 2), "--name=x");
    assert_false(t.e[0].tty || t.e[0].once);
    assert_true(t.e[1].once && !t.e[1].tty);
    assert_true(t.e[1].caps == SVC_CAPS_ALL);
    assert_string_equal(t.e[2].name, "sh");
    assert_true(t.e[2].once && t.e[2].tty);
    assert_true(t.e[2].caps == (1ULL << 0 | 1ULL << 40 | 1ULL << 12));
    assert_int_equal(
        svc_table_parse(text, strlen(text), SVC_NETNS, &t, &line, &why), 0);
    assert_int_equal(t.n, 3);
    assert_string_equal(t.e[1].name, "no");
}

static void test_limits(void **state)
{
    char text[SVC_FILE_MAX + 2];
    struct svc_table t;
    const char *why;
    unsigned line;
    size_t n = 0;

    (void)state;
    for (unsigned i = 0; i < SVC_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "s%u 0 0 - /a\n", i);
    assert_int_equal(svc_table_parse(text, n, SVC_XEN, &t, &line, &why), 0);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "last 0 0 - /a\n");
    assert_int_equal(svc_table_parse(text, n, SVC_XEN, &t, &line, &why),
                     -ENOBUFS);
    assert_int_equal(line, SVC_MAX + 1);
    memset(text, '\n', sizeof(text));
    assert_int_equal(
        svc_table_parse(text, SVC_FILE_MAX + 1, SVC_XEN, &t, &line, &why),
        -ENOBUFS);
    memcpy(text, "a 0 0 - /", 9);
    memset(text + 9, 'x', SVC_LINE_MAX - 10);
    assert_int_equal(
        svc_table_parse(text, SVC_LINE_MAX - 1, SVC_XEN, &t, &line, &why), 0);
    text[SVC_LINE_MAX - 1] = 'x';
    assert_int_equal(
        svc_table_parse(text, SVC_LINE_MAX, SVC_XEN, &t, &line, &why),
        -ENOBUFS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases),
                                       cmocka_unit_test(test_fields),
                                       cmocka_unit_test(test_limits)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
