/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attachments of USB devices. pure. See usb_plan.h. Who is assigned what is
 * usb_claim.c. */
#include "dom0/usb_plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"

#define CLASS_HID 3

/* A vchan port whose old user still reports the link. */
struct linger {
    uint32_t client, backend;
    struct usb_port port;
    uint16_t vport;
};

/* Not attached by itself, for a while or until it is plugged in anew. */
struct hold {
    char qube[USB_NAME_MAX];
    uint32_t client, backend;
    struct usb_port port;
    unsigned tries; /* USB_PLAN_TRIES: no more */
    uint64_t until_ms;
};

struct usb_plan {
    uint64_t serial;
    uint16_t last_vport;
    struct usb_att att[USB_PLAN_MAX];
    size_t n_att;
    struct linger linger[USB_PLAN_MAX];
    size_t n_linger;
    struct hold hold[USB_PLAN_MAX];
    size_t n_hold;
};

int usb_plan_new(struct usb_plan **ret)
{
    struct usb_plan *p = calloc(1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    p->last_vport = USB_GRANT_VPORT_MAX;
    *ret = p;
    return 0;
}

void usb_plan_free(struct usb_plan *p)
{
    free(p);
}

static bool same_port(const struct usb_port *a, const struct usb_port *b)
{
    return usb_port_cmp(a, b) == 0;
}

/* ---- looking up ---- */

const struct usb_att *usb_plan_at(const struct usb_plan *p, size_t i)
{
    return i < p->n_att ? &p->att[i] : NULL;
}

const struct usb_att *usb_plan_find(const struct usb_plan *p, uint64_t serial)
{
    for (size_t i = 0; i < p->n_att; i++)
        if (p->att[i].serial == serial)
            return &p->att[i];
    return NULL;
}

const struct usb_att *usb_plan_of(const struct usb_plan *p, const char *usbvm,
                                  const struct usb_port *port)
{
    for (size_t i = 0; i < p->n_att; i++)
        if (strcmp(p->att[i].usbvm, usbvm) == 0 &&
            same_port(&p->att[i].port, port))
            return &p->att[i];
    return NULL;
}

static const struct usb_fact_qube *running(const struct usb_facts *f,
                                           const char *name, uint32_t domid)
{
    for (size_t i = 0; i < f->n_qubes; i++)
        if (f->qubes[i].running && f->qubes[i].domid == domid &&
            strcmp(f->qubes[i].name, name) == 0)
            return &f->qubes[i];
    return NULL;
}

static bool runs(const struct usb_facts *f, uint32_t domid)
{
    for (size_t i = 0; i < f->n_qubes; i++)
        if (f->qubes[i].running && f->qubes[i].domid == domid)
            return true;
    return false;
}

static const struct usb_fact_dev *dev_at(const struct usb_facts *f,
                                         uint32_t backend,
                                         const struct usb_port *port)
{
    for (size_t i = 0; i < f->n_devs; i++)
        if (f->devs[i].backend == backend &&
            same_port(&f->devs[i].d.port, port))
            return &f->devs[i];
    return NULL;
}

/* Does the USBVM say that the device is reset, identified and nobody's? */
static bool is_idle(const struct usb_facts *f, uint32_t backend,
                    const struct usb_port *port)
{
    struct usb_link_state s;

    return f->export(f->arg, backend, port, &s) == 0 && s.link == USB_LINK_IDLE;
}

/* ---- holds ---- */

static struct hold *hold_of(struct usb_plan *p, const char *qube,
                            uint32_t backend, const struct usb_port *port)
{
    for (size_t i = 0; i < p->n_hold; i++)
        if (strcmp(p->hold[i].qube, qube) == 0 &&
            p->hold[i].backend == backend && same_port(&p->hold[i].port, port))
            return &p->hold[i];
    return NULL;
}

static void drop_hold(struct usb_plan *p, struct hold *h)
{
    if (h)
        *h = p->hold[--p->n_hold];
}

/* Without room for it the oldest one goes. */
static struct hold *need_hold(struct usb_plan *p, const struct usb_att *a)
{
    struct hold *h = hold_of(p, a->qube, a->backend, &a->port);

    if (h)
        return h;
    if (p->n_hold == USB_PLAN_MAX)
        drop_hold(p, &p->hold[0]);
    h = &p->hold[p->n_hold++];
    *h = (struct hold){
        .client = a->client, .backend = a->backend, .port = a->port};
    snprintf(h->qube, sizeof(h->qube), "%s", a->qube);
    return h;
}

static void note_failure(struct usb_plan *p, const struct usb_att *a,
                         uint64_t now_ms)
{
    struct hold *h = need_hold(p, a);

    if (a->state == USB_ATT_ATTACHED &&
        now_ms - a->since_ms >= USB_PLAN_STABLE_MS)
        h->tries = 0;
    if (h->tries < USB_PLAN_TRIES)
        h->until_ms = now_ms + ((uint64_t)USB_PLAN_RETRY_MS << h->tries++);
}

/* A USBVM that plugs and unplugs without end must not keep a qube busy. */
static void note_gone(struct usb_plan *p, const struct usb_att *a,
                      uint64_t now_ms)
{
    if (a->state != USB_ATT_ATTACHED ||
        now_ms - a->since_ms < USB_PLAN_STABLE_MS)
        need_hold(p, a)->until_ms = now_ms + USB_PLAN_RETRY_MS;
}

/* ---- ending ---- */

static void end(struct usb_plan *p, struct usb_att *a, uint64_t now_ms,
                enum usb_end why, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

static void end(struct usb_plan *p, struct usb_att *a, uint64_t now_ms,
                enum usb_end why, const char *fmt, ...)
{
    va_list ap;

    if (why == USB_END_FAILED || why == USB_END_TIMEOUT ||
        why == USB_END_CHANGED)
        note_failure(p, a, now_ms);
    if (why == USB_END_GONE)
        note_gone(p, a, now_ms);
    if (why == USB_END_USER)
        need_hold(p, a)->tries = USB_PLAN_TRIES;
    a->state = USB_ATT_CLOSING;
    a->since_ms = now_ms;
    a->end = why;
    va_start(ap, fmt);
    vsnprintf(a->why, sizeof(a->why), fmt, ap);
    va_end(ap);
}

static bool is_same(const struct usb_fact_dev *d, const struct usb_att *a)
{
    return d->known && !d->d.malformed && d->dev.gen == a->dev.gen &&
           d->dev.speed == a->dev.speed &&
           memcmp(d->dev.hash, a->dev.hash, sizeof(a->dev.hash)) == 0;
}

/* What the USBVM says it lends is there, though nobody describes it in full:
 * its describing process may have been started anew. */
static bool is_lent(const struct usb_facts *f, const struct usb_att *a)
{
    struct usb_link_state s;

    return f->export(f->arg, a->backend, &a->port, &s) == 0 &&
           (s.link == USB_LINK_WAITING || s.link == USB_LINK_ATTACHED);
}

/* The device and the two sides still are what was granted? Ends it if not. */
static bool check_sides(struct usb_plan *p, struct usb_att *a,
                        const struct usb_facts *f)
{
    const struct usb_fact_qube *q = running(f, a->qube, a->client);
    const struct usb_fact_qube *u = running(f, a->usbvm, a->backend);
    const struct usb_fact_dev *d = dev_at(f, a->backend, &a->port);
    struct usb_ruling r;

    if (d && d->known)
        a->d = d->d;
    if (!q || !q->policy) {
        end(p, a, f->now_ms, USB_END_QUBE, "the qube ended");
    } else if (!u) {
        end(p, a, f->now_ms, USB_END_USBVM, "%s ended", a->usbvm);
    } else if (!d && !u->unseen && !is_lent(f, a)) {
        end(p, a, f->now_ms, USB_END_GONE, "it was unplugged");
    } else if (d && !is_same(d, a) &&
               (d->known || d->d.malformed || (!u->unseen && !is_lent(f, a)))) {
        end(p, a, f->now_ms, USB_END_CHANGED,
            "it was reset or says something else of itself");
    } else {
        usb_policy_rule(q->policy, &a->d, &a->want, &r);
        if (r.allowed)
            return true;
        end(p, a, f->now_ms, USB_END_DENIED,
            "line %u of the qube's file denies it", r.line);
    }
    return false;
}

/* Which side is late, and what may be wrong with it. */
static void end_late(struct usb_plan *p, struct usb_att *a,
                     const struct usb_facts *f, bool qube_spoke)
{
    end(p, a, f->now_ms, USB_END_TIMEOUT,
        "%s did not report it attached within %d s%s",
        qube_spoke ? a->usbvm : a->qube, USB_PLAN_ATTACH_MS / 1000,
        qube_spoke ? "" : "; does sysqube-usb run in it?");
}

static bool unseen(const struct usb_facts *f, const char *name, uint32_t domid)
{
    const struct usb_fact_qube *q = running(f, name, domid);

    return q && q->unseen;
}

/* What the two sides say. @return true when the state changed */
static bool check_links(struct usb_plan *p, struct usb_att *a,
                        const struct usb_facts *f)
{
    struct usb_link_state in = {0}, out = {0};
    int ri = f->import(f->arg, a->client, a->backend, &a->port, &in);
    int ro = f->export(f->arg, a->backend, &a->port, &out);
    bool both = ri == 0 && in.link == USB_LINK_ATTACHED && ro == 0 &&
                out.link == USB_LINK_ATTACHED;

    if (ri == -EBADMSG || ro == -EBADMSG) {
        end(p, a, f->now_ms, USB_END_FAILED, "%s reports nonsense",
            ri == -EBADMSG ? a->qube : a->usbvm);
    } else if (ri == 0 && in.link == USB_LINK_FAILED) {
        end(p, a, f->now_ms, USB_END_FAILED, "%s reports: %s", a->qube, in.why);
    } else if (ro == 0 && out.link == USB_LINK_FAILED) {
        end(p, a, f->now_ms, USB_END_FAILED, "%s reports: %s", a->usbvm,
            out.why);
    } else if (a->state == USB_ATT_OFFERED && both) {
        a->state = USB_ATT_ATTACHED;
        a->since_ms = f->now_ms;
        a->vhci = in.vhci;
    } else if (a->state == USB_ATT_OFFERED &&
               f->now_ms - a->since_ms >= USB_PLAN_ATTACH_MS) {
        end_late(p, a, f, ri == 0 && in.link == USB_LINK_ATTACHED);
    } else if (a->state == USB_ATT_ATTACHED && !both) {
        bool qube = ri == -ENOENT || in.link != USB_LINK_ATTACHED;

        if (qube ? unseen(f, a->qube, a->client) && ri == -ENOENT
                 : unseen(f, a->usbvm, a->backend) && ro == -ENOENT)
            return false;
        end(p, a, f->now_ms, USB_END_FAILED, "the side of %s ended",
            qube ? a->qube : a->usbvm);
    } else {
        return false;
    }
    return true;
}

/* The USBVM is done with it: reset and identified again, or gone. */
static bool closed(const struct usb_att *a, const struct usb_facts *f)
{
    const struct usb_fact_qube *u = running(f, a->usbvm, a->backend);
    const struct usb_fact_dev *d = dev_at(f, a->backend, &a->port);
    struct usb_link_state out;

    if (!u)
        return true;
    if (u->unseen)
        return false;
    if (!d && f->export(f->arg, a->backend, &a->port, &out) == -ENOENT)
        return true;
    return is_idle(f, a->backend, &a->port);
}

static void forget(struct usb_plan *p, size_t i, const struct usb_facts *f)
{
    struct usb_att *a = &p->att[i];
    struct usb_link_state s;

    if (runs(f, a->client) && p->n_linger < USB_PLAN_MAX &&
        f->import(f->arg, a->client, a->backend, &a->port, &s) != -ENOENT)
        p->linger[p->n_linger++] =
            (struct linger){a->client, a->backend, a->port, a->vport};
    *a = p->att[--p->n_att];
}

/* ---- attaching ---- */

static bool vport_used(const struct usb_plan *p, uint16_t v)
{
    for (size_t i = 0; i < p->n_att; i++)
        if (p->att[i].vport == v)
            return true;
    for (size_t i = 0; i < p->n_linger; i++)
        if (p->linger[i].vport == v)
            return true;
    return false;
}

/* The next free one after the last, so that one rests as long as can be.
 * @return 0: none */
static uint16_t next_vport(const struct usb_plan *p)
{
    uint16_t v = p->last_vport;

    for (unsigned n = 0; n <= USB_GRANT_VPORT_MAX - USB_GRANT_VPORT_MIN;
         n += 2) {
        v = v >= USB_GRANT_VPORT_MAX ? USB_GRANT_VPORT_MIN : (uint16_t)(v + 2);
        if (!vport_used(p, v))
            return v;
    }
    return 0;
}

static bool lingers(const struct usb_plan *p, uint32_t client,
                    const struct usb_fact_dev *d)
{
    for (size_t i = 0; i < p->n_linger; i++)
        if (p->linger[i].client == client &&
            p->linger[i].backend == d->backend &&
            same_port(&p->linger[i].port, &d->d.port))
            return true;
    return false;
}

/* Devices of one qube, those among them that are being taken away. */
static size_t count_of(const struct usb_plan *p, uint32_t client)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n_att; i++)
        n += p->att[i].client == client;
    return n;
}

