/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See svc_plan.h. pure. */
#include "init/svc_plan.h"

#include <string.h>

void svc_plan_init(struct svc_plan *p, const struct svc_table *t,
                   uint64_t now_ms)
{
    memset(p, 0, sizeof(*p));
    p->n = t->n;
    for (unsigned i = 0; i < t->n; i++) {
        p->once[i] = t->e[i].once;
        p->s[i].state = SVC_WAITING;
        p->s[i].due_ms = now_ms;
    }
}

static struct svc_step step_of(enum svc_do what, unsigned i, uint64_t until)
{
    struct svc_step s = {.what = what, .i = i, .until_ms = until};

    return s;
}

/* Reverse order; one service at a time has our attention. */
static struct svc_step next_stop(struct svc_plan *p, uint64_t now_ms)
{
    unsigned i = p->n;

    if (now_ms >= p->stop_by_ms)
        return step_of(SVC_DO_HALT, 0, now_ms);
    while (i-- > 0) {
        struct svc_slot *s = &p->s[i];

        if (s->state == SVC_RUNNING) {
            s->state = SVC_TERMED;
            s->due_ms = now_ms + SVC_STOP_ONE_MS;
            return step_of(SVC_DO_TERM, i, now_ms);
        }
        if (s->state == SVC_TERMED && now_ms < s->due_ms)
            return step_of(SVC_DO_WAIT, i,
                           s->due_ms < p->stop_by_ms ? s->due_ms
                                                     : p->stop_by_ms);
    }
    return step_of(SVC_DO_HALT, 0, now_ms);
}

static struct svc_step next_start(const struct svc_plan *p, uint64_t now_ms)
{
    uint64_t until = UINT64_MAX;

    for (unsigned i = 0; i < p->n; i++) {
        const struct svc_slot *s = &p->s[i];

        if (s->state == SVC_WAITING) {
            if (s->due_ms <= now_ms)
                return step_of(SVC_DO_START, i, now_ms);
            if (s->due_ms < until)
                until = s->due_ms;
        }
        if (p->once[i] && s->state != SVC_DONE)
            break;
    }
    return step_of(SVC_DO_WAIT, 0, until);
}

struct svc_step svc_plan_next(struct svc_plan *p, uint64_t now_ms)
{
    return p->stopping ? next_stop(p, now_ms) : next_start(p, now_ms);
}

void svc_plan_started(struct svc_plan *p, unsigned i, bool ok, uint64_t now_ms)
{
    p->s[i].state = SVC_RUNNING;
    p->s[i].since_ms = now_ms;
    if (!ok)
        svc_plan_ended(p, i, now_ms);
}

void svc_plan_ended(struct svc_plan *p, unsigned i, uint64_t now_ms)
{
    struct svc_slot *s = &p->s[i];

    if (p->stopping) {
        s->state = SVC_STOPPED;
        return;
    }
    if (p->once[i]) {
        s->state = SVC_DONE;
        return;
    }
    if (s->backoff_ms == 0 || now_ms - s->since_ms >= SVC_STEADY_MS)
        s->backoff_ms = SVC_BACKOFF_MIN_MS;
    else if (s->backoff_ms > SVC_BACKOFF_MAX_MS / 2)
        s->backoff_ms = SVC_BACKOFF_MAX_MS;
    else
        s->backoff_ms *= 2;
    s->restarts++;
    s->state = SVC_WAITING;
    s->due_ms = now_ms + s->backoff_ms;
}

bool svc_plan_all_begun(const struct svc_plan *p)
{
    for (unsigned i = 0; i < p->n; i++)
        if (p->s[i].state == SVC_WAITING && p->s[i].restarts == 0)
            return false;
    return true;
}

void svc_plan_stop(struct svc_plan *p, uint64_t now_ms)
{
    if (p->stopping)
        return;
    p->stopping = true;
    p->stop_by_ms = now_ms + SVC_STOP_ALL_MS;
    for (unsigned i = 0; i < p->n; i++)
        if (p->s[i].state == SVC_WAITING || p->s[i].state == SVC_DONE)
            p->s[i].state = SVC_STOPPED;
}

enum svc_end svc_plan_shutdown_word(const char *untrusted_value, bool first,
                                    bool *ret_ack)
{
    static const struct {
        const char *word;
        enum svc_end end;
    } words[] = {{"poweroff", SVC_END_POWEROFF},
                 {"halt", SVC_END_HALT},
                 {"reboot", SVC_END_REBOOT}};

    *ret_ack = false;
    if (untrusted_value == NULL)
        return SVC_END_NONE;
    if (untrusted_value[0] == '\0')
        return first ? SVC_END_NONE : SVC_END_POWEROFF;
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(untrusted_value, words[i].word) == 0) {
            *ret_ack = true;
            return words[i].end;
        }
    }
    return SVC_END_NONE;
}
