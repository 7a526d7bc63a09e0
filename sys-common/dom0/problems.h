/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A list of complaints about the configuration, each with file and line, so
 * that all of them are shown and not only the first. pure. Fed by the
 * checks of the configuration; texts may quote it, cleaned to ASCII. */
#ifndef SQ_DOM0_PROBLEMS_H
#define SQ_DOM0_PROBLEMS_H

#include <stddef.h>

#define PROBLEMS_MAX 500     /* more are counted, not kept */
#define PROBLEM_TEXT_MAX 320 /* bytes, NUL included */

struct problem {
    char *file;      /* NULL: no particular file */
    unsigned line;   /* 0: the whole file */
    unsigned column; /* byte of the line, from 1; 0: the whole line */
    char text[PROBLEM_TEXT_MAX];
};

struct problems {
    struct problem *v;
    size_t n;
    size_t lost; /* not kept: over PROBLEMS_MAX or out of memory */
};

/** Add one complaint; never fails (a lost one is counted).
 *  @param file  copied; NULL for none
 *  @param line  from 1; 0 for the whole file */
void problems_add(struct problems *p, const char *file, unsigned line,
                  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/** The same with a column. */
void problems_add_at(struct problems *p, const char *file, unsigned line,
                     unsigned column, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/** How many there are, kept or not. */
size_t problems_count(const struct problems *p);

/** Sort by file and line; equal ones keep their order. */
void problems_sort(struct problems *p);

/** One line "file:line[:column]: text" without a newline.
 *  @return dst, NUL terminated, cut at @p cap */
const char *problems_line(const struct problem *p, char *dst, size_t cap);

/** Free what it holds; the struct is empty and usable again. */
void problems_free(struct problems *p);

#endif