static bool has_input(const struct usb_device *d)
{
    for (unsigned i = 0; i < d->ifaces.n; i++)
        if (d->ifaces.code[i].cls == CLASS_HID)
            return true;
    return false;
}

/* What the wish asks of the device itself. */
static enum usb_refusal check_want(const struct usb_fact_dev *d,
                                   const struct usb_want *w)
{
    if (d->d.malformed)
        return USB_MALFORMED;
    if (w->some && (w->ifaces & ~usb_ifmap_numbers(&d->d.map)) != 0)
        return USB_NO_IFACE;
    return w->evdev && !has_input(&d->d) ? USB_NO_INPUT : USB_OK;
}

enum usb_refusal usb_plan_check(const struct usb_plan *p,
                                const struct usb_facts *f, size_t qube,
                                size_t dev, const struct usb_want *want,
                                struct usb_answer *ret)
{
    const struct usb_fact_qube *q = &f->qubes[qube];
    const struct usb_fact_dev *d = &f->devs[dev];
    const struct usb_att *a = usb_plan_of(p, d->d.usbvm, &d->d.port);
    enum usb_refusal r = check_want(d, want);

    *ret = (struct usb_answer){.who = ""};
    if (!q->policy)
        return USB_NO_TAKER;
    /* Before anything that waiting could mend. */
    usb_policy_rule(q->policy, &d->d, want, &ret->ruling);
    if (!ret->ruling.allowed)
        return USB_DENIED;
    if (!q->running || q->stopping)
        return USB_OFF;
    if (a) {
        ret->who = a->qube;
        ret->serial = a->serial;
        if (a->state == USB_ATT_CLOSING)
            return USB_WAIT;
        return strcmp(a->qube, q->name) == 0 ? USB_HAS_IT : USB_BUSY;
    }
    if (r != USB_OK)
        return r;
    if (!d->known || !is_idle(f, d->backend, &d->d.port) ||
        lingers(p, q->domid, d))
        return USB_WAIT;
    return p->n_att == USB_PLAN_MAX ||
                   count_of(p, q->domid) >= USB_PLAN_QUBE_MAX ||
                   next_vport(p) == 0
               ? USB_FULL
               : USB_OK;
}

