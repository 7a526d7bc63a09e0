/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysqube firewall explain: which rule decides a connection. effect (files,
 * standard output). Fed by the administrator; what the firewall VM says comes
 * through sysqubed, if that runs, and is cleaned before it is shown. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "dom0/cli.h"
#include "dom0/config_load.h"
#include "dom0/fw_explain.h"
#include "dom0/fw_profile.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "rules/rule_format.h"
#include "rules/rule_lower.h"

/* What a firewall VM says; null when sysqubed is silent. */
static json_t *fetch_status(const struct cli *c, const char *name)
{
    struct cli_call call = {.socket = c->call.socket, .quiet = true};
    json_t *answer = NULL, *status = NULL;

    if (!cli_call(&call, json_pack("{s:s,s:s}", "op", "keys", "qube", name),
                  &answer))
        status = json_object_get(json_object_get(answer, "ok"), "status");
    status = status ? json_incref(status) : json_null();
    json_decref(answer);
    return status;
}

/* Each is asked once. */
struct statuses {
    const struct cli *c;
    json_t *by_name;
};

static const char *status_of(void *arg, const struct config_qube *fw,
                             const char *path)
{
    struct statuses *s = arg;
    const json_t *one = json_object_get(s->by_name, fw->name);

    if (!one) {
        json_object_set_new(s->by_name, fw->name, fetch_status(s->c, fw->name));
        one = json_object_get(s->by_name, fw->name);
    }
    return json_string_value(json_object_get(one, path));
}

/* ---- to JSON ---- */

static json_t *address_json(bool has, const struct ipaddr *a)
{
    char text[IPADDR_TEXT_MAX];

    return has && a->family ? json_string(ipaddr_format(a, text)) : json_null();
}

static json_t *rule_json(const struct config_qube *q, size_t number)
{
    static const struct fw_rule accept = {.m = {.action = FW_ACCEPT}};
    const struct config_rule *r = NULL;
    char text[FW_TEXT_MAX];

    if (number == FW_NO_RULE)
        return json_null();
    if (number < q->n_rules)
        r = &q->rules[number];
    if (rule_format_api(r ? &r->rule : &accept, text, sizeof(text)) < 0)
        return json_null();
    return json_pack("{s:I,s:s,s:b,s:s?}", "number", (json_int_t)number, "rule",
                     text, "implicit", !r, "profile",
                     r && r->from ? r->from->name : NULL);
}

static json_t *passed_json(const struct fw_answer *a)
{
    json_t *list = json_array();

    for (size_t i = 0; i < a->n_missed; i++) {
        json_t *o = rule_json(a->list, i);

        json_object_set_new(o, "why", json_string(fw_miss_text(a->missed[i])));
        json_array_append_new(list, o);
    }
    return list;
}

static const char *const PROTOS[] = {"any", "tcp", "udp", "icmp"};

/* "untrusted tcp 80-90", as in the qube's file. */
static json_t *reach_json(const struct fw_answer *a)
{
    const struct config_reach *e = a->reach;
    char text[CONFIG_NAME_MAX + 32], ports[16] = "";

    if (a->why != FW_BY_REACH)
        return json_null();
    if (e->has_ports && e->port_first == e->port_last)
        snprintf(ports, sizeof(ports), " %u", e->port_first);
    else if (e->has_ports)
        snprintf(ports, sizeof(ports), " %u-%u", e->port_first, e->port_last);
    snprintf(text, sizeof(text), "%s %s%s", e->name, PROTOS[e->proto], ports);
    return json_string(text);
}

static json_t *answer_json(const struct fw_answer *a)
{
    const char *verdict = a->action == FW_ACCEPT ? "accept" : "drop";

    return json_pack(
        "{s:o,s:o,s:s,s:s,s:s?,s:s?,s:o,s:b,s:o,s:o,s:s?,s:o,s:s?,s:o}",
        "source", address_json(true, &a->src), "destination",
        address_json(a->has_dst, &a->dst), "verdict",
        a->depends ? "depends" : verdict, "because", fw_because_name(a->why),
        "firewall", a->firewall ? a->firewall->name : NULL, "list",
        a->list ? a->list->name : NULL, "rule", rule_json(a->list, a->rule),
        "name_unknown", a->shut, "unless", rule_json(a->list, a->maybe),
        "expired", rule_json(a->list, a->expired), "qube",
        a->other ? a->other->name : NULL, "reach", reach_json(a), "list_status",
        a->status[0] ? a->status : NULL, "passed_over", passed_json(a));
}

