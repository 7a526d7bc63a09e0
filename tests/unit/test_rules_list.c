/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/dom0/rules_list.c: what a request makes of a stored
 * list, or why it is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/fw_profile.h"
#include "dom0/rules_list.h"
#include "lib/err.h"
#include "lib/mem.h"

#define HEAD "[Qube]\nKind=qube\nImage=i\n"

/* Requests on the rules of `stored`; want is the list, or with a '!' first a
 * part of the message. */
static const struct {
    const char *stored;
    enum request_op op;
    int number; /* -1: none */
    const char *words, *text, *was;
    const char *want;
    int64_t hidden_by;
} rows[] = {
    {"", REQ_FW_ADD, -1, "drop", NULL, NULL, "action=accept\naction=drop\n", 0},
    {"[Firewall]\n", REQ_FW_ADD, -1, "drop", NULL, NULL, "action=drop\n", -1},
    {"[Firewall]\nRule=accept\nRule=drop\n", REQ_FW_ADD, 1, "accept proto=udp",
     NULL, NULL, "action=accept\naction=accept proto=udp\naction=drop\n", 0},
    {"[Firewall]\nRule=accept proto=tcp\n", REQ_FW_ADD, -1, "drop expire=+5",
     NULL, NULL, "action=accept proto=tcp\naction=drop expire=1005\n", -1},
    {"[Firewall]\nRule=accept\n", REQ_FW_ADD, 2, "drop", NULL, NULL,
     "!no rule number 2; expected 0 to 1", -1},
    {"[Firewall]\nRule=accept\n", REQ_FW_ADD, -1, "drop dstports=x", NULL, NULL,
     "!word 2", -1},
    {"[Firewall]\nRule=accept\nRule=drop\n", REQ_FW_DEL, 0, NULL, NULL, NULL,
     "action=drop\n", -1},
    {"[Firewall]\nRule=accept\nRule=drop\n", REQ_FW_DEL, -1, "action=drop",
     NULL, NULL, "action=accept\n", -1},
    {"[Firewall]\nRule=accept\n", REQ_FW_DEL, 1, NULL, NULL, NULL,
     "!no such rule in the list of 1", -1},
    {"[Firewall]\nRule=accept\n", REQ_FW_DEL, -1, "drop", NULL, NULL,
     "!no such rule", -1},
    {"[Firewall]\nRule=drop\nRule=drop\n", REQ_FW_RESET, -1, NULL, NULL, NULL,
     "action=accept\n", -1},
    {"[Firewall]\nRule=drop\n", REQ_FW_APPLY, -1, NULL,
     "# mine\naccept proto=tcp\ndrop\n", "action=drop\n",
     "action=accept proto=tcp\naction=drop\n", -1},
    {"[Firewall]\nRule=drop\n", REQ_FW_APPLY, -1, NULL, "drop\n",
     "action=accept\n", "!changed by someone else", -1},
    {"[Firewall]\nRule=drop\n", REQ_FW_APPLY, -1, NULL, "drop\nx\n", NULL,
     "!the list is not right", -1},
    {"[Firewall]\nRule=drop\n", REQ_FW_APPLY, -1, NULL, "", NULL, "", -1},
};

static void fill(size_t i, struct request *r)
{
    struct text rest, word;

    *r = (struct request){.op = rows[i].op,
                          .qube = "q",
                          .has_number = rows[i].number >= 0,
                          .number = (uint32_t)rows[i].number};
    if (rows[i].text)
        r->text = strdup(rows[i].text);
    if (rows[i].was)
        r->was = strdup(rows[i].was);
    if (!rows[i].words)
        return;
    rest = text_of(rows[i].words);
    while (parse_split(&rest, ' ', &word))
        r->words[r->n_words++] = strndup(word.p, word.len);
}

static void check_row(size_t i)
{
    struct config_daemon d;
    struct problems p = {0};
    struct config_qube *q = NULL;
    struct rules_list l = {0};
    struct manager_error e = {0};
    struct request r;
    int64_t hidden_by = 99;
    char file[512], *now;
    int k;

    config_daemon_defaults(&d);
    snprintf(file, sizeof(file), HEAD "%s", rows[i].stored);
    assert_int_equal(config_parse_qube(text_of(file), "q", "q", &d, &q, &p), 0);
    fill(i, &r);
    assert_int_equal(rules_list_take(q, &l), 0);
    k = rules_list_edit(&l, &r, 1000, &hidden_by, &e, &p);
    if (rows[i].want[0] == '!') {
        if (!k || !strstr(e.message, rows[i].want + 1) || strcmp(e.qube, "q") ||
            !e.step)
            fail_msg("row %zu: %d '%s'", i, k, e.message);
    } else {
        assert_int_equal(k, 0);
        now = fw_items_format(&l.items);
        if (strcmp(now, rows[i].want))
            fail_msg("row %zu: '%s'", i, now);
        free(now);
        assert_int_equal(hidden_by, rows[i].hidden_by);
    }
    rules_list_free(&l);
    request_free(&r);
    problems_free(&p);
    config_qube_free(q);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_row(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
