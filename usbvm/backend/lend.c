/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loans of devices. pure. See lend.h. */
#include "usbvm/backend/lend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"

enum phase {
    NEW,     /* to be probed */
    PROBING, /* usb-probe runs */
    READY,   /* identified, may be lent */
    UNSOUND, /* it could not be identified, or is a hub */
    LENT,    /* usb-export runs */
    ENDING,  /* usb-export was told to end */
};

/* One device from plug to unplug. */
struct row {
    struct usb_seen seen;
    enum phase phase;
    bool used;    /* since it was last reset */
    bool there;   /* in the scan that is being taken */
    uint32_t job; /* that runs for it; 0 none */
    uint64_t gen;
    struct usb_dev dev; /* READY and later */
    bool granted;       /* grant has the present one */
    bool wanted;        /* seen in the reading that is being taken */
    struct usb_grant grant;
    bool spent; /* grant was used, or cannot be */
    char text[LEND_KEYS][USB_GRANT_TEXT_MAX];
};
_Static_assert(USB_IFMAP_TEXT_MAX <= USB_GRANT_TEXT_MAX, "texts");

struct lend {
    const struct lend_ops *ops;
    void *arg;
    uint64_t next_gen;
    uint32_t next_job;
    unsigned probes;
    size_t n;
    struct row *rows[LEND_MAX];
};

struct lend *lend_new(uint64_t first_gen, const struct lend_ops *ops, void *arg)
{
    struct lend *l = calloc(1, sizeof(*l));

    if (!l)
        return NULL;
    l->ops = ops;
    l->arg = arg;
    l->next_gen = first_gen;
    l->next_job = 1;
    return l;
}

void lend_free(struct lend *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->n; i++)
        free(l->rows[i]);
    free(l);
}

static void set_key(struct lend *l, struct row *w, enum lend_key key,
                    const char *value)
{
    if (strcmp(w->text[key], value ? value : "") == 0)
        return;
    snprintf(w->text[key], sizeof(w->text[key]), "%s", value ? value : "");
    l->ops->key(&w->seen.port, key, value, l->arg);
}

static void set_failed(struct lend *l, struct row *w, const char *why)
{
    struct usb_link_state state = {.link = USB_LINK_FAILED};
    char text[USB_GRANT_TEXT_MAX];

    snprintf(state.why, sizeof(state.why), "%s", why);
    (void)usb_export_format(&state, text);
    set_key(l, w, LEND_KEY_EXPORT, text);
}

static uint32_t new_job(struct lend *l)
{
    uint32_t job = l->next_job++;

    if (l->next_job == 0)
        l->next_job = 1;
    return job;
}

/* Its texts go while nothing is known of it, but a failure stays to be read
 * for as long as the grant that failed stands. */
static void probe(struct lend *l, struct row *w)
{
    if (l->probes >= LEND_PROBES)
        return;
    set_key(l, w, LEND_KEY_DEV, NULL);
    set_key(l, w, LEND_KEY_NUM, NULL);
    set_key(l, w, LEND_KEY_IF, NULL);
    if (!w->granted || !w->spent)
        set_key(l, w, LEND_KEY_EXPORT, NULL);
    set_key(l, w, LEND_KEY_STAT, NULL);
    w->job = new_job(l);
    w->phase = PROBING;
    l->probes++;
    int r = w->seen.hub ? l->ops->hub(w->job, &w->seen, l->arg)
                        : l->ops->probe(w->job, &w->seen, w->used, l->arg);
    if (r == 0)
        return;
    l->probes--;
    w->job = 0;
    w->phase = UNSOUND;
    if (!w->seen.hub)
        set_failed(l, w, err_text(r));
}

static bool is_for(const struct usb_grant *g, const struct usb_dev *dev)
{
    return g->gen == dev->gen && memcmp(g->hash, dev->hash, 32) == 0;
}

static void lend_out(struct lend *l, struct row *w)
{
    w->spent = true;
    if (!is_for(&w->grant, &w->dev)) {
        set_failed(l, w,
                   w->grant.gen == w->dev.gen
                       ? "the device is not the one that was granted"
                       : "it was plugged in again after the grant");
        return;
    }
    w->job = new_job(l);
    w->phase = LENT;
    w->used = true;
    int r = l->ops->lend(w->job, &w->seen, &w->grant, l->arg);
    if (r == 0)
        return;
    w->job = 0;
    w->phase = READY;
    w->used = false;
    set_failed(l, w, err_text(r));
}

static void step(struct lend *l, struct row *w)
{
    switch (w->phase) {
    case NEW:
        probe(l, w);
        break;
    case READY:
        if (w->granted && !w->spent)
            lend_out(l, w);
        else if (!w->granted)
            set_key(l, w, LEND_KEY_EXPORT, "idle");
        break;
    case LENT:
        if (w->granted && w->spent)
            break;
        w->phase = ENDING;
        l->ops->stop(w->job, l->arg);
        break;
    case PROBING:
    case UNSOUND:
    case ENDING:
        break;
    }
}

static void step_all(struct lend *l)
{
    for (size_t i = 0; i < l->n; i++)
        step(l, l->rows[i]);
}

static struct row *find_port(struct lend *l, const struct usb_port *port)
{
    for (size_t i = 0; i < l->n; i++)
        if (usb_port_cmp(&l->rows[i]->seen.port, port) == 0)
            return l->rows[i];
    return NULL;
}

