/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Firewall requests. effect. See rules_edit.h. */
#include "dom0/rules_edit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/section.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/mem.h"
#include "rules/rule_list.h"
#include "rules/rule_parse.h"

static int refuse(struct manager_error *e, const char *qube, const char *step,
                  const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

static int refuse(struct manager_error *e, const char *qube, const char *step,
                  const char *hint, const char *fmt, ...)
{
    va_list ap;

    *e = (struct manager_error){.step = step};
    snprintf(e->qube, sizeof(e->qube), "%s", qube);
    snprintf(e->hint, sizeof(e->hint), "%s", hint);
    va_start(ap, fmt);
    vsnprintf(e->message, sizeof(e->message), fmt, ap);
    va_end(ap);
    return -EINVAL;
}

static int current_list(const struct config_qube *q, struct rule_list *ret)
{
    static const struct fw_rule accept = {.m = {.action = FW_ACCEPT}};
    int r = q->has_firewall ? 0 : rule_list_append(ret, &accept);

    for (size_t i = 0; !r && i < q->n_rules; i++)
        r = rule_list_append(ret, &q->rules[i].rule);
    return r;
}

static int parse_words(const struct request *r, uint64_t now_s,
                       struct fw_rule *ret, struct manager_error *e)
{
    struct rule_error why;

    if (!rule_parse_args(r->n_words, r->words, now_s, ret, &why))
        return 0;
    return refuse(e, r->qube, "read the rule",
                  "as in: accept proto=tcp dst4=192.0.2.1 dstports=443 "
                  "(man sysqube, RULES)",
                  "%s, at word %u '%.60s'", why.reason, why.column,
                  why.column >= 1 && why.column <= (unsigned)r->n_words
                      ? r->words[why.column - 1]
                      : "");
}

/* A rule above that means every packet the new one could mean. */
static int64_t hidden_by(const struct rule_list *l, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        const struct fw_match *m = &l->v[i].m;

        if (m->dst_kind == FW_DST_ANY && m->proto == FW_PROTO_ANY && !m->dns &&
            !m->has_ports && !m->has_icmptype && !l->v[i].has_expire)
            return (int64_t)i;
    }
    return -1;
}

static int edit_add(const struct request *r, uint64_t now_s,
                    struct rule_list *l, struct rules_edit *ret,
                    struct manager_error *e)
{
    size_t at = r->has_number ? r->number : l->n;
    struct fw_rule rule;
    int k = parse_words(r, now_s, &rule, e);

    if (k)
        return k;
    if (at > l->n)
        return refuse(e, r->qube, "find the rule", "sysqube firewall list",
                      "there is no rule number %zu; expected 0 to %zu", at,
                      l->n);
    k = l->n >= CONFIG_RULES_MAX ? -ENOBUFS : rule_list_insert(l, at, &rule);
    if (k == -ENOBUFS)
        return refuse(e, r->qube, "add the rule",
                      "join rules into networks "
                      "or port ranges",
                      "the list has %d rules already", CONFIG_RULES_MAX);
    ret->hidden_by = hidden_by(l, at);
    return k;
}

static int edit_del(const struct request *r, uint64_t now_s,
                    struct rule_list *l, struct manager_error *e)
{
    struct fw_rule rule;
    int at = (int)r->number;

    if (!r->has_number) {
        int k = parse_words(r, now_s, &rule, e);

        if (k)
            return k;
        at = rule_list_find(l, &rule);
    }
    if (at < 0 || (size_t)at >= l->n)
        return refuse(e, r->qube, "find the rule", "sysqube firewall list",
                      "there is no such rule in the list of %zu", l->n);
    return rule_list_del(l, (size_t)at);
}

static int edit_list(const struct config_qube *q, const struct request *r,
                     uint64_t now_s, struct rule_list *l,
                     struct rules_edit *ret, struct manager_error *e)
{
    static const struct fw_rule accept = {.m = {.action = FW_ACCEPT}};
    int k;

    if (r->op == REQ_FW_RESET)
        return rule_list_append(l, &accept);
    k = current_list(q, l);
    if (k)
        return k;
    return r->op == REQ_FW_ADD ? edit_add(r, now_s, l, ret, e)
                               : edit_del(r, now_s, l, e);
}

/* Rewrites the file and reads everything again; puts the old text back if
 * the whole is not accepted. */
static int store(struct manager *m, const char *file, const struct rule_list *l,
                 struct manager_error *e, const char *qube, struct problems *p)
{
    CLEANUP_FREE char *old = NULL;
    CLEANUP_FREE char *text = NULL;
    size_t old_len, len;
    int r = io_read_file(file, CONFIG_FILE_MAX, &old, &old_len);

    if (!r)
        r = section_rewrite((struct text){old, old_len}, l, &text, &len);
    if (!r)
        r = io_write_file(file, text, len, 0644);
    if (r) {
        (void)refuse(e, qube, "store the rules", "look at the file", "%s: %s",
                     file, err_text(r));
        return r;
    }
    r = manager_reload(m, false, p);
    if (r)
        (void)io_write_file(file, old, old_len, 0644);
    return r;
}

static void note_sources(const struct manager *m, size_t up,
                         const struct keyset *old, struct rules_edit *ret)
{
    char ips[JOB_SOURCES_MAX][IPADDR_TEXT_MAX];
    struct keyset now = {0};

    if (!manager_desired(m, up, &now))
        ret->n_src = keys_changed_sources(old, &now, ips, JOB_SOURCES_MAX);
    keyset_free(&now);
    for (size_t i = 0; i < ret->n_src; i++) {
        char path[QDB_REC_PATH * 2];
        const char *n;

        snprintf(path, sizeof(path), "/qubes-firewall-handled/%.45s", ips[i]);
        n = manager_status(m, up, path);
        snprintf(ret->src[i].ip, sizeof(ret->src[i].ip), "%.45s", ips[i]);
        snprintf(ret->src[i].before, sizeof(ret->src[i].before), "%s",
                 n ? n : "");
    }
    ret->pushed = ret->n_src > 0 && m->qubes[up]->state == QUBE_RUNNING;
}

int rules_edit(struct manager *m, const struct request *r, uint64_t now_s,
               struct rules_edit *ret, struct manager_error *err,
               struct problems *p)
{
    struct rules_edit out = {.hidden_by = -1};
    struct rule_list list = {0};
    struct keyset old = {0};
    char *file = NULL;
    int k = manager_reload(m, false, p), i, up;

    if (k)
        return k;
    i = manager_find(m, r->qube);
    if (i < 0)
        return refuse(err, r->qube, "find the qube", "sysqube status",
                      "there is no qube of this name");
    up = manager_netvm(m, (size_t)i);
    if (up < 0 || m->cfg.qubes[up]->kind != KIND_FIREWALLVM)
        return refuse(err, r->qube, "find its firewall",
                      "set NetVM= to a qube of kind firewallvm",
                      "no firewall would enforce rules of this qube");
    k = edit_list(m->cfg.qubes[i], r, now_s, &list, &out, err);
    if (!k)
        k = manager_desired(m, (size_t)up, &old);
    if (!k) {
        file = strdup(m->cfg.qubes[i]->file); /* freed by the reload */
        k = file ? store(m, file, &list, err, r->qube, p) : -ENOMEM;
        free(file);
    }
    rule_list_free(&list);
    if (!k) {
        up = manager_netvm(m, (size_t)manager_find(m, r->qube));
        note_sources(m, (size_t)up, &old, &out);
        *ret = out;
    }
    keyset_free(&old);
    return k;
}
