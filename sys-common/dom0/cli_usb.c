/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysqube usb: words to requests, answers to tables. glue. Fed by the
 * administrator and by sysqubed; texts that began in a device are cleaned by
 * the table. */
#include <stdio.h>
#include <string.h>

#include "dom0/cli.h"
#include "dom0/cli_table.h"
#include "lib/log.h"
#include "lib/mem.h"

#define TEXT_MAX 512

static const char *text_in(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

static const char *clean(const char *s, char buf[TEXT_MAX])
{
    return log_clean(buf, TEXT_MAX, s, strlen(s));
}

/* ---- list ---- */

static const char *state_cell(const json_t *d, char buf[CLI_CELL_MAX])
{
    const char *why = text_in(d, "why");

    snprintf(buf, CLI_CELL_MAX, "%s%s%s", text_in(d, "state"),
             why[0] ? ": " : "", why);
    return buf;
}

/* "QEMU USB Keyboard" of vendor and product, once if the product has both. */
static const char *name_cell(const json_t *d, char buf[CLI_CELL_MAX])
{
    const char *vendor = text_in(d, "vendor"), *product = text_in(d, "product");
    size_t n = strlen(vendor);

    if (n > 0 && strncmp(product, vendor, n) == 0)
        vendor = "";
    snprintf(buf, CLI_CELL_MAX, "%s%s%s", vendor, vendor[0] ? " " : "",
             product);
    return buf;
}

static void show_list(const json_t *answer)
{
    static const char *const heads[] = {"DEVICE",  "ID",    "NAME", "SERIAL",
                                        "CLASSES", "STATE", "QUBE"};
    json_int_t left = json_integer_value(json_object_get(answer, "left_out"));
    struct cli_table *t = cli_table_new(heads, ARRAY_LEN(heads));
    size_t i;
    const json_t *d;

    if (!t)
        return;
    json_array_foreach(json_object_get(answer, "devices"), i, d)
    {
        char device[CLI_CELL_MAX], id[16], name[CLI_CELL_MAX];
        char state[CLI_CELL_MAX];

        snprintf(device, sizeof(device), "%s:%s", text_in(d, "qube"),
                 text_in(d, "port"));
        snprintf(id, sizeof(id), "%.4s:%.4s", text_in(d, "vendor_id"),
                 text_in(d, "product_id"));
        const char *cells[] = {device,
                               id,
                               name_cell(d, name),
                               text_in(d, "serial"),
                               text_in(d, "classes"),
                               state_cell(d, state),
                               text_in(d, "client")};
        cli_table_row(t, cells);
    }
    cli_table_print(t, stdout);
    cli_table_free(t);
    if (left > 0)
        fprintf(stderr, "warning: %lld more devices are left out\n",
                (long long)left);
}

/* ---- info ---- */

static void line(const char *label, const char *value)
{
    char buf[TEXT_MAX];

    if (value[0])
        printf("%-12s%s\n", label, clean(value, buf));
}

static void show_policies(const json_t *answer)
{
    size_t i;
    const json_t *q;

    json_array_foreach(json_object_get(answer, "policies"), i, q)
    {
        char text[TEXT_MAX];
        const char *mode = text_in(q, "mode");
        bool allowed = json_is_true(json_object_get(q, "allowed"));

        snprintf(text, sizeof(text), "%s: %s%s%s%s", text_in(q, "qube"),
                 mode[0] ? "assigned, " : "", mode,
                 mode[0] && !allowed ? ", but " : "",
                 allowed ? "" : "denied by ");
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s",
                 text_in(q, "denied_by"));
        line("policy", text);
    }
}

static void show_info(const json_t *answer)
{
    static const char *const rows[][2] = {
        {"identity", "identity"}, {"vendor", "vendor"},
        {"product", "product"},   {"serial", "serial"},
        {"classes", "classes"},   {"USB", "usb_version"},
        {"speed", "speed"},       {"hash", "hash"},
        {"state", "state"},       {"why", "why"},
        {"qube", "client"},       {"mode", "mode"}};
    char text[TEXT_MAX];
    size_t i;
    const json_t *n;

    snprintf(text, sizeof(text), "%s:%s", text_in(answer, "qube"),
             text_in(answer, "port"));
    line("device", text);
    for (i = 0; i < ARRAY_LEN(rows); i++)
        line(rows[i][0], text_in(answer, rows[i][1]));
    json_array_foreach(json_object_get(answer, "numbers"), i, n)
    {
        snprintf(text, sizeof(text), "%lld: u%s %s",
                 (long long)json_integer_value(json_object_get(n, "number")),
                 text_in(n, "code"), text_in(n, "class"));
        line("interface", text);
    }
    show_policies(answer);
}

