/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Error convention of the whole project: a function returns 0 (or a count)
 * or -errno. pure. Meanings of our own:
 *   -EBADMSG  malformed bytes or text from a peer or a file
 *   -ENOBUFS  the caller's buffer or a named limit is too small
 *   -EPROTO   well formed, but not allowed in this state
 *   -ETIMEDOUT a deadline passed
 * Does not log and never ends the process. */
#ifndef SQ_LIB_ERR_H
#define SQ_LIB_ERR_H

#include <errno.h>

/** Text of an error for a person.
 *  @param err  negative errno value (a positive one is taken as well)
 *  @return static string; never NULL; our own meanings for the four above */
const char *err_text(int err);

/** The negative of errno; -EIO where errno is 0, so never success.
 *  @return a negative errno value */
int err_last(void);

#endif
