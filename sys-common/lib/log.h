/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log lines to standard error: "name: level: text". effect (write(2) only).
 * Fed by our own code; text from peers must be passed through log_clean().
 * One of the two allowed globals lives here: the level. */
#ifndef SQ_LIB_LOG_H
#define SQ_LIB_LOG_H

#include <stddef.h>

enum log_level { LOG_LEVEL_ERR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/** Set the program's name (borrowed for ever) and level. */
void log_init(const char *name, enum log_level level);

#define log_err(...) log_write(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
void log_write(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** Make untrusted bytes fit for a log line: copies at most @p cap - 1 bytes
 *  of @p src (length @p len), every byte outside 0x20..0x7e becomes '_'.
 *  @return dst, NUL terminated */
const char *log_clean(char *dst, size_t cap, const char *src, size_t len);

#endif