static struct row *find_job(struct lend *l, uint32_t job)
{
    for (size_t i = 0; i < l->n && job != 0; i++)
        if (l->rows[i]->job == job)
            return l->rows[i];
    return NULL;
}

static void drop(struct lend *l, size_t at)
{
    struct row *w = l->rows[at];

    if (w->phase == LENT)
        l->ops->stop(w->job, l->arg);
    if (w->phase == PROBING)
        l->probes--;
    for (int k = 0; k < LEND_KEYS; k++)
        set_key(l, w, (enum lend_key)k, NULL);
    free(w);
    l->n--;
    memmove(&l->rows[at], &l->rows[at + 1], (l->n - at) * sizeof(l->rows[0]));
}

static void add(struct lend *l, const struct usb_seen *seen)
{
    struct row *w = l->n < LEND_MAX ? calloc(1, sizeof(*w)) : NULL;

    if (!w)
        return;
    w->seen = *seen;
    w->there = true;
    w->used = seen->used;
    w->gen = l->next_gen++;
    l->rows[l->n++] = w;
}

/* The same plug: the kernel numbers a device anew at each. */
static bool same(const struct usb_seen *a, const struct usb_seen *b)
{
    return a->number == b->number && a->hub == b->hub;
}

void lend_devices(struct lend *l, const struct usb_seen *seen, size_t n)
{
    for (size_t i = 0; i < l->n; i++)
        l->rows[i]->there = false;
    for (size_t i = 0; i < n; i++) {
        struct row *w = find_port(l, &seen[i].port);
        if (w && same(&w->seen, &seen[i]))
            w->there = true;
    }
    for (size_t i = l->n; i > 0; i--)
        if (!l->rows[i - 1]->there)
            drop(l, i - 1);
    for (size_t i = 0; i < n; i++)
        if (!find_port(l, &seen[i].port))
            add(l, &seen[i]);
    step_all(l);
}

void lend_grants_begin(struct lend *l)
{
    for (size_t i = 0; i < l->n; i++)
        l->rows[i]->wanted = false;
}

static bool grant_eq(const struct usb_grant *a, const struct usb_grant *b)
{
    return a->client == b->client && a->vport == b->vport && a->gen == b->gen &&
           memcmp(a->hash, b->hash, sizeof(a->hash)) == 0 &&
           a->interfaces == b->interfaces && a->mode == b->mode &&
           a->events == b->events;
}

void lend_grants_add(struct lend *l, const struct usb_port *port,
                     const struct usb_grant *grant)
{
    struct row *w = find_port(l, port);

    if (!w || !grant)
        return;
    w->wanted = true;
    if (w->granted && grant_eq(&w->grant, grant))
        return;
    w->granted = true;
    w->grant = *grant;
    w->spent = false;
}

void lend_grants_end(struct lend *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct row *w = l->rows[i];
        if (w->wanted)
            continue;
        w->granted = false;
        w->spent = false;
    }
    step_all(l);
}

void lend_probed(struct lend *l, uint32_t job, const struct usb_probe_rec *rec)
{
    struct row *w = find_job(l, job);
    char text[USB_GRANT_TEXT_MAX], map[USB_IFMAP_TEXT_MAX], number[8];
    char why[USB_GRANT_WHY_MAX];

    if (!w || w->phase != PROBING || w->seen.hub)
        return;
    w->phase = UNSOUND; /* until its usb-probe has ended */
    l->probes--;
    if (rec->status != 0) {
        set_failed(l, w, usb_probe_text(rec, why));
        return;
    }
    w->dev = (struct usb_dev){.gen = w->gen, .speed = (uint8_t)rec->speed};
    memcpy(w->dev.hash, rec->hash, sizeof(w->dev.hash));
    if (usb_dev_format(&w->dev, text) < 0) {
        set_failed(l, w, "its speed is not supported");
        return;
    }
    w->used = false;
    w->phase = READY;
    set_key(l, w, LEND_KEY_IF, usb_probe_ifmap(rec, map));
    snprintf(number, sizeof(number), "%u", w->seen.number);
    set_key(l, w, LEND_KEY_NUM, number);
    set_key(l, w, LEND_KEY_DEV, text);
    step_all(l);
}

void lend_record(struct lend *l, uint32_t job, const struct usb_export_rec *rec)
{
    struct row *w = find_job(l, job);
    char text[USB_GRANT_TEXT_MAX];

    if (!w || w->phase != LENT)
        return;
    if (rec->kind == EXPORT_STATE)
        set_key(l, w, LEND_KEY_EXPORT, export_msg_status(rec, text));
    set_key(l, w, LEND_KEY_STAT, export_msg_stat(rec, text));
}

static bool says_failed(const struct row *w)
{
    return strncmp(w->text[LEND_KEY_EXPORT], "failed ", 7) == 0;
}

void lend_job_ended(struct lend *l, uint32_t job)
{
    struct row *w = find_job(l, job);

    if (!w)
        return;
    w->job = 0;
    if (w->phase == PROBING) { /* it has not said anything */
        l->probes--;
        w->phase = UNSOUND;
        if (!w->seen.hub)
            set_failed(l, w, "the device could not be identified");
    } else if (w->phase == LENT || w->phase == ENDING) {
        if (w->phase == LENT && !says_failed(w))
            set_failed(l, w, "usb-export died");
        w->phase = NEW;
    }
    step_all(l);
}
