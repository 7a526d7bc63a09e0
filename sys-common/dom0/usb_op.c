/* SPDX-License-Identifier: GPL-2.0-or-later */
/* USB operations of a client. glue. See usb_op.h. Qubes and devices are kept
 * by name and port, as their numbers change while an operation waits. */
#include "dom0/usb_op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/report.h"
#include "dom0/usb_error.h"
#include "lib/err.h"
#include "lib/io.h"

enum phase {
    OP_FREE,   /* until the device can be granted */
    OP_ATTACH, /* until it is attached */
    OP_DETACH, /* until it is reset */
};

struct op {
    struct op *next;
    struct control_client *client;
    enum phase phase;
    uint64_t begun_ms, phase_ms;
    char qube[CONFIG_NAME_MAX];
    struct usb_device d; /* as it was named */
    struct usb_want want;
    uint64_t serial; /* of the attachment */
    bool told;       /* that it has to wait until it is free */
    bool late;       /* told what is waited for when attaching */
};

struct usb_ops {
    struct manager *m;
    struct op *first;
};

int usb_ops_new(struct manager *m, struct usb_ops **ret)
{
    struct usb_ops *o = calloc(1, sizeof(*o));

    if (!o)
        return -ENOMEM;
    o->m = m;
    *ret = o;
    return 0;
}

void usb_ops_free(struct usb_ops *o)
{
    if (!o)
        return;
    while (o->first) {
        struct op *op = o->first;

        o->first = op->next;
        free(op);
    }
    free(o);
}

void usb_ops_forget(struct usb_ops *o, const struct control_client *c)
{
    for (struct op *op = o->first; op; op = op->next) {
        if (op->client == c)
            op->client = NULL;
    }
}

static void send_error(struct control_client *c, const struct manager_error *e)
{
    control_send(c, report_error(e));
}

static void send_done(const struct op *op, const char *what, json_t *extra)
{
    char dev[USB_DEVICE_TEXT_MAX];
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:f}", "qube", op->qube, "device",
                  usb_error_device(&op->d, dev), "state", what, "seconds",
                  (double)(io_now_ms() - op->begun_ms) / 1000.0);

    if (extra)
        json_object_update_missing(o, extra);
    json_decref(extra);
    control_send(op->client, json_pack("{s:o}", "ok", o));
}

/* ---- attaching ---- */

static bool same_text(const struct usb_device *a, const struct usb_device *b)
{
    return a->ident.vendor_id == b->ident.vendor_id &&
           a->ident.product_id == b->ident.product_id &&
           strcmp(a->ident.vendor, b->ident.vendor) == 0 &&
           strcmp(a->ident.model, b->ident.model) == 0 &&
           strcmp(a->ident.serial, b->ident.serial) == 0;
}

/* The device that was named, by its port. @return false it is gone */
static bool dev_of(const struct usb_facts *f, const struct op *op, size_t *ret)
{
    for (size_t i = 0; i < f->n_devs; i++) {
        if (strcmp(f->devs[i].d.usbvm, op->d.usbvm) == 0 &&
            usb_port_cmp(&f->devs[i].d.port, &op->d.port) == 0) {
            *ret = i;
            return same_text(&f->devs[i].d, &op->d);
        }
    }
    return false;
}

static void set_phase(struct op *op, enum phase ph)
{
    op->phase = ph;
    op->phase_ms = io_now_ms();
}

/* Why it is not free.
 * @return false: it may yet become so */
static bool late_error(struct usb_ops *o, const struct usb_facts *f,
                       const struct op *op, size_t dev, struct manager_error *e)
{
    const struct usb_fact_dev *d = &f->devs[dev];
    struct usb_link_state s = {0};
    char name[USB_DEVICE_TEXT_MAX];
    int r = f->export(f->arg, d->backend, &d->d.port, &s);

    usb_error_device(&op->d, name);
    if (!r && s.link == USB_LINK_FAILED &&
        !usb_plan_of(o->m->usb, d->d.usbvm, &d->d.port))
        usb_error_set(e, op->qube, "attach", "%s cannot lend %s: %s",
                      op->d.usbvm, name, s.why);
    else if (io_now_ms() - op->phase_ms >= USB_OP_FREE_MS)
        usb_error_set(e, op->qube, "attach",
                      "%s did not report within %d s that %s is %s",
                      op->d.usbvm, USB_OP_FREE_MS / 1000, name,
                      d->known ? "free" : "reset and identified");
    else
        return false;
    usb_error_hint(e, "unplug it and plug it in again, or: sysqube console %s",
                   op->d.usbvm);
    return true;
}

