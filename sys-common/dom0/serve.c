/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations of the control socket. glue. See serve.h. */
#include "dom0/serve.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dom0/path_serve.h"
#include "dom0/plan.h"
#include "dom0/report.h"
#include "dom0/report_watch.h"
#include "dom0/request.h"
#include "dom0/rules_edit.h"
#include "dom0/section.h"
#include "dom0/serve_impl.h"
#include "dom0/usb_serve.h"
#include "lib/err.h"
#include "lib/log.h"

void serve_ok(struct control_client *c, json_t *o)
{
    control_send(c, json_pack("{s:o}", "ok", o));
}

static void send_error(struct control_client *c, const char *qube,
                       const char *step, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

static void send_error(struct control_client *c, const char *qube,
                       const char *step, const char *hint, const char *fmt, ...)
{
    struct manager_error e = {.step = step};
    va_list ap;

    snprintf(e.qube, sizeof(e.qube), "%s", qube);
    snprintf(e.hint, sizeof(e.hint), "%s", hint);
    va_start(ap, fmt);
    vsnprintf(e.message, sizeof(e.message), fmt, ap);
    va_end(ap);
    control_send(c, report_error(&e));
}

bool serve_reload(struct serve *s, struct control_client *c, bool images)
{
    struct problems p = {0};
    int r = manager_reload(s->m, images, &p);

    if (r && problems_count(&p))
        control_send(c, report_problems(&p, NULL));
    else if (r)
        send_error(c, "", "read the configuration", "", "%s", err_text(r));
    problems_free(&p);
    return !r;
}

/* -1 after an answer was sent. */
int serve_find(struct serve *s, struct control_client *c, const char *name)
{
    int i = manager_find(s->m, name);

    if (i < 0)
        send_error(c, name, "find the qube", "sysqube status",
                   "there is no qube of this name");
    return i;
}

/* ---- up, down ---- */

/* The named qubes, or all that @p all says; false after an answer. */
static bool pick(struct serve *s, struct control_client *c,
                 const struct request *r,
                 bool (*all)(const struct serve *s, size_t i),
                 struct config_qube **ret, size_t *ret_n)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n_names; i++) {
        int k = serve_find(s, c, r->names[i]);

        if (k < 0)
            return false;
        if (n < CONFIG_QUBES_MAX)
            ret[n++] = s->m->cfg.qubes[k];
    }
    for (size_t i = 0; !r->n_names && i < s->m->cfg.n; i++) {
        if (all(s, i))
            ret[n++] = s->m->cfg.qubes[i];
    }
    *ret_n = n;
    return true;
}

static bool autostarts(const struct serve *s, size_t i)
{
    return s->m->cfg.qubes[i]->autostart;
}

static bool is_up(const struct serve *s, size_t i)
{
    return manager_is_up(s->m->qubes[i]);
}

static void begun(struct control_client *c, int r)
{
    if (r == -EBUSY)
        send_error(c, "", "begin", "wait for it, or look at: sysqube status",
                   "another up or down is going on");
    else if (r)
        send_error(c, "", "begin", "", "%s", err_text(r));
}

static void do_up(struct serve *s, struct control_client *c,
                  const struct request *r)
{
    struct config_qube *want[CONFIG_QUBES_MAX], *order[CONFIG_QUBES_MAX];
    size_t n;

    if (!serve_reload(s, c, true) || !pick(s, c, r, autostarts, want, &n))
        return;
    n = plan_up(&s->m->cfg, want, n, order);
    begun(c, jobs_up(s->jobs, c, order, n));
}

/* A running qube that hangs on one of the chosen without being chosen. */
static const char *hangs_on(const struct serve *s, struct config_qube *const *v,
                            size_t n, const char **ret_netvm)
{
    for (size_t i = 0; i < s->m->cfg.n; i++) {
        const struct config_qube *q = s->m->cfg.qubes[i];
        bool chosen = false, up_chosen = false;

        for (size_t k = 0; k < n; k++) {
            chosen |= v[k] == q;
            up_chosen |= v[k] == q->up;
        }
        if (up_chosen && !chosen && is_up(s, i)) {
            *ret_netvm = q->up->name;
            return q->name;
        }
    }
    return NULL;
}

