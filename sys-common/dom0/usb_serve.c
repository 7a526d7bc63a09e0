/* SPDX-License-Identifier: GPL-2.0-or-later */
/* USB operations of the control socket. glue. See usb_serve.h. */
#include "dom0/usb_serve.h"

#include <stdio.h>
#include <string.h>

#include "dom0/report.h"
#include "dom0/serve_impl.h"
#include "dom0/usb_edit.h"
#include "dom0/usb_error.h"
#include "dom0/usb_report.h"
#include "lib/err.h"

/* "interfaces=0,1" and "input=keyboard,pointer". */
static int read_want(const struct request *r, struct usb_want *ret,
                     struct manager_error *e)
{
    *ret = (struct usb_want){0};
    for (int i = 0; i < r->n_words; i++) {
        if (usb_want_parse_word(text_of(r->words[i]), ret) == 0)
            continue;
        usb_error_set(e, r->qube, "read the request",
                      "'%.60s' is neither interfaces=0,1 nor "
                      "input=keyboard,pointer, each at most once",
                      r->words[i]);
        usb_error_hint(e, "man sysqube, USB");
        return -EINVAL;
    }
    return 0;
}

static void do_attach(struct serve *s, struct control_client *c,
                      const struct request *r)
{
    struct manager_error e = {0};
    struct usb_want want;
    int i;

    if (!serve_reload(s, c, false))
        return;
    i = serve_find(s, c, r->qube);
    if (i < 0)
        return;
    if (read_want(r, &want, &e))
        control_send(c, report_error(&e));
    else
        usb_op_attach(jobs_usb(s->jobs), c, (size_t)i, r->device, &want);
}

static void do_detach(struct serve *s, struct control_client *c,
                      const struct request *r)
{
    if (r->qube[0] && serve_find(s, c, r->qube) < 0)
        return;
    usb_op_detach(jobs_usb(s->jobs), c, r->qube, r->device);
}

static void do_info(struct serve *s, struct control_client *c,
                    const struct usb_facts *f, const struct request *r)
{
    struct manager_error e = {0};
    size_t dev;

    if (usb_error_find(s->m, f, r->device, &dev, &e))
        control_send(c, report_error(&e));
    else
        serve_ok(c, usb_report_info(s->m, f, dev));
}

/* What only looks. */
static void do_look(struct serve *s, struct control_client *c,
                    const struct request *r)
{
    struct manager_error e = {0};
    struct usb_world w;

    if (usb_world_new(s->m, &w)) {
        usb_error_set(&e, "", "look at the devices", "%s", err_text(-ENOMEM));
        control_send(c, report_error(&e));
        return;
    }
    if (r->op == REQ_USB_INFO)
        do_info(s, c, &w.facts, r);
    else if (r->op == REQ_USB_STATS)
        serve_ok(
            c, json_pack("{s:o}", "devices", usb_report_stats(s->m, &w.facts)));
    else
        serve_ok(c, json_pack("{s:o, s:I}", "devices",
                              usb_report_list(s->m, &w.facts), "left_out",
                              (json_int_t)w.n_ignored));
    usb_world_free(&w);
}

/* The lines of a qube: shown or changed. */
static void do_policy(struct serve *s, struct control_client *c,
                      const struct request *r)
{
    struct manager_error e = {0};
    struct problems p = {0};
    json_t *o = NULL;
    int k = r->op == REQ_USB_POLICY ? usb_edit_show(s->m, r, &o, &e, &p)
                                    : usb_edit(s->m, r, &o, &e, &p);

    if (k && !e.step && !problems_count(&p))
        usb_error_set(&e, r->qube, "change the policy", "%s", err_text(k));
    if (!k)
        serve_ok(c, o);
    else if (problems_count(&p))
        control_send(c, report_problems(&p, NULL));
    else
        control_send(c, report_error(&e));
    problems_free(&p);
}

static bool is_policy(enum request_op op)
{
    return op == REQ_USB_POLICY || op == REQ_USB_DENY || op == REQ_USB_ALLOW ||
           op == REQ_USB_ASSIGN || op == REQ_USB_UNASSIGN;
}

void usb_serve(struct serve *s, struct control_client *c,
               const struct request *r)
{
    if (is_policy(r->op))
        do_policy(s, c, r);
    else if (r->op == REQ_USB_ATTACH)
        do_attach(s, c, r);
    else if (r->op == REQ_USB_DETACH)
        do_detach(s, c, r);
    else
        do_look(s, c, r);
}