/* @return true when an answer was sent */
static bool try_attach(struct usb_ops *o, struct op *op)
{
    struct manager_error e;
    struct usb_answer a = {.who = ""};
    enum usb_refusal r;
    struct usb_world w;
    size_t dev = 0;
    int qube = manager_find(o->m, op->qube);
    bool there, done = true;

    if (usb_world_new(o->m, &w)) {
        usb_error_set(&e, op->qube, "attach", "%s", err_text(-ENOMEM));
        send_error(op->client, &e);
        return true;
    }
    there = qube >= 0 && dev_of(&w.facts, op, &dev);
    r = there ? usb_plan_attach(o->m->usb, &w.facts, (size_t)qube, dev,
                                &op->want, &a)
              : USB_MALFORMED;
    if (!there) {
        usb_error_set(&e, op->qube, "attach", "the device was unplugged");
    } else if (r == USB_OK || r == USB_HAS_IT) {
        op->serial = a.serial;
        set_phase(op, OP_ATTACH);
        done = false;
    } else if (r != USB_WAIT) {
        usb_error_refusal(o->m, (size_t)qube, &w.facts.devs[dev].d, r, &a, &e);
    } else if (!late_error(o, &w.facts, op, dev, &e)) {
        if (!op->told)
            control_progress(op->client, "waiting until %s has reset it",
                             op->d.usbvm);
        op->told = true;
        done = false;
    }
    usb_world_free(&w);
    if (r == USB_OK)
        manager_update(o->m);
    if (done)
        send_error(op->client, &e);
    return done;
}

static void ended_error(const struct op *op, const struct usb_att *a,
                        struct manager_error *e)
{
    char dev[USB_DEVICE_TEXT_MAX];

    usb_error_set(e, op->qube, "attach", "%s was not attached: %s",
                  usb_error_device(&op->d, dev),
                  a && a->why[0] ? a->why : "it was ended meanwhile");
    if (!a || a->end == USB_END_USER)
        return;
    if (a->end == USB_END_TIMEOUT)
        usb_error_hint(e, "sysqube console %s",
                       strstr(a->why, "sysqube-usb") ? op->qube : op->d.usbvm);
    else
        usb_error_hint(
            e, "mend the cause, then try again; nothing is left attached");
}

/* Once, when it takes long: which side has not reported. */
static void tell_wait(const struct usb_ops *o, struct op *op,
                      const struct usb_att *a)
{
    struct usb_link_state in = {0};
    struct usb_world w;
    int r;

    if (op->late || io_now_ms() - op->phase_ms < USB_OP_TELL_MS ||
        usb_world_new(o->m, &w))
        return;
    op->late = true;
    r = w.facts.import(w.facts.arg, a->client, a->backend, &a->port, &in);
    if (r)
        control_progress(op->client, "waiting for %s to begin", a->qube);
    else if (in.link == USB_LINK_ATTACHED)
        control_progress(op->client, "waiting for %s to report", a->usbvm);
    else
        control_progress(op->client, "waiting for %s and %s to connect",
                         a->qube, a->usbvm);
    usb_world_free(&w);
}

static bool step_attach(struct usb_ops *o, struct op *op)
{
    const struct usb_att *a = usb_plan_find(o->m->usb, op->serial);
    struct manager_error e;

    if (a && a->state == USB_ATT_OFFERED) {
        tell_wait(o, op, a);
        return false;
    }
    if (a && a->state == USB_ATT_ATTACHED) {
        send_done(op, "attached",
                  json_pack("{s:I}", "vhci", (json_int_t)a->vhci));
        return true;
    }
    ended_error(op, a, &e);
    send_error(op->client, &e);
    return true;
}

static bool step_detach(struct usb_ops *o, struct op *op)
{
    const struct usb_att *a = usb_plan_find(o->m->usb, op->serial);
    struct manager_error e;
    char dev[USB_DEVICE_TEXT_MAX];

    if (!a) {
        send_done(op, "detached", NULL);
        return true;
    }
    if (io_now_ms() - op->phase_ms < USB_OP_DETACH_MS)
        return false;
    usb_error_set(
        &e, op->qube, "detach",
        "%s is taken from the qube, but %s did not report within %d s "
        "that it was reset; nobody can have it before",
        usb_error_device(&op->d, dev), op->d.usbvm, USB_OP_DETACH_MS / 1000);
    usb_error_hint(&e, "sysqube console %s", op->d.usbvm);
    send_error(op->client, &e);
    return true;
}

