/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The console of a qube on the netns platform: a pty whose other side is the
 * qube's /dev/console, a log file of bounded size, and attached readers.
 * effect. The bytes come from a qube (hostile) and are never looked at. */
#ifndef SQ_DOM0_NETNS_CONSOLE_H
#define SQ_DOM0_NETNS_CONSOLE_H

#include <stddef.h>

#include "lib/loop.h"

#define CONSOLE_LOG_MAX (1 << 20) /* then it becomes .1 and starts again */
#define CONSOLE_CLIENTS_MAX 4
#define CONSOLE_RING 8192 /* what a new reader is shown */

struct netns_console;

/** Open a pty and the log.
 *  @param log  path of the log file; an older one becomes LOG.1
 *  @param ret  freed by netns_console_free()
 *  @return 0; -errno */
int netns_console_new(struct loop *loop, const char *log,
                      struct netns_console **ret);
void netns_console_free(struct netns_console *c);

/** The qube's side: descriptor (stays ours) and device path. */
int netns_console_slave(const struct netns_console *c);
const char *netns_console_path(const struct netns_console *c);

/** A new reader and writer. @return descriptor the caller closes; -EBUSY
 *  there are CONSOLE_CLIENTS_MAX already; -errno */
int netns_console_attach(struct netns_console *c);

#endif
