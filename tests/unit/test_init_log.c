/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of init/svc_log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "init/svc_log.h"
#include "lib/mem.h"

struct sink {
    char text[4096];
    size_t len;
};

static void collect(const char *line, size_t len, void *arg)
{
    struct sink *s = arg;

    assert_true(s->len + len < sizeof(s->text));
    memcpy(s->text + s->len, line, len);
    s->len += len;
    s->text[s->len] = '\0';
}

static const struct {
    const char *name;
    const char *in;
    const char *want;
} cases[] = {
    {"plain", "hello\n", "svc: hello\n"},
    {"two", "a\nb\n", "svc: a\nsvc: b\n"},
    {"unfinished", "a\nb", "svc: a\nsvc: b\n"},
    {"empty lines", "\n\na\n\n", "svc: a\n"},
    {"own name", "svc: info: a\n", "svc: info: a\n"},
    {"other name", "svd: info: a\n", "svc: svd: info: a\n"},
    {"name alone", "svc\n", "svc: svc\n"},
    {"escape", "\x1b[2J\xff\n", "svc: _[2J_\n"},
    {"tab and cr", "a\tb\r\n", "svc: a b\n"},
    {"cr inside", "a\rb\n", "svc: a_b\n"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        /* the whole at once, then byte by byte */
        for (int way = 0; way < 2; way++) {
            struct svc_log log = {.len = 0};
            struct sink s = {.len = 0};
            size_t n = strlen(cases[i].in);

            if (way == 0)
                svc_log_feed(&log, "svc", cases[i].in, n, collect, &s);
            for (size_t k = 0; way == 1 && k < n; k++)
                svc_log_feed(&log, "svc", cases[i].in + k, 1, collect, &s);
            svc_log_flush(&log, "svc", collect, &s);
            if (strcmp(s.text, cases[i].want) != 0)
                fail_msg("%s: got \"%s\"", cases[i].name, s.text);
        }
    }
}

static void test_long(void **state)
{
    struct svc_log log = {.len = 0};
    struct sink s = {.len = 0};
    char in[3 * SVC_LOG_LINE_MAX];

    (void)state;
    memset(in, 'x', sizeof(in));
    svc_log_feed(&log, "svc", in, sizeof(in), collect, &s);
    assert_int_equal(s.len, 5 + SVC_LOG_LINE_MAX + 1);
    svc_log_feed(&log, "svc", "\nend\n", 5, collect, &s);
    assert_int_equal(s.len, 5 + SVC_LOG_LINE_MAX + 1 + 9);
    assert_string_equal(s.text + 5 + SVC_LOG_LINE_MAX + 1, "svc: end\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases),
                                       cmocka_unit_test(test_long)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
