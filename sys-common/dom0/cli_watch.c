/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysqube firewall top, log and list --counters: what the firewalls count
 * and block, once or until the reader has enough. effect (standard output).
 * Fed by sysqubed; texts that began in a VM were parsed there, and are
 * cleaned by the table or here. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dom0/cli.h"
#include "dom0/cli_table.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mem.h"

#define EVERY_MS 1000
/* A firewall that was not watched counts every ten seconds; told to, it
 * answers within two. */
#define FRESH_MS 2000
#define CLEAR_SCREEN "\033[H\033[2J"

static const char *text_in(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

static long long number_in(const json_t *o, const char *name)
{
    return (long long)json_integer_value(json_object_get(o, name));
}

static json_t *request(const char *op, char **names, int n)
{
    json_t *a = json_array();

    for (int i = 0; i < n; i++)
        json_array_append_new(a, json_string(names[i]));
    return json_pack("{s:s,s:o}", "op", op, "names", a);
}

static void wait_ms(unsigned ms)
{
    const struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

    (void)nanosleep(&t, NULL);
}

/* "1234", "56.7k", "8.90M": four places at most. */
static const char *short_number(long long n, char buf[16])
{
    static const char units[] = " kMGTPE";
    double v = (double)n;
    unsigned u = 0;

    while (v >= 999.5 && u < sizeof(units) - 2) {
        v /= 1000;
        u++;
    }
    if (u == 0)
        snprintf(buf, 16, "%lld", n);
    else
        snprintf(buf, 16, "%.*f%c",
                 v < 9.995   ? 2
                 : v < 99.95 ? 1
                             : 0,
                 v, units[u]);
    return buf;
}

/* ---- top ---- */

/* The same qube in the answer before; NULL. */
static const json_t *find_qube(const json_t *answer, const json_t *q)
{
    size_t i;
    const json_t *v;

    json_array_foreach(json_object_get(answer, "qubes"), i, v)
    {
        if (!strcmp(text_in(v, "qube"), text_in(q, "qube")) &&
            !strcmp(text_in(v, "firewall"), text_in(q, "firewall")))
            return v;
    }
    return NULL;
}

/* Bytes a second since the answer before, "" without one. */
static const char *rate(const json_t *q, const json_t *was, uint64_t ms,
                        char buf[16])
{
    long long n = number_in(q, "passed_bytes") - number_in(was, "passed_bytes");

    buf[0] = '\0';
    if (was && ms > 0 && n >= 0)
        short_number(n * 1000 / (long long)ms, buf);
    return buf;
}

/* The worst of its lists. */
static const char *status_of(const json_t *q)
{
    const char *key, *worst = "";
    json_t *v;

    /* jansson's walk over an object takes no const. */
    json_object_foreach(json_object_get(q, "status"), key, v)
    {
        const char *s = json_string_value(v);

        if (s && (!worst[0] || strncmp(s, "applied", 7) != 0))
            worst = s;
    }
    return worst;
}

static void add_qube_row(struct cli_table *t, const json_t *q,
                         const json_t *was, uint64_t ms)
{
    static const char *const members[] = {"passed_packets", "passed_bytes",
                                          "blocked_packets", "flows"};
    char cell[4][16] = {{0}}, per_second[16];

    for (size_t i = 0; i < 4 && json_is_true(json_object_get(q, "counted"));
         i++)
        short_number(number_in(q, members[i]), cell[i]);
    const char *row[] = {
        text_in(q, "qube"),
        text_in(q, "firewall"),
        cell[0],
        cell[1],
        cell[2],
        cell[3],
        rate(q, was, ms, per_second),
        status_of(q),
    };
    cli_table_row(t, row);
}

static void show_qubes(const json_t *answer, const json_t *was, uint64_t ms)
{
    static const char *const heads[] = {"QUBE",    "FIREWALL", "PACKETS",
                                        "BYTES",   "BLOCKED",  "FLOWS",
                                        "BYTES/S", "LIST"};
    struct cli_table *t = cli_table_new(heads, ARRAY_LEN(heads));
    size_t i;
    const json_t *q;

    if (!t)
        return;
    json_array_foreach(json_object_get(answer, "qubes"), i, q)
        add_qube_row(t, q, find_qube(was, q), ms);
    cli_table_print(t, stdout);
    cli_table_free(t);
}

static void add_rule_row(struct cli_table *t, const char *no, const json_t *c,
                         const char *text)
{
    char packets[16], bytes[16];
    const char *row[] = {no, short_number(number_in(c, "packets"), packets),
                         short_number(number_in(c, "bytes"), bytes), text};

    cli_table_row(t, row);
}

static void show_rules(const json_t *q)
{
    static const char *const heads[] = {"NO", "PACKETS", "BYTES", "RULE"};
    struct cli_table *t = cli_table_new(heads, ARRAY_LEN(heads));
    size_t i;
    const json_t *r;

    if (!t)
        return;
    json_array_foreach(json_object_get(q, "rules"), i, r)
    {
        char no[24];
        const char *text = text_in(r, "rule");

        snprintf(no, sizeof(no), "%lld", number_in(r, "number"));
        add_rule_row(t, no, r, text[0] ? text : "action=accept");
    }
    add_rule_row(t, "", json_object_get(q, "policy"), "policy: drop");
    printf("\n%s in %s\n", text_in(q, "qube"), text_in(q, "firewall"));
    cli_table_print(t, stdout);
    cli_table_free(t);
}

static void show_top(const json_t *answer, const json_t *was, uint64_t ms,
                     bool rules)
{
    size_t i;
    const json_t *q;

    show_qubes(answer, was, ms);
    if (!rules)
        return;
    json_array_foreach(json_object_get(answer, "qubes"), i, q) show_rules(q);
}

/* One line, so that a program can read one after the other. */
static void show_json_line(const json_t *o)
{
    CLEANUP_FREE char *s =
        json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);

    if (s)
        puts(s);
}