/* ---- asking ---- */

struct asked {
    struct fw_explain_world w;
    const struct config_qube *q;
    struct fw_question ask;
    json_t *answers;
    unsigned accepts, drops, depends;
};

static int ask_one(struct asked *x, const struct ipaddr *dst, unsigned family)
{
    struct fw_answer a;
    int r = fw_explain(&x->w, x->q, &x->ask, dst, family, &a);

    if (r)
        return r == -ENOENT ? 0 : r;
    if (a.depends)
        x->depends++;
    else if (a.action == FW_ACCEPT)
        x->accepts++;
    else
        x->drops++;
    json_array_append_new(x->answers, answer_json(&a));
    fw_answer_free(&a);
    return 0;
}

/* A qube without IPv6 is not asked about names and qubes in IPv6. */
static int ask_family(struct asked *x, unsigned family)
{
    struct ipaddr v[FW_ASK_ADDRS_MAX];
    bool named;
    size_t n = fw_explain_addrs(&x->w, x->q, &x->ask, family, v, &named);
    int r = 0;

    if (!x->ask.addr.family && family == AF_INET6 && !x->q->ip6.family)
        return 0;
    if (named && !n)
        return ask_one(x, NULL, family);
    for (size_t i = 0; i < n && !r; i++)
        r = ask_one(x, &v[i], family);
    return r;
}

static json_t *all_json(struct asked *x)
{
    const struct fw_question *k = &x->ask;
    bool icmp = k->proto == FW_PROTO_ICMP;
    json_t *type = json_null();

    if (icmp)
        type = k->icmp_name ? json_string(rule_icmp_text(k->icmp_name))
                            : json_integer(k->icmp_type);
    return json_pack("{s:s,s:s?,s:s,s:s,s:o,s:o,s:O}", "qube", x->q->name,
                     "netvm", x->q->up ? x->q->up->name : NULL, "host", k->host,
                     "proto", PROTOS[k->proto], "port",
                     icmp ? json_null() : json_integer(k->port), "icmptype",
                     type, "answers", x->answers);
}

/* ---- to a person ---- */