static bool step(struct usb_ops *o, struct op *op)
{
    if (op->phase == OP_FREE && try_attach(o, op))
        return true;
    switch (op->phase) {
    case OP_FREE:
        return false;
    case OP_ATTACH:
        return step_attach(o, op);
    case OP_DETACH:
        return step_detach(o, op);
    }
    return true;
}

void usb_ops_step(struct usb_ops *o)
{
    struct op **at = &o->first;

    while (*at) {
        struct op *op = *at;

        if (!step(o, op)) {
            at = &op->next;
            continue;
        }
        *at = op->next;
        free(op);
    }
}

/* ---- requests ---- */

static struct op *op_new(struct usb_ops *o, struct control_client *c,
                         enum phase ph, const char *qube,
                         const struct usb_device *d)
{
    struct op *op = calloc(1, sizeof(*op));

    if (!op)
        return NULL;
    op->client = c;
    op->begun_ms = io_now_ms();
    op->d = *d;
    snprintf(op->qube, sizeof(op->qube), "%s", qube);
    set_phase(op, ph);
    op->next = o->first;
    o->first = op;
    return op;
}

void usb_op_attach(struct usb_ops *o, struct control_client *c, size_t qube,
                   const char *device, const struct usb_want *want)
{
    const char *name = o->m->cfg.qubes[qube]->name;
    struct manager_error e = {0};
    struct usb_world w;
    struct op *op = NULL;
    size_t dev;
    int r = usb_world_new(o->m, &w);

    if (!r) {
        r = usb_error_find(o->m, &w.facts, device, &dev, &e);
        if (!r)
            op = op_new(o, c, OP_FREE, name, &w.facts.devs[dev].d);
        usb_world_free(&w);
    }
    if (!op) {
        if (!e.step)
            usb_error_set(&e, name, "attach", "%s", err_text(-ENOMEM));
        send_error(c, &e);
        return;
    }
    op->want = *want;
    usb_ops_step(o);
}

/* An attachment by the port of a device that may be gone already. */
static const struct usb_att *named(const struct usb_plan *p, const char *text)
{
    struct usb_select s;
    char why[USB_WHY_MAX];

    if (usb_select_parse(text_of(text), &s, why) || !s.has_port || s.has_id ||
        s.has_class)
        return NULL;
    return usb_plan_of(p, s.usbvm, &s.port);
}

static int find_attached(struct usb_ops *o, const struct usb_facts *f,
                         const char *qube, const char *device,
                         const struct usb_att **ret, struct manager_error *e)
{
    const struct usb_att *a = named(o->m->usb, device);
    size_t dev;
    int r = 0;

    if (!a) {
        r = usb_error_find(o->m, f, device, &dev, e);
        if (r)
            return r;
        a = usb_plan_of(o->m->usb, f->devs[dev].d.usbvm, &f->devs[dev].d.port);
    }
    if (!a || (qube[0] && strcmp(qube, a->qube))) {
        usb_error_set(e, qube, "detach", "'%.100s' is attached to %s", device,
                      a ? a->qube : "no qube");
        usb_error_hint(e, "sysqube usb list");
        return -ENOENT;
    }
    *ret = a;
    return 0;
}

void usb_op_detach(struct usb_ops *o, struct control_client *c,
                   const char *qube, const char *device)
{
    const struct usb_att *a = NULL;
    struct manager_error e = {0};
    struct usb_world w;
    struct op *op = NULL;
    int r = usb_world_new(o->m, &w);

    if (!r) {
        r = find_attached(o, &w.facts, qube, device, &a, &e);
        if (!r)
            op = op_new(o, c, OP_DETACH, a->qube, &a->d);
        if (op) {
            op->serial = a->serial;
            /* closing already: only the wait is left */
            (void)usb_plan_detach(o->m->usb, &w.facts, a->qube, a->usbvm,
                                  &a->port);
        }
        usb_world_free(&w);
    }
    if (!op) {
        if (!e.step)
            usb_error_set(&e, qube, "detach", "%s", err_text(-ENOMEM));
        send_error(c, &e);
        return;
    }
    manager_update(o->m);
    usb_ops_step(o);
}
