/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers of sysqubed for a person's eyes. effect (standard output). See
 * cli.h. */
#include "dom0/cli.h"

#include <stdio.h>
#include <string.h>

#include "dom0/cli_table.h"
#include "lib/log.h"
#include "lib/mem.h"

#define SHOW_TEXT_MAX 512

/* A text member, "" when it is missing or of another type. */
static const char *text_in(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

/* A number member as text, "" when it is none. */
static const char *number_in(const json_t *o, const char *name, char *buf,
                             size_t cap)
{
    const json_t *v = json_object_get(o, name);

    buf[0] = '\0';
    if (json_is_integer(v))
        snprintf(buf, cap, "%lld", (long long)json_integer_value(v));
    return buf;
}

void cli_show_json(const json_t *answer)
{
    CLEANUP_FREE char *s = json_dumps(
        answer, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);

    if (s)
        puts(s);
}

static void complain(const char *label, const char *text)
{
    char clean[SHOW_TEXT_MAX];

    if (text[0])
        fprintf(stderr, "%s%s\n", label,
                log_clean(clean, sizeof(clean), text, strlen(text)));
}

void cli_show_error(const json_t *answer)
{
    const json_t *e = json_object_get(answer, "error");
    const char *qube = text_in(e, "qube"), *step = text_in(e, "step");
    char where[SHOW_TEXT_MAX] = "";

    if (qube[0] && step[0])
        snprintf(where, sizeof(where), "sysqube: %.64s: %.64s: ", qube, step);
    else
        snprintf(where, sizeof(where), "sysqube: %.64s%s",
                 qube[0] ? qube : step, qube[0] || step[0] ? ": " : "");
    complain(where, text_in(e, "message"));
    complain("  next: ", text_in(e, "hint"));
    size_t i;
    const json_t *v;
    json_array_foreach(json_object_get(e, "problems"), i, v)
    {
        char at[SHOW_TEXT_MAX];
        const char *file = text_in(v, "file");
        long long line = json_integer_value(json_object_get(v, "line"));
        long long col = json_integer_value(json_object_get(v, "column"));
        snprintf(at, sizeof(at), "  %.200s%s%lld: ", file, file[0] ? ":" : "",
                 line);
        if (col > 0)
            snprintf(at, sizeof(at), "  %.200s%s%lld:%lld: ", file,
                     file[0] ? ":" : "", line, col);
        complain(at, text_in(v, "message"));
    }
    json_array_foreach(json_object_get(e, "warnings"), i, v) complain(
        "  warning: ", json_string_value(v) ? json_string_value(v) : "");
}

void cli_show_done(const json_t *answer)
{
    char clean[SHOW_TEXT_MAX];
    const char *key, *note = text_in(answer, "note");
    size_t i;
    json_t *v;

    json_array_foreach(json_object_get(answer, "warnings"), i, v)
        complain("warning: ", json_string_value(v) ? json_string_value(v) : "");
    /* jansson's walk over an object takes no const. */
    json_object_foreach(json_object_get(answer, "applied"), key, v)
    {
        const char *s = json_string_value(v) ? json_string_value(v) : "";
        printf("%s: %s\n", key, log_clean(clean, sizeof(clean), s, strlen(s)));
    }
    v = json_object_get(answer, "hidden_by");
    if (json_is_integer(v))
        fprintf(stderr,
                "warning: rule %lld already decides what this rule would\n",
                (long long)json_integer_value(v));
    if (note[0])
        puts(log_clean(clean, sizeof(clean), note, strlen(note)));
}

/* ---- status ---- */

/* "USED/TOTAL MiB" of {"used_kib","total_kib"}. */
static void memory_cell(const json_t *v, char *buf, size_t cap)
{
    buf[0] = '\0';
    if (json_is_object(v))
        snprintf(
            buf, cap, "%lld/%lld MiB",
            (long long)json_integer_value(json_object_get(v, "used_kib")) /
                1024,
            (long long)json_integer_value(json_object_get(v, "total_kib")) /
                1024);
}

/* What the firewall above says about the qube: the worst of its addresses. */
static const char *rules_of(const json_t *q)
{
    static char const applied[] = "applied";
    const char *key, *worst = "";
    json_t *v;

    /* jansson's walk over an object takes no const. */
    json_object_foreach(json_object_get(q, "firewall"), key, v)
    {
        const char *s = json_string_value(v);
        if (s && (!worst[0] || strncmp(s, applied, sizeof(applied) - 1) != 0))
            worst = s;
    }
    return worst;
}

/* What says most about a qube: trouble before what is well. */
static const char *state_of(const json_t *q, const char **ret_label)
{
    static const char *const first[] = {"trouble", "waiting_for", "died"};
    const json_t *status = json_object_get(q, "status");
    const char *s = text_in(json_object_get(q, "error"), "message");

    *ret_label = "";
    for (size_t i = 0; !s[0] && i < ARRAY_LEN(first); i++)
        s = text_in(q, first[i]);
    if (s[0])
        return s;
    *ret_label = "uplink ";
    s = text_in(status, "/sysqube-status/uplink");
    if (s[0])
        return s;
    *ret_label = "rules ";
    s = rules_of(q);
    if (s[0])
        return s;
    *ret_label = "usb ";
    s = text_in(status, "/sysqube-status/usb");
    if (s[0])
        return s;
    *ret_label = "";
    return text_in(status, "/sysqube-status/agent");
}

static void detail_cell(const json_t *q, char *buf, size_t cap)
{
    const json_int_t forged = json_integer_value(json_object_get(q, "spoofed"));
    const char *label, *s = state_of(q, &label);
    int n = snprintf(buf, cap, "%s%s", s[0] ? label : "", s);

    if (forged > 0 && n >= 0 && (size_t)n < cap)
        snprintf(buf + n, cap - (size_t)n, "%s%lld forged packets dropped",
                 n ? "; " : "", (long long)forged);
}

void cli_show_status(const json_t *answer)
{
    static const char *const heads[] = {"NAME",  "KIND",    "STATE",  "DOMID",
                                        "NETVM", "ADDRESS", "MEMORY", "DETAIL"};
    struct cli_table *t = cli_table_new(heads, ARRAY_LEN(heads));
    size_t i;
    const json_t *q;

    if (!t)
        return;
    json_array_foreach(json_object_get(answer, "qubes"), i, q)
    {
        char domid[24], memory[48], detail[CLI_CELL_MAX];
        detail_cell(q, detail, sizeof(detail));
        memory_cell(json_object_get(q, "memory"), memory, sizeof(memory));
        const char *cells[] = {
            text_in(q, "name"),
            text_in(q, "kind"),
            text_in(q, "state"),
            number_in(q, "domid", domid, sizeof(domid)),
            text_in(q, "netvm"),
            text_in(q, "address"),
            memory,
            detail,
        };
        cli_table_row(t, cells);
    }
    cli_table_print(t, stdout);
    cli_table_free(t);
}

/* ---- rules ---- */

void cli_show_rules(const json_t *answer)
{
    static const char *const heads[] = {
        "NO",      "ACTION",         "HOST",      "PROTOCOL",
        "PORT(S)", "SPECIAL TARGET", "ICMP TYPE", "EXPIRE",
        "COMMENT", "PROFILE"};
    struct cli_table *t = cli_table_new(heads, ARRAY_LEN(heads));
    size_t i;
    const json_t *r;

    if (!t)
        return;
    json_array_foreach(json_object_get(answer, "rules"), i, r)
    {
        char no[24], expire[24];
        const char *row[] = {
            number_in(r, "number", no, sizeof(no)),
            text_in(r, "action"),
            text_in(r, "host"),
            text_in(r, "proto"),
            text_in(r, "ports"),
            text_in(r, "special"),
            text_in(r, "icmptype"),
            number_in(r, "expire", expire, sizeof(expire)),
            text_in(r, "comment"),
            text_in(r, "profile"),
        };
        cli_table_row(t, row);
    }
    cli_table_print(t, stdout);
    cli_table_free(t);
}

/* As it is stored: what `firewall apply` takes. */
void cli_show_rules_raw(const json_t *answer)
{
    fputs(text_in(answer, "stored"), stdout);
}

/* ---- check ---- */
void cli_show_problems(const struct problems *p, size_t qubes)
{
    char line[PROBLEM_TEXT_MAX + 256];
    size_t n = problems_count(p);

    for (size_t i = 0; i < p->n; i++)
        fprintf(stderr, "%s\n", problems_line(&p->v[i], line, sizeof(line)));
    if (n == 0)
        printf("%zu qubes, no mistakes\n", qubes);
    else
        fprintf(stderr, "%zu mistake%s: nothing would be started\n", n,
                n == 1 ? "" : "s");
}

void cli_show_problems_json(const struct problems *p)
{
    json_t *a = json_array();

    for (size_t i = 0; i < p->n; i++)
        json_array_append_new(
            a, json_pack("{s:s?,s:i,s:i,s:s}", "file", p->v[i].file, "line",
                         (int)p->v[i].line, "column", (int)p->v[i].column,
                         "message", p->v[i].text));
    json_t *all = json_pack("{s:b,s:i,s:o}", "ok", problems_count(p) == 0,
                            "count", (int)problems_count(p), "problems", a);
    cli_show_json(all);
    json_decref(all);
}
