/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why an operation failed, for a person. pure. */
#ifndef SQ_DOM0_MANAGER_ERROR_H
#define SQ_DOM0_MANAGER_ERROR_H

#include "dom0/config.h"

/** Why and where something failed. {0} is no error. */
struct manager_error {
    char qube[CONFIG_NAME_MAX]; /* "" for none */
    const char *step;           /* static; NULL: no error */
    char message[512];
    char hint[256];
};

/** Fill one in; what does not fit is cut off.
 *  @param step  static
 *  @return -EINVAL */
int manager_error_set(struct manager_error *e, const char *qube,
                      const char *step, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

#endif
