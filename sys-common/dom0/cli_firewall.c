/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysqube firewall: words to requests. glue. Fed by the administrator. The
 * grammar is that of qvm-firewall, the qube before or behind the verb; whole
 * lists are cli_rules.c. */
#include <stdio.h>
#include <string.h>

#include "dom0/cli.h"
#include "lib/mem.h"
#include "lib/parse.h"
#include "rules/rule.h"

/* What all subcommands take; options may stand anywhere before the rule's
 * words. */
struct fw_args {
    const char *verb;
    const char *number; /* of --before or --rule-no */
    bool raw, reload, verbose, counters, once, follow;
    char **words; /* behind the options, the qube among them */
    int n_words;
};

static json_t *words_array(char **v, int n)
{
    json_t *a = json_array();

    for (int i = 0; i < n; i++)
        json_array_append_new(a, json_string(v[i]));
    return a;
}

static int fw_list(struct cli *c, const struct fw_args *a)
{
    const char *qube = a->words[0];

    if (a->n_words != 1 || a->number)
        return CLI_USAGE;
    if (a->reload) {
        json_t *answer = NULL;
        int r = cli_ask(
            c, json_pack("{s:s,s:[s]}", "op", "firewall-reload", "names", qube),
            &answer);

        json_decref(answer);
        if (r)
            return r;
    }
    if (a->counters)
        return cli_counters(c, a->words[0]);
    return cli_ask_and_show(
        c, json_pack("{s:s,s:s}", "op", "firewall-list", "qube", qube),
        a->raw ? cli_show_rules_raw : cli_show_rules);
}

static int fw_change(struct cli *c, const char *op, const struct fw_args *a)
{
    json_t *req = json_pack("{s:s,s:s}", "op", op, "qube", a->words[0]);
    uint32_t n;

    if (a->n_words > 1)
        json_object_set_new(req, "rule",
                            words_array(a->words + 1, a->n_words - 1));
    if (a->number) {
        if (parse_u32(text_of(a->number), 0, FW_NUMBER_MAX, &n)) {
            fprintf(stderr, "sysqube: '%s' is no rule number (0 to %d)\n",
                    a->number, FW_NUMBER_MAX);
            json_decref(req);
            return CLI_USAGE;
        }
        json_object_set_new(req, "number", json_integer(n));
    }
    return cli_ask_and_show(c, req, cli_show_done);
}

static int fw_add(struct cli *c, const struct fw_args *a)
{
    return a->n_words > 1 ? fw_change(c, "firewall-add", a) : CLI_USAGE;
}

static int fw_del(struct cli *c, const struct fw_args *a)
{
    return (a->n_words > 1) != !!a->number ? fw_change(c, "firewall-del", a)
                                           : CLI_USAGE;
}

static int fw_reset(struct cli *c, const struct fw_args *a)
{
    return a->n_words > 1 || a->number ? CLI_USAGE
                                       : fw_change(c, "firewall-reset", a);
}

static int fw_apply(struct cli *c, const struct fw_args *a)
{
    return a->n_words == 2 ? cli_rules_apply(c, a->words[0], a->words[1])
                           : CLI_USAGE;
}

static int fw_diff(struct cli *c, const struct fw_args *a)
{
    return a->n_words == 2 ? cli_rules_diff(c, a->words[0], a->words[1])
                           : CLI_USAGE;
}

static int fw_edit(struct cli *c, const struct fw_args *a)
{
    return a->n_words == 1 ? cli_rules_edit(c, a->words[0]) : CLI_USAGE;
}

static int fw_check(struct cli *c, const struct fw_args *a)
{
    if (a->n_words > 2)
        return CLI_USAGE;
    return cli_rules_check(c, a->n_words == 2 ? a->words[0] : NULL,
                           a->words[a->n_words - 1]);
}

static int fw_reload(struct cli *c, const struct fw_args *a)
{
    return cli_ask_and_show(c,
                            json_pack("{s:s,s:o}", "op", "firewall-reload",
                                      "names",
                                      words_array(a->words, a->n_words)),
                            cli_show_done);
}

static int fw_explain(struct cli *c, const struct fw_args *a)
{
    return cli_explain(c, a->words[0], a->n_words - 1, a->words + 1,
                       a->verbose);
}

static int fw_top(struct cli *c, const struct fw_args *a)
{
    return cli_top(c, a->words, a->n_words, a->once);
}

static int fw_log(struct cli *c, const struct fw_args *a)
{
    return cli_log(c, a->words, a->n_words, a->follow);
}

static const struct {
    const char *name;
    int (*run)(struct cli *c, const struct fw_args *a);
    int least; /* words it needs at least */
} verbs[] = {
    {"list", fw_list, 1},     {"add", fw_add, 2},
    {"del", fw_del, 1},       {"reset", fw_reset, 1},
    {"apply", fw_apply, 2},   {"diff", fw_diff, 2},
    {"edit", fw_edit, 1},     {"check", fw_check, 1},
    {"reload", fw_reload, 0}, {"explain", fw_explain, 2},
    {"top", fw_top, 0},       {"log", fw_log, 0},
};

static int find_verb(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (!strcmp(verbs[i].name, name))
            return (int)i;
    }
    return -1;
}

/* Options off the front, until the first word behind the qube. */
static int take_options(int argc, char **argv, struct fw_args *ret)
{
    int n = 0, i = 0;

    ret->words = argv;
    for (; i < argc && n < 2; i++) {
        const char *w = argv[i];

        if (!strcmp(w, "--raw")) {
            ret->raw = true;
        } else if (!strcmp(w, "-r") || !strcmp(w, "--reload")) {
            ret->reload = true;
        } else if (!strcmp(w, "-v") || !strcmp(w, "--verbose")) {
            ret->verbose = true;
        } else if (!strcmp(w, "--counters")) {
            ret->counters = true;
        } else if (!strcmp(w, "--once")) {
            ret->once = true;
        } else if (!strcmp(w, "-f") || !strcmp(w, "--follow")) {
            ret->follow = true;
        } else if (!strcmp(w, "--before") || !strcmp(w, "--rule-no")) {
            if (++i == argc)
                return CLI_USAGE;
            ret->number = argv[i];
        } else {
            argv[n++] = argv[i];
        }
    }
    while (i < argc)
        argv[n++] = argv[i++];
    ret->n_words = n;
    return 0;
}

int cli_firewall(struct cli *c, int argc, char **argv)
{
    struct fw_args a = {0};
    int r = take_options(argc, argv, &a), v;

    if (r || !a.n_words)
        return CLI_USAGE;
    v = find_verb(a.words[0]);
    if (v >= 0) {
        a.words++;
    } else {
        /* as qvm-firewall: the qube, then the verb, else a list */
        v = find_verb(a.n_words > 1 ? a.words[1] : "list");
        if (v < 0)
            return CLI_USAGE;
        if (a.n_words > 1)
            a.words[1] = a.words[0];
        a.words += a.n_words > 1;
        a.n_words += a.n_words == 1;
    }
    a.n_words--;
    /* options may also stand between verb, qube and rule */
    r = take_options(a.n_words, a.words, &a);
    if (r || a.n_words < verbs[v].least)
        return CLI_USAGE;
    return verbs[v].run(c, &a);
}
