/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Long operations. glue. See job.h. Qubes are kept by name, as a reload of
 * the configuration may renumber them. */
#include "dom0/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/report_watch.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"

enum kind { JOB_UP, JOB_DOWN, JOB_RULES };

enum phase { PH_WAIT, PH_BEGUN, PH_RUNNING, PH_DONE, PH_BAD };

struct part {
    char name[CONFIG_NAME_MAX];
    enum phase phase;
    uint64_t at_ms; /* of the phase */
    uint64_t begun_ms;
};

struct job {
    struct job *next;
    enum kind kind;
    struct control_client *client;
    uint64_t begun_ms;
    struct part *parts;
    size_t n;
    bool changed_any;
    json_t *warnings, *done, *failed;
    struct manager_error error; /* the first */
    /* JOB_RULES */
    char qube[CONFIG_NAME_MAX];
    struct job_source *src; /* owned */
    size_t n_src;
    uint64_t limit_ms;
    json_t *extra;
};

struct jobs {
    struct manager *m;
    struct job *first;
    struct usb_ops *usb;
};

int jobs_new(struct manager *m, struct jobs **ret)
{
    struct jobs *j = calloc(1, sizeof(*j));

    if (!j)
        return -ENOMEM;
    j->m = m;
    if (usb_ops_new(m, &j->usb)) {
        free(j);
        return -ENOMEM;
    }
    *ret = j;
    return 0;
}

static void job_free(struct job *o)
{
    json_decref(o->warnings);
    json_decref(o->done);
    json_decref(o->failed);
    json_decref(o->extra);
    free(o->parts);
    free(o->src);
    free(o);
}

void jobs_free(struct jobs *j)
{
    if (!j)
        return;
    while (j->first) {
        struct job *o = j->first;

        j->first = o->next;
        job_free(o);
    }
    usb_ops_free(j->usb);
    free(j);
}

void jobs_forget(struct jobs *j, const struct control_client *c)
{
    for (struct job *o = j->first; o; o = o->next) {
        if (o->client == c)
            o->client = NULL;
    }
    usb_ops_forget(j->usb, c);
}

struct usb_ops *jobs_usb(const struct jobs *j)
{
    return j->usb;
}

static struct job *job_new(struct jobs *j, enum kind kind,
                           struct control_client *c)
{
    struct job *o = calloc(1, sizeof(*o));

    if (!o)
        return NULL;
    o->kind = kind;
    o->client = c;
    o->begun_ms = io_now_ms();
    o->warnings = json_array();
    o->done = json_array();
    o->failed = json_array();
    o->next = j->first;
    j->first = o;
    return o;
}

bool jobs_busy(const struct jobs *j)
{
    for (const struct job *o = j->first; o; o = o->next) {
        if (o->kind != JOB_RULES)
            return true;
    }
    return false;
}

static int new_order(struct jobs *j, enum kind kind, struct control_client *c,
                     struct config_qube *const *order, size_t n)
{
    struct job *o;

    if (jobs_busy(j))
        return -EBUSY;
    o = job_new(j, kind, c);
    if (!o)
        return -ENOMEM;
    o->parts = calloc(n ? n : 1, sizeof(*o->parts));
    if (!o->parts)
        return -ENOMEM; /* an empty job: it ends at the next step */
    o->n = n;
    for (size_t i = 0; i < n; i++)
        snprintf(o->parts[i].name, sizeof(o->parts[i].name), "%s",
                 order[i]->name);
    jobs_step(j);
    return 0;
}

int jobs_up(struct jobs *j, struct control_client *c,
            struct config_qube *const *order, size_t n)
{
    return new_order(j, JOB_UP, c, order, n);
}

int jobs_down(struct jobs *j, struct control_client *c,
              struct config_qube *const *order, size_t n)
{
    return new_order(j, JOB_DOWN, c, order, n);
}

