/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is assigned a USB device, and what is a question. pure. See
 * usb_plan.h. */
#include <string.h>

#include "dom0/usb_plan.h"

/* The line by which a running qube claims the device; NULL: it does not. */
static const struct usb_assign *claim_of(const struct usb_fact_qube *q,
                                         const struct usb_device *d,
                                         int *ret_rank)
{
    const struct usb_assign *a;
    struct usb_ruling r;

    if (!q->running || q->stopping || !q->policy)
        return NULL;
    a = usb_policy_assigned(q->policy, d, ret_rank);
    if (!a || a->mode == USB_ASSIGN_MANUAL)
        return NULL;
    usb_policy_rule(q->policy, d, &a->want, &r);
    return r.allowed ? a : NULL;
}

size_t usb_plan_claims(const struct usb_facts *f, size_t dev, size_t *ret,
                       const struct usb_assign **ret_a)
{
    int best = -1, rank = -1;
    size_t n = 0;

    for (size_t i = 0; i < f->n_qubes; i++) {
        const struct usb_assign *a =
            claim_of(&f->qubes[i], &f->devs[dev].d, &rank);

        if (!a || rank < best)
            continue;
        if (rank > best)
            n = 0;
        best = rank;
        if (ret_a)
            ret_a[n] = a;
        ret[n++] = i;
    }
    return n;
}

size_t usb_plan_question(const struct usb_plan *p, const struct usb_facts *f,
                         size_t dev, size_t *ret)
{
    const struct usb_fact_dev *d = &f->devs[dev];
    const struct usb_assign *a[USB_PLAN_MAX];
    size_t n;

    if (f->n_qubes > USB_PLAN_MAX || !d->known || d->d.malformed ||
        usb_plan_of(p, d->d.usbvm, &d->d.port))
        return 0;
    n = usb_plan_claims(f, dev, ret, a);
    return n == 1 && a[0]->mode != USB_ASSIGN_ASK ? 0 : n;
}

const struct usb_assign *usb_plan_missing(const struct usb_plan *p,
                                          const struct usb_facts *f,
                                          const struct usb_policy *policy)
{
    for (size_t i = 0; i < policy->n_assigns; i++) {
        const struct usb_assign *a = &policy->assigns[i];
        bool there = a->mode != USB_ASSIGN_REQUIRED;

        for (size_t k = 0; !there && k < f->n_devs; k++) {
            const struct usb_fact_dev *d = &f->devs[k];
            struct usb_ruling r;

            usb_policy_rule(policy, &d->d, &a->want, &r);
            there = d->known && !d->d.malformed && r.allowed &&
                    usb_select_rank(&a->sel, &d->d, NULL) >= 0 &&
                    !usb_plan_of(p, d->d.usbvm, &d->d.port);
        }
        if (!there)
            return a;
    }
    return NULL;
}

static bool has_one(const struct usb_plan *p, const char *qube,
                    const struct usb_select *sel)
{
    const struct usb_att *a;

    for (size_t i = 0; (a = usb_plan_at(p, i)) != NULL; i++) {
        if (a->state == USB_ATT_ATTACHED && strcmp(a->qube, qube) == 0 &&
            usb_select_rank(sel, &a->d, NULL) >= 0)
            return true;
    }
    return false;
}

bool usb_plan_has_required(const struct usb_plan *p, const char *qube,
                           const struct usb_policy *policy)
{
    for (size_t i = 0; i < policy->n_assigns; i++) {
        if (policy->assigns[i].mode == USB_ASSIGN_REQUIRED &&
            !has_one(p, qube, &policy->assigns[i].sel))
            return false;
    }
    return true;
}