static enum usb_refusal attach(struct usb_plan *p, const struct usb_facts *f,
                               size_t qube, size_t dev,
                               const struct usb_want *want, bool by_itself,
                               struct usb_answer *ret)
{
    const struct usb_fact_dev *d = &f->devs[dev];
    enum usb_refusal r = usb_plan_check(p, f, qube, dev, want, ret);
    struct usb_att *a;

    if (r != USB_OK)
        return r;
    a = &p->att[p->n_att++];
    *a = (struct usb_att){.serial = ++p->serial,
                          .port = d->d.port,
                          .client = f->qubes[qube].domid,
                          .backend = d->backend,
                          .vport = 0,
                          .dev = d->dev,
                          .d = d->d,
                          .want = *want,
                          .by_itself = by_itself,
                          .state = USB_ATT_OFFERED,
                          .since_ms = f->now_ms};
    a->vport = p->last_vport = next_vport(p);
    snprintf(a->qube, sizeof(a->qube), "%s", f->qubes[qube].name);
    snprintf(a->usbvm, sizeof(a->usbvm), "%s", d->d.usbvm);
    ret->serial = a->serial;
    return USB_OK;
}

enum usb_refusal usb_plan_attach(struct usb_plan *p, const struct usb_facts *f,
                                 size_t qube, size_t dev,
                                 const struct usb_want *want,
                                 struct usb_answer *ret)
{
    const struct usb_fact_dev *d = &f->devs[dev];
    enum usb_refusal r = attach(p, f, qube, dev, want, false, ret);