int jobs_rules(struct jobs *j, struct control_client *c, const char *qube,
               struct job_source *src, size_t n, uint64_t limit_ms,
               json_t *extra)
{
    struct job *o = job_new(j, JOB_RULES, c);

    if (!o) {
        free(src);
        json_decref(extra);
        return -ENOMEM;
    }
    snprintf(o->qube, sizeof(o->qube), "%s", qube);
    o->src = src;
    o->n_src = n;
    o->limit_ms = limit_ms;
    o->extra = extra;
    jobs_step(j);
    return 0;
}

/* ---- up ---- */

static double seconds(uint64_t since_ms)
{
    return (double)(io_now_ms() - since_ms) / 1000.0;
}

static void set_phase(struct part *p, enum phase ph)
{
    p->phase = ph;
    p->at_ms = io_now_ms();
}

static void part_failed(struct job *o, struct part *p,
                        const struct manager_error *e)
{
    set_phase(p, PH_BAD);
    json_array_append_new(o->failed, json_string(p->name));
    control_progress(o->client, "%s: failed at step '%s': %.150s", p->name,
                     e->step ? e->step : "start", e->message);
    if (!o->error.step)
        o->error = *e;
}

static void part_warn(struct job *o, struct part *p, const char *what)
{
    char text[256];

    set_phase(p, PH_BAD);
    snprintf(text, sizeof(text), "%s: %s after %.0f s", p->name, what,
             seconds(p->begun_ms));
    json_array_append_new(o->warnings, json_string(text));
    control_progress(o->client, "warning: %s", text);
}

static const struct part *part_of(const struct job *o, const char *name)
{
    for (size_t i = 0; i < o->n; i++) {
        if (!strcmp(o->parts[i].name, name))
            return &o->parts[i];
    }
    return NULL;
}

/* True when the qube could be begun now; a netvm that failed fails it. */
static bool netvm_there(struct jobs *j, struct job *o, struct part *p,
                        size_t index)
{
    struct manager_error e = {.step = "start its netvm"};
    int up = manager_netvm(j->m, index);
    const struct part *netvm;

    if (up < 0 || j->m->qubes[up]->state == QUBE_RUNNING)
        return true;
    netvm = part_of(o, j->m->cfg.qubes[up]->name);
    if (netvm && netvm->phase != PH_BAD && netvm->phase != PH_DONE)
        return false;
    snprintf(e.qube, sizeof(e.qube), "%s", p->name);
    snprintf(e.message, sizeof(e.message), "its netvm %s does not run",
             j->m->cfg.qubes[up]->name);
    snprintf(e.hint, sizeof(e.hint), "sysqube status");
    part_failed(o, p, &e);
    return false;
}

/* False while a USBVM of the same job may still bring a device that the
 * qube requires. */
static bool usb_there(const struct jobs *j, const struct job *o, size_t index)
{
    char why[512];

    if (!usb_world_missing(j->m, index, why))
        return true;
    for (size_t i = 0; i < o->n; i++) {
        const struct part *p = &o->parts[i];
        int k = manager_find(j->m, p->name);

        if (k >= 0 && j->m->cfg.qubes[k]->kind == KIND_USBVM &&
            (p->phase < PH_DONE ||
             (p->phase == PH_DONE && io_now_ms() - p->at_ms < JOB_USB_MS)))
            return false;
    }
    return true; /* the start will say what is missing */
}

/* @return true when a start was tried: one per turn, as it may block */
static bool begin_part(struct jobs *j, struct job *o, struct part *p,
                       size_t index)
{
    struct qube *q = j->m->qubes[index];

    if (q->state == QUBE_STOPPING || !netvm_there(j, o, p, index))
        return false;
    p->begun_ms = io_now_ms();
    if (q->state == QUBE_RUNNING) {
        set_phase(p, PH_RUNNING);
        return false;
    }
    if (q->state != QUBE_STARTING && !usb_there(j, o, index))
        return false;
    if (q->state != QUBE_STARTING) {
        manager_no_restart(j->m, index);
        control_progress(o->client, "%s: starting (%s, image %s)", p->name,
                         config_kind_name(j->m->cfg.qubes[index]->kind),
                         j->m->cfg.qubes[index]->image);
    }
    if (manager_start(j->m, index)) {
        part_failed(o, p, &q->error);
        return true;
    }
    o->changed_any = true;
    set_phase(p, PH_BEGUN);
    return true;
}