static void do_down(struct serve *s, struct control_client *c,
                    const struct request *r)
{
    struct config_qube *want[CONFIG_QUBES_MAX], *order[CONFIG_QUBES_MAX];
    const char *client, *netvm = "";
    size_t n;

    if (!pick(s, c, r, is_up, want, &n))
        return;
    for (size_t i = 0; i < s->m->cfg.n; i++) {
        bool named = r->n_names == 0;

        for (size_t k = 0; k < n; k++)
            named |= want[k] == s->m->cfg.qubes[i];
        if (named)
            manager_no_restart(s->m, i);
    }
    client = hangs_on(s, want, n, &netvm);
    if (client && !r->force) {
        send_error(c, netvm, "shut down",
                   "take it down as well, or use --force: it is then cut off "
                   "until the netvm is up again",
                   "%s is running and uses it as netvm", client);
        return;
    }
    n = plan_down(&s->m->cfg, want, n, order);
    begun(c, jobs_down(s->jobs, c, order, n));
}

/* ---- firewall ---- */

static void do_list(struct serve *s, struct control_client *c,
                    const struct request *r)
{
    int i;

    if (!serve_reload(s, c, false))
        return;
    i = serve_find(s, c, r->qube);
    if (i >= 0)
        serve_ok(c, json_pack("{s:s, s:o, s:o}", "qube", r->qube, "rules",
                              report_rules(s->m->cfg.qubes[i]), "stored",
                              report_stored(s->m->cfg.qubes[i])));
}

/* Answer now, or when the firewalls have reported. */
static void edited(struct serve *s, struct control_client *c, const char *qube,
                   const struct rules_edit *e, json_t *o)
{
    int i = manager_find(s->m, qube);

    if (e->n_src) {
        (void)jobs_rules(s->jobs, c, qube, e->src, e->n_src, e->limit_ms, o);
        return;
    }
    json_object_set_new(o, "note",
                        json_string(i < 0 || s->m->qubes[i]->active
                                        ? "nothing changed for the firewall"
                                        : "stored; in force when the qube "
                                          "starts"));
    serve_ok(c, o);
    free(e->src);
}

static void not_edited(struct control_client *c, const char *qube, int k,
                       const struct manager_error *err,
                       const struct problems *p)
{
    if (problems_count(p))
        control_send(c, report_problems(p, err));
    else if (err->step)
        control_send(c, report_error(err));
    else
        send_error(c, qube, "change the file", "", "%s", err_text(k));
}

static void do_fw_reload(struct serve *s, struct control_client *c,
                         const struct request *r)
{
    struct manager_error err = {0};
    struct problems p = {0};
    struct rules_edit e;
    int k = rules_reload(s->m, r, &e, &err, &p);

    if (k)
        not_edited(c, "", k, &err, &p);
    else
        edited(s, c, "", &e, json_object());
    problems_free(&p);
}

static void do_edit(struct serve *s, struct control_client *c,
                    const struct request *r)
{
    struct manager_error err = {0};
    struct problems p = {0};
    struct rules_edit e;
    int k = rules_edit(s->m, r, (uint64_t)time(NULL), &e, &err, &p);
    json_t *o;
    int i;

    if (k) {
        not_edited(c, r->qube, k, &err, &p);
        problems_free(&p);
        return;
    }
    i = manager_find(s->m, r->qube);
    o = json_pack("{s:s, s:o}", "qube", r->qube, "rules",
                  report_rules(s->m->cfg.qubes[i]));
    if (e.hidden_by >= 0)
        json_object_set_new(o, "hidden_by", json_integer(e.hidden_by));
    edited(s, c, r->qube, &e, o);
    problems_free(&p);
}

/* Who asks again within MANAGER_WATCH_MS watches. */
static void do_fw_watch(struct serve *s, struct control_client *c,
                        const struct request *r)
{
    for (size_t i = 0; i < r->n_names; i++) {
        if (serve_find(s, c, r->names[i]) < 0)
            return;
    }
    manager_watch(s->m);
    if (r->op == REQ_FW_COUNTS)
        serve_ok(c, json_pack("{s:o}", "qubes",
                              report_counts(s->m, r->names, r->n_names)));
    else
        serve_ok(c, json_pack("{s:o}", "events",
                              report_events(s->m, r->names, r->n_names)));
}

/* ---- netvm ---- */

static int set_netvm(struct text file, const void *arg, char **ret,
                     size_t *ret_len)
{
    return section_set(file, "[Qube]", "NetVM", arg, ret, ret_len);
}