    if (r == USB_OK)
        drop_hold(p, hold_of(p, f->qubes[qube].name, d->backend, &d->d.port));
    return r;
}

int usb_plan_detach(struct usb_plan *p, const struct usb_facts *f,
                    const char *qube, const char *usbvm,
                    const struct usb_port *port)
{
    for (size_t i = 0; i < p->n_att; i++) {
        struct usb_att *a = &p->att[i];

        if (a->state == USB_ATT_CLOSING || strcmp(a->qube, qube) != 0 ||
            strcmp(a->usbvm, usbvm) != 0 || !same_port(&a->port, port))
            continue;
        end(p, a, f->now_ms, USB_END_USER, "it was detached");
        return 0;
    }
    return -ENOENT;
}

void usb_plan_release(struct usb_plan *p, const char *qube)
{
    for (size_t i = 0; i < p->n_hold;) {
        if (strcmp(p->hold[i].qube, qube) == 0)
            drop_hold(p, &p->hold[i]);
        else
            i++;
    }
}

/* ---- the step ---- */

static void prune(struct usb_plan *p, const struct usb_facts *f)
{
    struct usb_link_state s;

    for (size_t i = 0; i < p->n_linger;) {
        const struct linger *l = &p->linger[i];

        if (runs(f, l->client) &&
            f->import(f->arg, l->client, l->backend, &l->port, &s) != -ENOENT)
            i++;
        else
            p->linger[i] = p->linger[--p->n_linger];
    }
    for (size_t i = 0; i < p->n_hold;) {
        struct hold *h = &p->hold[i];
        bool there = dev_at(f, h->backend, &h->port) != NULL;

        if (!there)
            h->tries = 0; /* what is plugged in next is another one */
        if (running(f, h->qube, h->client) &&
            (there || f->now_ms < h->until_ms))
            i++;
        else
            drop_hold(p, h);
    }
}