static void boot_part(struct jobs *j, struct job *o, struct part *p,
                      size_t index)
{
    const struct qube *q = j->m->qubes[index];

    if (q->state == QUBE_STARTING)
        return;
    if (q->state != QUBE_RUNNING) {
        struct manager_error e = q->error;

        if (!e.step) {
            e.step = "boot";
            snprintf(e.qube, sizeof(e.qube), "%s", p->name);
            snprintf(e.message, sizeof(e.message), "it %s",
                     q->died ? q->died : "ended");
        }
        part_failed(o, p, &e);
        return;
    }
    control_progress(o->client, "%s: running as domain %u (%.1f s)", p->name,
                     q->domid, seconds(p->begun_ms));
    set_phase(p, PH_RUNNING);
}

static void ready_part(struct jobs *j, struct job *o, struct part *p,
                       size_t index)
{
    const char *what = "";

    if (manager_ready(j->m, index, &what)) {
        set_phase(p, PH_DONE);
        json_array_append_new(o->done, json_string(p->name));
        control_progress(o->client, "%s: ready (%.1f s)", p->name,
                         seconds(p->begun_ms));
    } else if (io_now_ms() - p->at_ms > j->m->platform->ops->ready_ms) {
        part_warn(o, p, what);
    }
}

static bool step_up(struct jobs *j, struct job *o)
{
    bool tried = false, finished = true;

    for (size_t i = 0; i < o->n; i++) {
        struct part *p = &o->parts[i];
        int index = manager_find(j->m, p->name);

        if (index < 0)
            set_phase(p, PH_BAD);
        else if (p->phase == PH_WAIT && !tried)
            tried = begin_part(j, o, p, (size_t)index);
        else if (p->phase == PH_BEGUN)
            boot_part(j, o, p, (size_t)index);
        if (index >= 0 && p->phase == PH_RUNNING)
            ready_part(j, o, p, (size_t)index);
        if (p->phase < PH_DONE)
            finished = false;
    }
    return finished;
}

/* ---- down ---- */

static void begin_stop(struct jobs *j, struct job *o, struct part *p,
                       size_t index)
{
    set_phase(p, PH_BEGUN);
    p->begun_ms = p->at_ms;
    if (!manager_is_up(j->m->qubes[index])) {
        set_phase(p, PH_DONE);
        return;
    }
    control_progress(o->client, "%s: shutting down", p->name);
    if (manager_stop(j->m, index))
        manager_kill(j->m, index);
}

static void wait_stop(struct jobs *j, struct job *o, struct part *p,
                      size_t index)
{
    if (manager_is_up(j->m->qubes[index])) {
        if (io_now_ms() - p->at_ms < MANAGER_DOWN_MS)
            return;
        part_warn(o, p, "it did not shut down in time and was ended,");
        manager_kill(j->m, index);
    }
    set_phase(p, PH_DONE);
    json_array_append_new(o->done, json_string(p->name));
    control_progress(o->client, "%s: off (%.1f s)", p->name,
                     seconds(p->begun_ms));
}

/* Qubes of one level stop together, then those above them. */
static bool step_down(struct jobs *j, struct job *o)
{
    unsigned level = 0;
    bool open = false;

    for (size_t i = 0; i < o->n; i++) {
        struct part *p = &o->parts[i];
        int index = manager_find(j->m, p->name);
        unsigned own;

        if (index < 0 || p->phase == PH_DONE) {
            set_phase(p, PH_DONE);
            continue;
        }
        own = j->m->cfg.qubes[index]->level;
        if (open && own != level)
            return false;
        if (p->phase == PH_WAIT)
            begin_stop(j, o, p, (size_t)index);
        if (p->phase == PH_BEGUN)
            wait_stop(j, o, p, (size_t)index);
        if (p->phase < PH_DONE) {
            open = true;
            level = own;
        }
    }
    return !open;
}

