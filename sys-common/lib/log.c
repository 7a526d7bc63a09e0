/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log lines to standard error. effect. See log.h. */
#include "lib/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define LOG_LINE_MAX 1024

static const char *log_name = "sysqube";
static enum log_level log_max = LOG_LEVEL_INFO;

void log_init(const char *name, enum log_level level)
{
    log_name = name;
    log_max = level;
}

void log_write(enum log_level level, const char *fmt, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char line[LOG_LINE_MAX];

    if (level > log_max)
        return;
    int n = snprintf(line, sizeof(line), "%s: %s: ", log_name, names[level]);
    if (n < 0 || (size_t)n >= sizeof(line))
        return;
    va_list ap;
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
    va_end(ap);
    if (m < 0)
        return;
    size_t len = (size_t)n + (size_t)m;
    if (len > sizeof(line) - 2)
        len = sizeof(line) - 2;
    line[len] = '\n';
    ssize_t w = write(STDERR_FILENO, line, len + 1);
    (void)w; /* a log that cannot be written has nowhere to complain */
}

const char *log_clean(char *dst, size_t cap, const char *src, size_t len)
{
    size_t n = 0;

    if (cap == 0)
        return "";
    for (; n < len && n < cap - 1; n++)
        dst[n] = src[n] >= 0x20 && src[n] <= 0x7e ? src[n] : '_';
    dst[n] = '\0';
    return dst;
}