/* ---- stats ---- */

static const char *number(const json_t *o, const char *name, char buf[24])
{
    snprintf(buf, 24, "%lld",
             (long long)json_integer_value(json_object_get(o, name)));
    return buf;
}

/* "4: bad-length 3, flood 1" */
static const char *refused_cell(const json_t *d, char buf[CLI_CELL_MAX])
{
    int n =
        snprintf(buf, CLI_CELL_MAX, "%lld",
                 (long long)json_integer_value(json_object_get(d, "refused")));
    const char *key, *sep = ": ";
    json_t *v;

    /* jansson's walk over an object takes no const. */
    json_object_foreach(json_object_get(d, "reasons"), key, v)
    {
        if (n < 0 || n >= CLI_CELL_MAX)
            break;
        n += snprintf(buf + n, CLI_CELL_MAX - (size_t)n, "%s%s %lld", sep, key,
                      (long long)json_integer_value(v));
        sep = ", ";
    }
    return buf;
}

static void show_stats(const json_t *answer)
{
    static const char *const heads[] = {"DEVICE", "PRODUCT", "QUBE",
                                        "IN",     "OUT",     "FLIGHT",
                                        "P50 US", "P99 US",  "REFUSED"};
    struct cli_table *t = cli_table_new(heads, ARRAY_LEN(heads));
    size_t i;
    const json_t *d;

    if (!t)
        return;
    json_array_foreach(json_object_get(answer, "devices"), i, d)
    {
        char device[CLI_CELL_MAX], in[24], out[24], flight[24], p50[24];
        char p99[24], refused[CLI_CELL_MAX];

        snprintf(device, sizeof(device), "%s:%s", text_in(d, "qube"),
                 text_in(d, "port"));
        const char *cells[] = {device,
                               text_in(d, "product"),
                               text_in(d, "client"),
                               number(d, "in", in),
                               number(d, "out", out),
                               number(d, "flight", flight),
                               number(d, "p50_us", p50),
                               number(d, "p99_us", p99),
                               refused_cell(d, refused)};
        cli_table_row(t, cells);
    }
    cli_table_print(t, stdout);
    cli_table_free(t);
}

/* ---- attach, detach ---- */

static void show_done(const json_t *answer)
{
    char buf[TEXT_MAX];

    printf("%s %s ", text_in(answer, "device"), text_in(answer, "state"));
    printf("%s %s (%.0f ms)\n",
           strcmp(text_in(answer, "state"), "attached") == 0 ? "to" : "from",
           clean(text_in(answer, "qube"), buf),
           1000.0 * json_real_value(json_object_get(answer, "seconds")));
}

static bool is_wish(const char *word)
{
    return strncmp(word, "interfaces=", 11) == 0 ||
           strncmp(word, "input=", 6) == 0;
}

/* DEVICE may be several words, as names are; wishes stand apart. */
static int attach(struct cli *c, int argc, char **argv)
{
    char device[TEXT_MAX] = "";
    json_t *wishes, *request;
    size_t n = 0;

    if (argc < 2)
        return CLI_USAGE;
    wishes = json_array();
    for (int i = 1; i < argc; i++) {
        if (is_wish(argv[i]))
            json_array_append_new(wishes, json_string(argv[i]));
        else if (n + strlen(argv[i]) + 2 < sizeof(device))
            n += (size_t)snprintf(device + n, sizeof(device) - n, "%s%s",
                                  n ? " " : "", argv[i]);
        else
            n = sizeof(device);
    }
    if (n == 0 || n == sizeof(device)) {
        json_decref(wishes);
        return CLI_USAGE;
    }
    request = json_pack("{s:s,s:s,s:s}", "op", "usb-attach", "qube", argv[0],
                        "device", device);
    if (json_array_size(wishes) > 0)
        json_object_set(request, "words", wishes);
    json_decref(wishes);
    return cli_ask_and_show(c, request, show_done);
}

