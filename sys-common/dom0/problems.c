/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of complaints. pure. See problems.h. */
#include "dom0/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

static void add(struct problems *p, const char *file, unsigned line,
                unsigned column, const char *raw)
{
    struct problem *v;

    if (p->n >= PROBLEMS_MAX) {
        p->lost++;
        return;
    }
    v = realloc(p->v, (p->n + 1) * sizeof(*v));
    if (!v) {
        p->lost++;
        return;
    }
    p->v = v;
    v += p->n++;
    v->file = file ? strdup(file) : NULL;
    v->line = line;
    v->column = column;
    log_clean(v->text, sizeof(v->text), raw, strlen(raw));
}

void problems_add(struct problems *p, const char *file, unsigned line,
                  const char *fmt, ...)
{
    char raw[PROBLEM_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(raw, sizeof(raw), fmt, ap);
    va_end(ap);
    add(p, file, line, 0, raw);
}

void problems_add_at(struct problems *p, const char *file, unsigned line,
                     unsigned column, const char *fmt, ...)
{
    char raw[PROBLEM_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(raw, sizeof(raw), fmt, ap);
    va_end(ap);
    add(p, file, line, column, raw);
}

size_t problems_count(const struct problems *p)
{
    return p->n + p->lost;
}

static int problem_cmp(const struct problem *a, const struct problem *b)
{
    int r = strcmp(a->file ? a->file : "", b->file ? b->file : "");

    if (r)
        return r;
    return a->line < b->line ? -1 : a->line > b->line;
}

void problems_sort(struct problems *p)
{
    /* insertion sort: few entries, and it is stable */
    for (size_t i = 1; i < p->n; i++) {
        struct problem t = p->v[i];
        size_t j = i;

        while (j > 0 && problem_cmp(&p->v[j - 1], &t) > 0) {
            p->v[j] = p->v[j - 1];
            j--;
        }
        p->v[j] = t;
    }
}

const char *problems_line(const struct problem *p, char *dst, size_t cap)
{
    if (!p->file)
        snprintf(dst, cap, "%s", p->text);
    else if (p->line && p->column)
        snprintf(dst, cap, "%s:%u:%u: %s", p->file, p->line, p->column,
                 p->text);
    else if (p->line)
        snprintf(dst, cap, "%s:%u: %s", p->file, p->line, p->text);
    else
        snprintf(dst, cap, "%s: %s", p->file, p->text);
    return dst;
}

void problems_free(struct problems *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->v[i].file);
    free(p->v);
    *p = (struct problems){0};
}