static bool step_attachments(struct usb_plan *p, const struct usb_facts *f)
{
    bool changed = false;

    for (size_t i = 0; i < p->n_att;) {
        struct usb_att *a = &p->att[i];

        if (a->state == USB_ATT_CLOSING) {
            if (closed(a, f)) {
                forget(p, i, f);
                changed = true;
                continue;
            }
        } else if (!check_sides(p, a, f) || check_links(p, a, f)) {
            changed = true;
        }
        i++;
    }
    return changed;
}

static bool step_assigned(struct usb_plan *p, const struct usb_facts *f,
                          size_t dev)
{
    const struct usb_fact_dev *d = &f->devs[dev];
    const struct usb_assign *a[USB_PLAN_MAX];
    size_t qube[USB_PLAN_MAX];
    struct usb_answer answer;
    const struct hold *h;

    if (f->n_qubes > USB_PLAN_MAX || usb_plan_claims(f, dev, qube, a) != 1 ||
        a[0]->mode == USB_ASSIGN_ASK)
        return false;
    h = hold_of(p, f->qubes[qube[0]].name, d->backend, &d->d.port);
    if (h && (h->tries >= USB_PLAN_TRIES || f->now_ms < h->until_ms))
        return false;
    return attach(p, f, qube[0], dev, &a[0]->want, true, &answer) == USB_OK;
}

bool usb_plan_step(struct usb_plan *p, const struct usb_facts *f)
{
    bool changed = step_attachments(p, f);

    prune(p, f);
    for (size_t i = 0; i < f->n_devs; i++)
        changed |= step_assigned(p, f, i);
    return changed;
}