static int top_once(struct cli *c, char **names, int n)
{
    json_t *answer;
    int r = cli_ask(c, request("firewall-counts", names, n), &answer);

    if (r)
        return r;
    json_decref(answer);
    wait_ms(FRESH_MS);
    r = cli_ask(c, request("firewall-counts", names, n), &answer);
    if (r)
        return r;
    if (c->json)
        cli_show_json(answer);
    else
        show_top(answer, NULL, 0, n > 0);
    json_decref(answer);
    return 0;
}

int cli_top(struct cli *c, char **names, int n, bool once)
{
    json_t *was = NULL, *answer;
    uint64_t was_ms = 0;
    bool screen = isatty(STDOUT_FILENO) && !c->json;
    int r;

    if (once)
        return top_once(c, names, n);
    while (!(r = cli_ask(c, request("firewall-counts", names, n), &answer))) {
        uint64_t now = io_now_ms();

        if (screen)
            fputs(CLEAR_SCREEN, stdout);
        if (c->json)
            show_json_line(answer);
        else
            show_top(answer, was, now - was_ms, n > 0);
        json_decref(was);
        was = answer;
        was_ms = now;
        if (fflush(stdout))
            break; /* the reader has gone */
        wait_ms(EVERY_MS);
    }
    json_decref(was);
    return r;
}

int cli_counters(struct cli *c, char *qube)
{
    return top_once(c, &qube, 1);
}

/* ---- log ---- */

/* A name beside an address, if it has one. */
static void show_end(const json_t *e, const char *addr, const char *name)
{
    const char *qube = text_in(e, name);

    printf(" %s%s%s%s", text_in(e, addr), qube[0] ? " (" : "", qube,
           qube[0] ? ")" : "");
}

static void show_event(const json_t *e)
{
    const json_t *port = json_object_get(e, "port");
    const json_t *number = json_object_get(e, "number");
    const char *proto = text_in(e, "proto"), *rule = text_in(e, "rule");
    time_t at = (time_t)number_in(e, "time");
    char when[32] = "?";
    struct tm tm;

    if (localtime_r(&at, &tm))
        strftime(when, sizeof(when), "%F %T", &tm);
    fputs(when, stdout);
    show_end(e, "source", "qube");
    fputs(" ->", stdout);
    show_end(e, "destination", "to");
    printf(" %s", proto);
    if (json_is_integer(port))
        printf(" %s%lld", strcmp(proto, "icmp") ? "" : "type ",
               (long long)json_integer_value(port));
    printf(": %s", text_in(e, "reason"));
    if (json_is_integer(number))
        printf(" %lld%s%s", (long long)json_integer_value(number),
               rule[0] ? ": " : "", rule);
    putchar('\n');
}

/* The last event that was shown of one firewall. One that begins anew (it
 * was started again) has lower numbers. */
static long long last_of(json_t *last, const char *firewall, const json_t *all)
{
    long long seen = number_in(last, firewall), top = 0;
    size_t i;
    const json_t *e;

    json_array_foreach(json_object_get(all, "events"), i, e)
    {
        if (!strcmp(text_in(e, "firewall"), firewall) &&
            number_in(e, "seq") > top)
            top = number_in(e, "seq");
    }
    return top < seen ? 0 : seen;
}

static void show_new(const struct cli *c, const json_t *answer, json_t *last,
                     bool follow)
{
    json_t *from = json_object();
    size_t i;
    const json_t *e;

    json_array_foreach(json_object_get(answer, "events"), i, e)
    {
        const char *fw = text_in(e, "firewall");
        long long seq = number_in(e, "seq"), seen;

        if (!json_object_get(from, fw))
            json_object_set_new(from, fw,
                                json_integer(last_of(last, fw, answer)));
        seen = number_in(from, fw);
        if (seq <= seen)
            continue;
        if (seen && seq > seen + 1 && follow && !c->json)
            printf("(%lld more in %s)\n", seq - seen - 1, fw);
        json_object_set_new(from, fw, json_integer(seq));
        json_object_set_new(last, fw, json_integer(seq));
        if (c->json)
            show_json_line(e);
        else
            show_event(e);
    }
    json_decref(from);
}

int cli_log(struct cli *c, char **names, int n, bool follow)
{
    json_t *last = json_object(), *answer;
    int r;

    while (!(r = cli_ask(c, request("firewall-log", names, n), &answer))) {
        show_new(c, answer, last, follow && n == 0);
        json_decref(answer);
        if (fflush(stdout) || !follow)
            break;
        wait_ms(EVERY_MS);
    }
    json_decref(last);
    return r;
}
