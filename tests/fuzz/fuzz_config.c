/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzzes dom0's text parsers: a qube's file with all checks, plan and keys,
 * the rewriting of its [Firewall] section (whose result must parse to the
 * same rules) and of its other lines, a rule list, the daemon's file, the
 * saved numbers and a request line. The first byte chooses. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/fw_profile.h"
#include "dom0/keys.h"
#include "dom0/plan.h"
#include "dom0/request.h"
#include "dom0/section.h"
#include "dom0/section_lines.h"
#include "rules/rule_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rewrite(struct text t, const struct config_qube *q,
                    const struct config_daemon *d)
{
    struct fw_items list = {0};
    struct problems p = {0};
    struct config_qube *again = NULL;
    char *out = NULL;
    size_t len;

    for (size_t i = 0; i < q->n_rules; i++) {
        struct fw_item item = {.rule = q->rules[i].rule};

        if (fw_items_insert(&list, 0, &item))
            abort();
    }
    if (section_rewrite(t, &list, &out, &len))
        abort();
    if (config_parse_qube((struct text){out, len}, "f", "q", d, &again, &p))
        abort();
    if (again->n_rules != q->n_rules)
        abort();
    for (size_t i = 0; i < list.n; i++) {
        if (!rule_eq(&list.v[i].rule, &again->rules[i].rule))
            abort();
    }
    config_qube_free(again);
    problems_free(&p);
    fw_items_free(&list);
    free(out);
}

/* The [USB] section with its lines taken out and another put in. */
static void rewrite_usb(struct text t, const struct config_qube *q,
                        const struct config_daemon *d)
{
    unsigned drop[USB_LINES_MAX + USB_ASSIGNS_MAX];
    struct problems p = {0};
    struct config_qube *again = NULL;
    char *out = NULL;
    size_t n = 0, len;

    for (size_t i = 0; i < q->usb.n_lines; i++)
        drop[n++] = q->usb.lines[i].line;
    for (size_t i = 0; i < q->usb.n_assigns; i++)
        drop[n++] = q->usb.assigns[i].line;
    if (section_lines_edit(t, "[USB]", drop, n, "Deny=*", &out, &len))
        abort();
    if (config_parse_qube((struct text){out, len}, "f", "q", d, &again, &p) ||
        again->usb.n_lines != 1 || again->usb.n_assigns != 0 ||
        again->n_rules != q->n_rules)
        abort();
    config_qube_free(again);
    problems_free(&p);
    free(out);
}

/* Forward= and Reach= lines: out they go, one comes in. */
static void rewrite_paths(struct text t, const struct config_qube *q,
                          const struct config_daemon *d)
{
    unsigned drop[CONFIG_FORWARDS_MAX + CONFIG_REACH_MAX];
    struct problems p = {0};
    struct config_qube *again = NULL;
    char value[CONFIG_PATH_TEXT_MAX], line[CONFIG_PATH_TEXT_MAX + 16];
    char *out = NULL;
    size_t n = 0, len;

    if (!q->n_forwards)
        return;
    for (size_t i = 0; i < q->n_forwards; i++)
        drop[n++] = q->forwards[i].line;
    for (size_t i = 0; i < q->n_reach; i++)
        drop[n++] = q->reach[i].line;
    snprintf(line, sizeof(line), "Forward=%s",
             config_forward_text(&q->forwards[0], value));
    if (section_lines_edit(t, "[Firewall]", drop, n, line, &out, &len))
        abort();
    if (config_parse_qube((struct text){out, len}, "f", "q", d, &again, &p) ||
        again->n_forwards != 1 || again->n_reach != 0 ||
        again->n_rules != q->n_rules ||
        again->forwards[0].uplink_port != q->forwards[0].uplink_port ||
        again->forwards[0].port != q->forwards[0].port)
        abort();
    config_qube_free(again);
    problems_free(&p);
    free(out);
}

static void keys(struct config *c)
{
    struct keys_run run[1] = {{true, true, 1, 0}};
    struct keys_world w = {.cfg = c, .run = run, .netns = true};
    struct keyset s = {0};

    (void)keys_desired(&w, 0, &s);
    keyset_free(&s);
}

static void qube_file(struct text t)
{
    struct config c = {0};
    struct problems p = {0};
    struct plan_ids ids = {0};
    struct config_qube *q;
    bool changed;
    int r;

    config_daemon_defaults(&c.d);
    r = config_parse_qube(t, "f", "q", &c.d, &q, &p);
    if (!r)
        rewrite(t, q, &c.d);
    if (!r)
        rewrite_usb(t, q, &c.d);
    if (!r)
        rewrite_paths(t, q, &c.d);
    if (config_add(&c, q))
        abort();
    (void)fw_profile_expand(&c, &p);
    (void)plan_resolve(&c, &ids, &changed, &p);
    (void)config_check(&c, &p);
    problems_sort(&p);
    if (!problems_count(&p))
        keys(&c);
    plan_ids_free(&ids);
    problems_free(&p);
    config_free(&c);
}

/* A rule list: what was read and written again is the same list. */
static void list_file(struct text t)
{
    struct fw_items l = {0}, again = {0};
    struct problems p = {0};
    char *out = NULL;

    if (!fw_items_parse(t, "l", 1000, &l, &p)) {
        out = fw_items_format(&l);
        if (!out || fw_items_parse(text_of(out), "l", 0, &again, &p) ||
            !fw_items_eq(&l, &again))
            abort();
    }
    free(out);
    fw_items_free(&l);
    fw_items_free(&again);
    problems_free(&p);
}

static void daemon_file(struct text t)
{
    struct config_daemon d;
    struct problems p = {0};

    config_daemon_defaults(&d);
    (void)config_parse_daemon(t, "d", &d, &p);
    problems_free(&p);
}

static void ids_file(struct text t)
{
    struct plan_ids ids = {0}, again = {0};
    char *out;

    if (plan_ids_parse(t, &ids))
        return;
    out = plan_ids_format(&ids);
    if (!out || plan_ids_parse(text_of(out), &again) || again.n != ids.n)
        abort();
    free(out);
    plan_ids_free(&ids);
    plan_ids_free(&again);
}

static void request_line(struct text t)
{
    char why[REQUEST_WHY_MAX];
    struct request r;

    if (!request_parse(t, &r, why))
        request_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const targets[])(struct text t) = {
        qube_file, list_file, daemon_file, ids_file, request_line};
    struct text t;

    if (size < 1 || size > 20000)
        return 0;
    t = (struct text){(const char *)data + 1, size - 1};
    targets[data[0] % 5](t);
    return 0;
}
