/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Port forwards and qube to qube over the control socket. glue. See
 * path_serve.h. */
#include "dom0/path_serve.h"

#include <stdio.h>
#include <string.h>

#include "dom0/report.h"
#include "dom0/section_lines.h"
#include "dom0/serve_impl.h"
#include "lib/buf.h"
#include "lib/err.h"

#define SECTION "[Firewall]"
#define PATH_LINE_MAX 512

static bool is_forward(const struct request *r)
{
    return r->op == REQ_FORWARD_LIST || r->op == REQ_FORWARD_ADD ||
           r->op == REQ_FORWARD_DEL;
}

/* ---- list ---- */

static const char *top_of(const struct config_qube *q)
{
    while (q->up)
        q = q->up;
    return q->name;
}

/* Is it in force as far as dom0 knows: does the qube run, and what does the
 * NetVM say of its forwards? */
static json_t *forward_state(const struct manager *m, size_t index)
{
    const char *netvm = top_of(m->cfg.qubes[index]), *s;
    int top = manager_find(m, netvm);

    if (!m->qubes[index]->active)
        return json_string("off");
    s = top < 0 ? NULL
                : manager_status(m, (size_t)top, "/sysqube-status/forward");
    return json_string(s ? s : "waiting");
}

static void add_forwards(const struct manager *m, size_t index, json_t *to)
{
    const struct config_qube *q = m->cfg.qubes[index];
    char from[IPNET_TEXT_MAX];

    for (size_t i = 0; i < q->n_forwards; i++) {
        const struct config_forward *f = &q->forwards[i];

        json_array_append_new(
            to,
            json_pack(
                "{s:s, s:s, s:i, s:i, s:o, s:s, s:o}", "qube", q->name, "proto",
                f->proto == FW_PROTO_TCP ? "tcp" : "udp", "uplink_port",
                (int)f->uplink_port, "port", (int)f->port, "from",
                f->from.addr.family ? json_string(ipnet_format(&f->from, from))
                                    : json_null(),
                "netvm", top_of(q), "state", forward_state(m, index)));
    }
}

static void add_reach(const struct manager *m, size_t index, json_t *to)
{
    const struct config_qube *q = m->cfg.qubes[index];
    char text[CONFIG_PATH_TEXT_MAX];

    for (size_t i = 0; i < q->n_reach; i++) {
        const struct config_qube *other =
            config_find(&m->cfg, q->reach[i].name);
        const struct config_qube *at = other ? config_meeting(q, other) : NULL;
        int k = manager_find(m, q->reach[i].name);
        bool on = m->qubes[index]->active && k >= 0 && m->qubes[k]->active;

        config_reach_text(&q->reach[i], text);
        json_array_append_new(
            to, json_pack("{s:s, s:s, s:s, s:s, s:s}", "qube", q->name, "to",
                          q->reach[i].name, "what",
                          text + strlen(q->reach[i].name) + 1, "firewall",
                          at ? at->name : "", "state", on ? "on" : "off"));
    }
}

static void do_list(struct serve *s, struct control_client *c,
                    const struct request *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->m->cfg.n; i++) {
        if (is_forward(r))
            add_forwards(s->m, i, list);
        else
            add_reach(s->m, i, list);
    }
    serve_ok(c, json_pack("{s:o}", is_forward(r) ? "forwards" : "reach", list));
}

/* ---- add, del ---- */

struct edit {
    unsigned drop; /* number of a line; 0: none */
    const char *add;
};

static int rewrite(struct text file, const void *arg, char **ret,
                   size_t *ret_len)
{
    const struct edit *e = arg;

    return section_lines_edit(file, SECTION, &e->drop, e->drop ? 1 : 0, e->add,
                              ret, ret_len);
}

/* The words with single blanks between; each of them must be one. */
static int join(const struct request *r, struct wbuf *w)
{
    for (int i = 0; i < r->n_words; i++) {
        struct text t = text_of(r->words[i]);

        if (!t.len || !text_printable(t) || memchr(t.p, ' ', t.len))
            return -EBADMSG;
        wbuf_printf(w, "%s%s", i ? " " : "", r->words[i]);
    }
    wbuf_u8(w, 0);
    return wbuf_done(w) < 0 ? -ENOBUFS : 0;
}