/* ---- rules ---- */

static bool handled(const struct manager *m, const struct job_source *s)
{
    int up = manager_find(m, s->netvm);

    return up >= 0 && m->qubes[up]->worker &&
           worker_handled(m->qubes[up]->worker, s->ip, s->push);
}

/* A source whose qube or firewall ended meanwhile has nothing to wait for. */
static bool is_gone(const struct manager *m, const struct job_source *s)
{
    int up = manager_find(m, s->netvm);

    return up < 0 || !manager_is_up(m->qubes[up]);
}

/* All sources handled: their status, and an error if one is blocked. */
static void rules_result(struct jobs *j, struct job *o)
{
    json_t *applied = json_object();

    for (size_t i = 0; i < o->n_src; i++) {
        int up = manager_find(j->m, o->src[i].netvm);
        char text[FW_STATS_TEXT_MAX];
        const char *s =
            up < 0 ? NULL
                   : report_list_status(j->m, (size_t)up, o->src[i].ip, text);

        if (!s)
            continue;
        json_object_set_new(applied, o->src[i].ip, json_string(s));
        if (strncmp(s, "applied", 7) && !o->error.step) {
            o->error.step = "apply the rules";
            snprintf(o->error.message, sizeof(o->error.message),
                     "%s reports for %s: %.200s (%s)", o->src[i].netvm,
                     o->src[i].ip, s,
                     s[0] == 'i' ? "what they would allow is dropped"
                                 : "all its traffic is dropped");
            snprintf(o->error.hint, sizeof(o->error.hint),
                     "the rules are stored; see: sysqube firewall list %s",
                     o->qube);
        }
    }
    json_object_set_new(o->extra, "applied", applied);
}

static bool step_rules(struct jobs *j, struct job *o)
{
    const struct job_source *open = NULL;

    for (size_t i = 0; i < o->n_src; i++) {
        if (!is_gone(j->m, &o->src[i]) && !handled(j->m, &o->src[i]))
            open = &o->src[i];
    }
    if (!open) {
        rules_result(j, o);
        return true;
    }
    if (io_now_ms() - o->begun_ms < o->limit_ms)
        return false;
    o->error.step = "apply the rules";
    snprintf(o->error.message, sizeof(o->error.message),
             "%s did not report within %u s that the new rules of %s are in "
             "force",
             open->netvm, (unsigned)(o->limit_ms / 1000), open->ip);
    snprintf(o->error.hint, sizeof(o->error.hint),
             "the rules are stored; look at: sysqube status");
    return true;
}

/* ---- all ---- */

static void answer(struct job *o)
{
    struct manager_error *e = &o->error;

    if (e->step) {
        if (o->kind == JOB_RULES)
            snprintf(e->qube, sizeof(e->qube), "%s", o->qube);
        control_send(o->client,
                     json_pack("{s:{s:s, s:s, s:s, s:s, s:O, s:O, s:O}}",
                               "error", "qube", e->qube, "step", e->step,
                               "message", e->message, "hint", e->hint, "done",
                               o->done, "failed", o->failed, "warnings",
                               o->warnings));
        return;
    }
    if (o->kind == JOB_RULES) {
        control_send(o->client, json_pack("{s:O}", "ok", o->extra));
        return;
    }
    control_send(o->client, json_pack("{s:{s:O, s:O, s:f}}", "ok", "done",
                                      o->done, "warnings", o->warnings,
                                      "seconds", seconds(o->begun_ms)));
}

static bool step(struct jobs *j, struct job *o)
{
    switch (o->kind) {
    case JOB_UP:
        return step_up(j, o);
    case JOB_DOWN:
        return step_down(j, o);
    case JOB_RULES:
        return step_rules(j, o);
    }
    return true;
}

void jobs_step(struct jobs *j)
{
    struct job **at = &j->first;

    usb_ops_step(j->usb);
    while (*at) {
        struct job *o = *at;

        if (!step(j, o)) {
            at = &o->next;
            continue;
        }
        answer(o);
        *at = o->next;
        job_free(o);
    }
}