/* A running qube is moved: the answer comes when it is wired there. */
static void do_netvm(struct serve *s, struct control_client *c,
                     const struct request *r)
{
    struct config_qube *order[CONFIG_QUBES_MAX];
    struct manager_error err = {0};
    struct problems p = {0};
    int i, k;

    if (jobs_busy(s->jobs)) {
        begun(c, -EBUSY);
        return;
    }
    if (!serve_reload(s, c, false))
        return;
    i = serve_find(s, c, r->qube);
    if (i < 0)
        return;
    k = manager_rewrite(s->m, s->m->cfg.qubes[i]->file, set_netvm, r->netvm,
                        &p);
    i = manager_find(s->m, r->qube);
    if (k) {
        not_edited(c, r->qube, k, &err, &p);
    } else if (!is_up(s, (size_t)i)) {
        serve_ok(c, json_pack("{s:s, s:s}", "qube", r->qube, "note",
                              "stored; in force when the qube starts"));
    } else {
        size_t n = plan_up(&s->m->cfg, &s->m->cfg.qubes[i], 1, order);

        begun(c, jobs_up(s->jobs, c, order, n));
    }
    problems_free(&p);
}

/* ---- the rest ---- */

static void do_keys(struct serve *s, struct control_client *c,
                    const struct request *r)
{
    int i = serve_find(s, c, r->qube);

    if (i >= 0)
        serve_ok(c, report_keys(s->m, (size_t)i));
}

static void do_console(struct serve *s, struct control_client *c,
                       const struct request *r)
{
    int i = serve_find(s, c, r->qube), fd;

    if (i < 0)
        return;
    if (!s->m->qubes[i]->has_domid) {
        send_error(c, r->qube, "open the console", "sysqube up NAME",
                   "it is not running");
        return;
    }
    fd = s->m->platform->ops->console(s->m->platform, s->m->qubes[i]->domid);
    if (fd < 0) {
        send_error(c, r->qube, "open the console", "", "%s",
                   s->m->platform->why);
        return;
    }
    control_send_fd(c, json_pack("{s:{s:s}}", "ok", "qube", r->qube), fd);
}

static void do_quit(struct serve *s, struct control_client *c)
{
    for (size_t i = 0; i < s->m->cfg.n; i++) {
        if (is_up(s, i)) {
            send_error(c, s->m->cfg.qubes[i]->name, "end the daemon",
                       "sysqube down", "it is still running");
            return;
        }
    }
    serve_ok(c, json_object());
    loop_stop(s->loop, 0);
}

static void act(struct serve *s, struct control_client *c,
                const struct request *r)
{
    switch (r->op) {
    case REQ_STATUS:
        serve_ok(c, report_status(s->m));
        return;
    case REQ_UP:
        do_up(s, c, r);
        return;
    case REQ_DOWN:
        do_down(s, c, r);
        return;
    case REQ_FW_LIST:
        do_list(s, c, r);
        return;
    case REQ_FW_ADD:
    case REQ_FW_DEL:
    case REQ_FW_RESET:
    case REQ_FW_APPLY:
        do_edit(s, c, r);
        return;
    case REQ_FW_RELOAD:
        do_fw_reload(s, c, r);
        return;
    case REQ_FW_COUNTS:
    case REQ_FW_LOG:
        do_fw_watch(s, c, r);
        return;
    case REQ_FORWARD_LIST:
    case REQ_FORWARD_ADD:
    case REQ_FORWARD_DEL:
    case REQ_REACH_LIST:
    case REQ_REACH_ADD:
    case REQ_REACH_DEL:
        path_serve(s, c, r);
        return;
    case REQ_NETVM:
        do_netvm(s, c, r);
        return;
    case REQ_USB_LIST:
    case REQ_USB_INFO:
    case REQ_USB_STATS:
    case REQ_USB_ATTACH:
    case REQ_USB_DETACH:
    case REQ_USB_POLICY:
    case REQ_USB_DENY:
    case REQ_USB_ALLOW:
    case REQ_USB_ASSIGN:
    case REQ_USB_UNASSIGN:
        usb_serve(s, c, r);
        return;
    case REQ_KEYS:
        do_keys(s, c, r);
        return;
    case REQ_CONSOLE:
        do_console(s, c, r);
        return;
    case REQ_QUIT:
        do_quit(s, c);
        return;
    case REQ_COUNT:
        break;
    }
    send_error(c, "", "read the request", "", "unknown operation");
}

void serve_line(struct control_client *c, struct text line, void *arg)
{
    struct serve *s = arg;
    char why[REQUEST_WHY_MAX];
    struct request r;
    int k = request_parse(line, &r, why);

    if (k) {
        send_error(c, "", "read the request",
                   "is the command of the same version?", "%s", why);
        return;
    }
    log_debug("control: %s", request_op_name(r.op));
    act(s, c, &r);
    request_free(&r);
}

void serve_gone(struct control_client *c, void *arg)
{
    struct serve *s = arg;

    jobs_forget(s->jobs, c);
}
