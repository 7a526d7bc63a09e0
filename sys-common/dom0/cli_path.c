/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysqube forward and sysqube reach: words to requests, answers to tables.
 * glue. Fed by the administrator and by sysqubed. */
#include <stdio.h>
#include <string.h>

#include "dom0/cli.h"
#include "dom0/cli_table.h"
#include "lib/mem.h"

static const char *text_in(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static const char *number_in(const json_t *o, const char *name, char buf[24])
{
    snprintf(buf, 24, "%lld",
             (long long)json_integer_value(json_object_get(o, name)));
    return buf;
}

static void show_forwards(const json_t *answer)
{
    static const char *const heads[] = {
        "NETVM", "PROTOCOL", "UPLINK PORT", "FROM", "QUBE", "PORT", "STATE"};
    struct cli_table *t = cli_table_new(heads, ARRAY_LEN(heads));
    const json_t *f;
    size_t i;

    if (!t)
        return;
    json_array_foreach(json_object_get(answer, "forwards"), i, f)
    {
        char uplink[24], port[24];
        const char *cells[] = {text_in(f, "netvm"),
                               text_in(f, "proto"),
                               number_in(f, "uplink_port", uplink),
                               text_in(f, "from"),
                               text_in(f, "qube"),
                               number_in(f, "port", port),
                               text_in(f, "state")};

        cli_table_row(t, cells);
    }
    cli_table_print(t, stdout);
    cli_table_free(t);
}

static void show_reach(const json_t *answer)
{
    static const char *const heads[] = {"QUBE", "TO", "WHAT", "FIREWALL",
                                        "STATE"};
    struct cli_table *t = cli_table_new(heads, ARRAY_LEN(heads));
    const json_t *e;
    size_t i;

    if (!t)
        return;
    json_array_foreach(json_object_get(answer, "reach"), i, e)
    {
        const char *cells[] = {text_in(e, "qube"), text_in(e, "to"),
                               text_in(e, "what"), text_in(e, "firewall"),
                               text_in(e, "state")};

        cli_table_row(t, cells);
    }
    cli_table_print(t, stdout);
    cli_table_free(t);
}

static int path_command(struct cli *c, const char *what, int argc, char **argv,
                        cli_show_fn show)
{
    json_t *words;
    char op[32];

    if (argc < 1 || argc == 1)
        return argc == 1 && !strcmp(argv[0], "list")
                   ? cli_ask_and_show(
                         c, json_pack("{s:s+}", "op", what, "-list"), show)
                   : CLI_USAGE;
    if (argc < 3 || (strcmp(argv[0], "add") && strcmp(argv[0], "del")))
        return CLI_USAGE;
    snprintf(op, sizeof(op), "%s-%s", what, argv[0]);
    words = json_array();
    for (int i = 2; i < argc; i++)
        json_array_append_new(words, json_string(argv[i]));
    return cli_ask_and_show(
        c,
        json_pack("{s:s, s:s, s:o}", "op", op, "qube", argv[1], "words", words),
        cli_show_done);
}

int cli_forward(struct cli *c, int argc, char **argv)
{
    return path_command(c, "forward", argc, argv, show_forwards);
}

int cli_reach(struct cli *c, int argc, char **argv)
{
    return path_command(c, "reach", argc, argv, show_reach);
}
