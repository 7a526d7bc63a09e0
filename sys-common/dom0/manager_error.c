/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why an operation failed. pure. See manager_error.h. */
#include "dom0/manager_error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int manager_error_set(struct manager_error *e, const char *qube,
                      const char *step, const char *hint, const char *fmt, ...)
{
    va_list ap;

    *e = (struct manager_error){.step = step};
    snprintf(e->qube, sizeof(e->qube), "%s", qube);
    snprintf(e->hint, sizeof(e->hint), "%s", hint);
    va_start(ap, fmt);
    vsnprintf(e->message, sizeof(e->message), fmt, ap);
    va_end(ap);
    return -EINVAL;
}