static int detach(struct cli *c, int argc, char **argv)
{
    if (argc == 1)
        return cli_ask_and_show(
            c, json_pack("{s:s,s:s}", "op", "usb-detach", "device", argv[0]),
            show_done);
    if (argc != 2)
        return CLI_USAGE;
    return cli_ask_and_show(c,
                            json_pack("{s:s,s:s,s:s}", "op", "usb-detach",
                                      "qube", argv[0], "device", argv[1]),
                            show_done);
}

static int list(struct cli *c, int argc, char **argv)
{
    (void)argv;
    return argc ? CLI_USAGE
                : cli_ask_and_show(c, json_pack("{s:s}", "op", "usb-list"),
                                   show_list);
}

static int info(struct cli *c, int argc, char **argv)
{
    if (argc != 1)
        return CLI_USAGE;
    return cli_ask_and_show(
        c, json_pack("{s:s,s:s}", "op", "usb-info", "device", argv[0]),
        show_info);
}

static int stats(struct cli *c, int argc, char **argv)
{
    (void)argv;
    return argc ? CLI_USAGE
                : cli_ask_and_show(c, json_pack("{s:s}", "op", "usb-stats"),
                                   show_stats);
}

/* ---- policy ---- */

static void show_policy(const json_t *answer)
{
    char buf[TEXT_MAX];
    size_t i;
    const json_t *l;

    json_array_foreach(json_object_get(answer, "lines"), i, l)
    {
        printf("%lld: %s\n",
               (long long)json_integer_value(json_object_get(l, "line")),
               clean(text_in(l, "text"), buf));
    }
    if (i == 0)
        printf("no line: every device may be attached by hand\n");
}

static void show_texts(const json_t *answer, const char *name,
                       const char *label)
{
    char buf[TEXT_MAX];
    size_t i;
    const json_t *v;

    json_array_foreach(json_object_get(answer, name), i, v)
        printf("%s%s\n", label,
               clean(json_string_value(v) ? json_string_value(v) : "", buf));
}

static void show_edit(const json_t *answer)
{
    show_texts(answer, "removed", "-");
    show_texts(answer, "added", "+");
    show_texts(answer, "detached", "detached: ");
    if (json_array_size(json_object_get(answer, "removed")) +
            json_array_size(json_object_get(answer, "added")) ==
        0)
        printf("nothing to change\n");
}

static int policy(struct cli *c, int argc, char **argv)
{
    if (argc != 1)
        return CLI_USAGE;
    return cli_ask_and_show(
        c, json_pack("{s:s,s:s}", "op", "usb-policy", "qube", argv[0]),
        show_policy);
}

static int edit(struct cli *c, const char *op, int argc, char **argv)
{
    json_t *words;

    if (argc < 2)
        return CLI_USAGE;
    words = json_array();
    for (int i = 1; i < argc; i++)
        json_array_append_new(words, json_string(argv[i]));
    return cli_ask_and_show(
        c,
        json_pack("{s:s,s:s,s:o}", "op", op, "qube", argv[0], "words", words),
        show_edit);
}

static int deny(struct cli *c, int argc, char **argv)
{
    return edit(c, "usb-deny", argc, argv);
}

static int allow(struct cli *c, int argc, char **argv)
{
    return edit(c, "usb-allow", argc, argv);
}

static int assign(struct cli *c, int argc, char **argv)
{
    return argc < 3 ? CLI_USAGE : edit(c, "usb-assign", argc, argv);
}

static int unassign(struct cli *c, int argc, char **argv)
{
    return edit(c, "usb-unassign", argc, argv);
}

int cli_usb(struct cli *c, int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(struct cli *c, int argc, char **argv);
    } subs[] = {{"list", list},        {"info", info},     {"stats", stats},
                {"attach", attach},    {"detach", detach}, {"policy", policy},
                {"deny", deny},        {"allow", allow},   {"assign", assign},
                {"unassign", unassign}};

    for (size_t i = 0; argc > 0 && i < ARRAY_LEN(subs); i++) {
        if (strcmp(argv[0], subs[i].name) == 0)
            return subs[i].run(c, argc - 1, argv + 1);
    }
    return CLI_USAGE;
}
