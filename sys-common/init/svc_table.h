/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The service table of an appliance: text to entries. pure. Fed by
 * /etc/sysqube/services of the image (trusted, yet parsed strictly: a
 * mistake is refused with its line). Grammar, one service per line:
 *
 *   [@xen | @netns] NAME[+tty][+once] UID GID CAPS COMMAND [ARG...]
 *
 * Blanks (space, tab) part the fields; '#' as the first character of a line
 * or after a blank begins a comment; empty lines are skipped.
 *   @xen, @netns   the line counts on that platform only; the prefix may be
 *                  a field of its own or be joined to NAME by ':'
 *   NAME           1..23 of [a-z0-9-], unique in what remains
 *   +tty           gets /dev/console as its controlling terminal
 *   +once          is run to its end before the next line is started, and
 *                  not started again
 *   UID, GID       decimal
 *   CAPS           "-" none, "all", or names without "cap_", by commas
 *   COMMAND        absolute path; no quoting anywhere
 *
 * Does not look at the file system and starts nothing. */
#ifndef SQ_INIT_SVC_TABLE_H
#define SQ_INIT_SVC_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SVC_MAX 24         /* services in a table */
#define SVC_NAME_MAX 24    /* with its NUL */
#define SVC_ARGS_MAX 24    /* COMMAND and its arguments */
#define SVC_LINE_MAX 512   /* bytes of one line */
#define SVC_FILE_MAX 16384 /* bytes of the whole table */
#define SVC_CAPS_ALL UINT64_MAX

enum svc_platform { SVC_XEN, SVC_NETNS };

struct svc_entry {
    char name[SVC_NAME_MAX];
    uint32_t uid;
    uint32_t gid;
    uint64_t caps; /* bit n = capability n; SVC_CAPS_ALL for "all" */
    bool tty;
    bool once;
    unsigned argc;              /* 1..SVC_ARGS_MAX */
    uint16_t arg[SVC_ARGS_MAX]; /* offsets of NUL ended texts in text[] */
    char text[SVC_LINE_MAX];
};

struct svc_table {
    unsigned n;
    struct svc_entry e[SVC_MAX]; /* in the order of the file */
};

/** Parse a whole table.
 *  @param data      text, @p len bytes, borrowed
 *  @param platform  lines of the other platform are checked and left out
 *  @param ret       written on success only
 *  @param ret_line  on failure: number of the bad line from 1 (0: the whole)
 *  @param ret_why   on failure: static text of what was expected
 *  @return 0; -EBADMSG bad line; -ENOBUFS over a limit above; -EEXIST a
 *  name twice */
int svc_table_parse(const char *data, size_t len, enum svc_platform platform,
                    struct svc_table *ret, unsigned *ret_line,
                    const char **ret_why);

/** One argument of an entry (0 = the command); borrowed from @p e. */
const char *svc_table_arg(const struct svc_entry *e, unsigned i);

/** Capability names separated by commas, "-" or "all", to a mask.
 *  @return 0; -EBADMSG unknown, empty or doubled name */
int svc_table_caps(const char *text, size_t len, uint64_t *ret);

#endif
