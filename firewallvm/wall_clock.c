/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A timer on the clock of the day. effect. Fed by the kernel. See
 * wall_clock.h. */
#include "firewallvm/wall_clock.h"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"

uint64_t wall_clock_now(void)
{
    struct timespec t = {0};

    /* Not time(): its coarse clock lags behind the timer. */
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec > 0 ? (uint64_t)t.tv_sec : 0;
}

int wall_clock_new(int *ret_fd)
{
    int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);

    if (fd < 0)
        return err_last();
    *ret_fd = fd;
    return 0;
}

int wall_clock_set(int fd, uint64_t when_s)
{
    const struct itimerspec at = {.it_value.tv_sec = (time_t)when_s};
    const int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;

    /* ECANCELED: it is set all the same, and will also be read. */
    if (timerfd_settime(fd, flags, &at, NULL) != 0 && errno != ECANCELED)
        return err_last();
    return 0;
}

int wall_clock_read(int fd)
{
    uint64_t fired;
    ssize_t n = read(fd, &fired, sizeof(fired));

    if (n >= 0)
        return 1;
    return errno == EAGAIN || errno == EINTR ? 0 : err_last();
}
