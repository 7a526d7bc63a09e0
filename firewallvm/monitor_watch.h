/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel tells the monitor unasked: network devices come and go,
 * and somebody else has changed the table. effect (netlink groups). Fed by
 * the kernel. */
#ifndef SQ_FIREWALLVM_MONITOR_WATCH_H
#define SQ_FIREWALLVM_MONITOR_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct monitor_watch;

/** Called for a device other than lo. @return 0; -errno ends the run */
typedef int (*monitor_device_fn)(const char *name, bool there, void *arg);

/** @param portid  of the socket whose own changes are not told
 *  @param ret     freed by monitor_watch_free(). @return 0; -errno */
int monitor_watch_new(uint32_t portid, struct monitor_watch **ret);
void monitor_watch_free(struct monitor_watch *w);

/** Descriptors for LOOP_READ. */
int monitor_watch_devices_fd(const struct monitor_watch *w);
int monitor_watch_table_fd(const struct monitor_watch *w);

/** Tell every device that is there, and those that went since the last
 *  time. @return 0; -errno */
int monitor_watch_all_devices(struct monitor_watch *w, monitor_device_fn fn,
                              void *arg);
/** Tell what has changed. @return as above */
int monitor_watch_devices(struct monitor_watch *w, monitor_device_fn fn,
                          void *arg);

/** Has somebody else changed our table (or may have, as the kernel could
 *  not tell everything)? @return 0; -errno */
int monitor_watch_table(struct monitor_watch *w, bool *ret_changed);

#endif