static const char *text_in(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

static void show_rule(const char *label, const json_t *r, const char *end)
{
    const char *profile = text_in(r, "profile");

    if (!json_is_object(r))
        return;
    printf("  %s%lld%s%s%s: %s%s%s\n", label,
           (long long)json_integer_value(json_object_get(r, "number")),
           profile[0] ? " (profile " : "", profile, profile[0] ? ")" : "",
           text_in(r, "rule"), end[0] ? "; " : "", end);
}

static void show_because(const json_t *all, const json_t *a)
{
    const char *why = text_in(a, "because"), *netvm = text_in(all, "netvm");
    const char *list = text_in(a, "list");
    const json_t *rule = json_object_get(a, "rule");

    if (list[0] && strcmp(list, text_in(all, "qube")) != 0)
        printf("  by the list of %s, in %s\n", list, text_in(a, "firewall"));
    if (json_is_true(json_object_get(rule, "implicit")))
        puts("  there is no list of rules, so all is accepted");
    else if (json_is_object(rule))
        show_rule("rule ", rule,
                  json_is_true(json_object_get(a, "name_unknown"))
                      ? "no address of this name is known, so the list ends "
                        "here, shut"
                      : "");
    else if (!strcmp(why, fw_because_name(FW_BY_POLICY)))
        puts("  policy: no rule matches, and what no rule matches is dropped");
    else if (!strcmp(why, fw_because_name(FW_BY_NO_NETVM)))
        puts("  the qube has no netvm");
    else if (!strcmp(why, fw_because_name(FW_BY_NO_FAMILY)))
        puts("  the qube has no address of this family");
    else if (!strcmp(why, fw_because_name(FW_BY_NO_LIST)))
        printf("  %s is no firewallvm: it enforces no rules\n", netvm);
    else if (!strcmp(why, fw_because_name(FW_BY_QUBE)))
        printf("  that is %s, and no Reach= line allows it\n",
               text_in(a, "qube"));
    else if (!strcmp(why, fw_because_name(FW_BY_REACH)))
        printf("  Reach=%s allows it\n", text_in(a, "reach"));
    else
        printf("  %s lets nothing pass: %s\n", text_in(a, "firewall"),
               text_in(a, "list_status"));
}

static void show_answer(const json_t *all, const json_t *a, bool verbose)
{
    const json_t *port = json_object_get(all, "port");
    const json_t *type = json_object_get(all, "icmptype");
    const char *src = text_in(a, "source"), *dst = text_in(a, "destination");
    const char *host = text_in(all, "host");
    size_t i;
    const json_t *r;

    printf("%s%s%s%s -> %s%s%s%s %s", text_in(all, "qube"), src[0] ? " (" : "",
           src, src[0] ? ")" : "", host,
           dst[0] && strcmp(dst, host) ? " (" : "",
           strcmp(dst, host) ? dst : "", dst[0] && strcmp(dst, host) ? ")" : "",
           text_in(all, "proto"));
    if (json_is_integer(port))
        printf(" %lld", (long long)json_integer_value(port));
    else if (json_is_string(type))
        printf(" %s", json_string_value(type));
    else
        printf(" %lld", (long long)json_integer_value(type));
    printf(": %s\n", text_in(a, "verdict"));
    show_because(all, a);
    show_rule("unless the name stands for an address of rule ",
              json_object_get(a, "unless"), "");
    show_rule("ended before: rule ", json_object_get(a, "expired"),
              "it has expired");
    if (verbose)
        json_array_foreach(json_object_get(a, "passed_over"), i, r)
            show_rule("passed over: rule ", r, text_in(r, "why"));
}

static void show_all(const json_t *all, bool verbose)
{
    size_t i;
    const json_t *a;

    json_array_foreach(json_object_get(all, "answers"), i, a)
        show_answer(all, a, verbose);
}

static int exit_of(const struct asked *x)
{
    if (x->depends || (x->accepts && x->drops))
        return CLI_DEPENDS;
    return x->accepts ? 0 : CLI_DROPPED;
}

static int explain(struct cli *c, struct asked *x, bool verbose)
{
    struct statuses said = {.c = c, .by_name = json_object()};
    json_t *all;
    int r;

    x->w.status = status_of;
    x->w.arg = &said;
    x->answers = json_array();
    r = ask_family(x, AF_INET);
    r = r ? r : ask_family(x, AF_INET6);
    all = all_json(x);
    json_decref(x->answers);
    json_decref(said.by_name);
    if (!r && !x->accepts && !x->drops && !x->depends)
        r = -ENOENT;
    if (r)
        fprintf(stderr, "sysqube: %s\n",
                r == -ENOENT ? "this ICMP type is not of that address family"
                             : err_text(r));
    else if (c->json)
        cli_show_json(all);
    else
        show_all(all, verbose);
    json_decref(all);
    return r ? CLI_FAILED : exit_of(x);
}

int cli_explain(struct cli *c, const char *qube, int argc, char **argv,
                bool verbose)
{
    struct asked x = {.w = {.now_s = (uint64_t)time(NULL)}};
    struct problems p = {0};
    struct config cfg = {0};
    const char *why;
    int r;

    if (fw_question_parse(argc, argv, &x.ask, &why)) {
        fprintf(stderr, "sysqube: %s\n", why);
        return CLI_USAGE;
    }
    r = config_load(c->config_dir, 0, &cfg, &p);
    x.w.cfg = &cfg;
    x.q = r ? NULL : config_find(&cfg, qube);
    if (r)
        cli_show_problems(&p, cfg.n);
    else if (!x.q)
        fprintf(stderr, "sysqube: there is no qube %s in %s\n", qube,
                c->config_dir);
    r = x.q ? explain(c, &x, verbose) : CLI_FAILED;
    problems_free(&p);
    config_free(&cfg);
    return r;
}
