/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of fw_diff.c: known differences, and the property that the old list
 * with the difference applied is the new one, with as few lines as a common
 * part can save (printed seed; FW_DIFF_SEED runs one again). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dom0/fw_diff.h"
#include "lib/mem.h"

/* One item for each letter. */
static void list_of(const char *letters, struct fw_items *ret)
{
    *ret = (struct fw_items){0};
    for (; *letters; letters++)
        assert_int_equal(fw_items_add_include(ret, (struct text){letters, 1}),
                         0);
}

struct said {
    char text[512];
    size_t n, lines;
    /* the new list, made of the old one and the difference */
    const struct fw_items *old;
    size_t taken; /* items of the old one that are used up */
    char made[128];
    size_t n_made;
};

static void keep_until(struct said *s, size_t old_at)
{
    while (s->taken < old_at)
        s->made[s->n_made++] = s->old->v[s->taken++].include[0];
}

static void on_line(bool comes, size_t at, const struct fw_item *item,
                    void *arg)
{
    struct said *s = arg;

    s->lines++;
    s->n += (size_t)snprintf(s->text + s->n, sizeof(s->text) - s->n, "%s%zu%s ",
                             comes ? "+" : "-", at, item->include);
    if (comes) {
        keep_until(s, s->taken + (at - s->n_made));
        s->made[s->n_made++] = item->include[0];
    } else {
        keep_until(s, at);
        s->taken++;
    }
}

static void diff(const char *a, const char *b, struct said *s)
{
    struct fw_items old, now;

    list_of(a, &old);
    list_of(b, &now);
    *s = (struct said){.old = &old};
    assert_int_equal(fw_diff(&old, &now, on_line, s), 0);
    keep_until(s, old.n);
    s->made[s->n_made] = '\0';
    assert_string_equal(s->made, b);
    fw_items_free(&old);
    fw_items_free(&now);
}

static void test_known(void **state)
{
    static const struct {
        const char *old, *now, *want;
    } rows[] = {
        {"", "", ""},
        {"abc", "abc", ""},
        {"", "ab", "+0a +1b "},
        {"ab", "", "-0a -1b "},
        {"abc", "axc", "-1b +1x "},
        {"abc", "abxc", "+2x "},
        {"abcd", "acd", "-1b "},
        {"aab", "ab", "-1a "},
        {"ab", "ba", "-0a +1a "},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct said s;

        diff(rows[i].old, rows[i].now, &s);
        assert_string_equal(s.text, rows[i].want);
    }
}

static uint64_t random_state;

static unsigned rnd(unsigned below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % below;
}

static void letters(char *dst)
{
    unsigned n = rnd(30);

    for (unsigned i = 0; i < n; i++)
        dst[i] = (char)('a' + rnd(4));
    dst[n] = '\0';
}

/* The longest common part, the slow and plain way. */
static size_t common(const char *a, const char *b)
{
    size_t best[32][32] = {{0}};

    for (size_t i = strlen(a); i-- > 0;) {
        for (size_t j = strlen(b); j-- > 0;) {
            size_t down = best[i + 1][j], right = best[i][j + 1];

            best[i][j] = a[i] == b[j]   ? best[i + 1][j + 1] + 1
                         : down > right ? down
                                        : right;
        }
    }
    return best[0][0];
}

static void test_random(void **state)
{
    const char *env = getenv("FW_DIFF_SEED");
    uint64_t seed = env ? strtoull(env, NULL, 10) : (uint64_t)time(NULL);

    (void)state;
    random_state = seed * 2 + 1;
    print_message("# FW_DIFF_SEED=%" PRIu64 "\n", seed);
    for (unsigned i = 0; i < 20000; i++) {
        char a[32], b[32];
        struct said s;

        letters(a);
        letters(b);
        diff(a, b, &s); /* looks at the result, too */
        assert_int_equal(s.lines, strlen(a) + strlen(b) - 2 * common(a, b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