/* Do the words begin the value of a line? */
static bool begins(const char *value, const char *words)
{
    size_t n = strlen(words);

    return !strncmp(value, words, n) && (!value[n] || value[n] == ' ');
}

/* The one line that begins with the words. @return how many do */
static unsigned find_line(const struct config_qube *q, bool forward,
                          const char *words, unsigned *ret)
{
    size_t all = forward ? q->n_forwards : q->n_reach;
    unsigned n = 0;

    for (size_t i = 0; i < all; i++) {
        char text[CONFIG_PATH_TEXT_MAX];

        if (forward)
            config_forward_text(&q->forwards[i], text);
        else
            config_reach_text(&q->reach[i], text);
        if (!begins(text, words))
            continue;
        *ret = forward ? q->forwards[i].line : q->reach[i].line;
        n++;
    }
    return n;
}

static void refuse(struct control_client *c, const struct request *r,
                   const char *step, const char *why)
{
    struct manager_error e = {.step = step};

    snprintf(e.qube, sizeof(e.qube), "%s", r->qube);
    snprintf(e.message, sizeof(e.message), "%s", why);
    snprintf(e.hint, sizeof(e.hint), "sysqube %s list",
             is_forward(r) ? "forward" : "reach");
    control_send(c, report_error(&e));
}

/* What is to be done to the file. A section that is made for this line says
 * what its absence said: everything is accepted.
 * @return false: an error was sent */
static bool plan_edit(struct serve *s, struct control_client *c,
                      const struct request *r, size_t index,
                      char line[PATH_LINE_MAX], struct edit *ret)
{
    const struct config_qube *q = s->m->cfg.qubes[index];
    bool del = r->op == REQ_FORWARD_DEL || r->op == REQ_REACH_DEL;
    struct wbuf w = wbuf_of(line, PATH_LINE_MAX);
    unsigned n;

    *ret = (struct edit){.add = NULL};
    if (!del) {
        wbuf_printf(&w, "%s%s=", q->has_firewall ? "" : "Rule=action=accept\n",
                    is_forward(r) ? "Forward" : "Reach");
        ret->add = line;
    }
    if (join(r, &w)) {
        refuse(c, r, "read the request",
               "these are no words, or too many characters");
        return false;
    }
    if (!del)
        return true;
    n = find_line(q, is_forward(r), line, &ret->drop);
    if (n != 1)
        refuse(c, r, "find the line",
               n ? "more than one line fits these words"
                 : "there is no such line");
    return n == 1;
}

static void do_edit(struct serve *s, struct control_client *c,
                    const struct request *r)
{
    struct problems p = {0};
    char line[PATH_LINE_MAX];
    struct edit e;
    int i, k;

    if (!serve_reload(s, c, false))
        return;
    i = serve_find(s, c, r->qube);
    if (i < 0 || !plan_edit(s, c, r, (size_t)i, line, &e))
        return;
    k = manager_rewrite(s->m, s->m->cfg.qubes[i]->file, rewrite, &e, &p);
    i = manager_find(s->m, r->qube);
    if (k && problems_count(&p))
        control_send(c, report_problems(&p, NULL));
    else if (k)
        refuse(c, r, "change the file", err_text(k));
    else
        serve_ok(c, json_pack("{s:s, s:s}", "qube", r->qube, "note",
                              s->m->qubes[i]->active
                                  ? "stored; the netvms are told"
                                  : "stored; in force when the qube starts"));
    problems_free(&p);
}

void path_serve(struct serve *s, struct control_client *c,
                const struct request *r)
{
    if (r->op != REQ_FORWARD_LIST && r->op != REQ_REACH_LIST)
        do_edit(s, c, r);
    else if (serve_reload(s, c, false))
        do_list(s, c, r);
}
