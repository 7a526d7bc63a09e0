/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Console lines of a service: bytes of its output to whole, clean lines with
 * the service's name in front. pure. Fed by the services' stdout and stderr
 * (may repeat hostile text). Does not write anywhere. */
#ifndef SQ_INIT_SVC_LOG_H
#define SQ_INIT_SVC_LOG_H

#include <stdbool.h>
#include <stddef.h>

#define SVC_LOG_LINE_MAX 512 /* bytes of a service's line that are kept */
/* "name: " + line + newline */
#define SVC_LOG_OUT_MAX (24 + 2 + SVC_LOG_LINE_MAX + 1)

struct svc_log {
    char line[SVC_LOG_LINE_MAX];
    size_t len;
    bool cut; /* the rest of this line is thrown away */
};

/** Receives one line with its newline; @p line is borrowed for the call. */
typedef void (*svc_log_cb)(const char *line, size_t len, void *arg);

/** Take in bytes and give out each completed line. A line longer than
 *  SVC_LOG_LINE_MAX is given out cut; bytes outside 0x20..0x7e (tab becomes
 *  a blank) become '_'; a carriage return at the end is dropped; empty
 *  lines give nothing. A line that already begins with "NAME: " gets no
 *  second one.
 *  @param name  the service's name, shorter than 24 bytes */
void svc_log_feed(struct svc_log *l, const char *name, const char *data,
                  size_t len, svc_log_cb cb, void *arg);

/** Give out what is there without its newline (the service has ended). */
void svc_log_flush(struct svc_log *l, const char *name, svc_log_cb cb,
                   void *arg);

#endif
