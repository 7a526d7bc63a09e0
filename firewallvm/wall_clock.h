/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VM's clock of the day and a timer on it: expire= of rules is told in
 * seconds since 1970, and this clock may be set. effect (timerfd). Fed by the
 * kernel. See spec/firewall-rules.md, must 8. */
#ifndef SQ_FIREWALLVM_WALL_CLOCK_H
#define SQ_FIREWALLVM_WALL_CLOCK_H

#include <stdint.h>

/** Seconds since 1970, as the timer below counts them. */
uint64_t wall_clock_now(void);

/** @param ret_fd  a timer that does not run; readable when it has something
 *  to tell; the caller closes it
 *  @return 0; -errno */
int wall_clock_new(int *ret_fd);

/** Fire at second @p when_s, at once if that is past, and also when the
 *  clock is set meanwhile. @param when_s  0: not at all
 *  @return 0; -errno */
int wall_clock_set(int fd, uint64_t when_s);

/** What has happened since the last call?
 *  @return 0 nothing; 1 it fired; -ECANCELED the clock was set (the timer
 *  must be set again); -errno */
int wall_clock_read(int fd);

#endif
