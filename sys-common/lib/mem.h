/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ownership idioms: cleanup attributes, hand-over, checked array size.
 * pure. Fed by: our own code only. Header only, nothing over three lines. */
#ifndef SQ_LIB_MEM_H
#define SQ_LIB_MEM_H

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

static inline void mem_free_p(void *p)
{
    free(*(void **)p);
}

static inline void mem_close_p(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/** The variable is freed at the end of its scope. Initialise it (NULL). */
#define CLEANUP_FREE __attribute__((cleanup(mem_free_p)))
/** The descriptor is closed at the end of its scope. Initialise it (-1). */
#define CLEANUP_FD __attribute__((cleanup(mem_close_p)))

/** Hand over a pointer: yields its value, leaves NULL behind. */
#define STEAL(p)                                                             \
    ({                                                                       \
        __typeof__(p) steal_tmp_ = (p);                                      \
        (p) = NULL;                                                          \
        steal_tmp_;                                                          \
    })
/** Hand over a descriptor: yields its value, leaves -1 behind. */
#define STEAL_FD(fd)                                                         \
    ({                                                                       \
        int steal_tmp_ = (fd);                                               \
        (fd) = -1;                                                           \
        steal_tmp_;                                                          \
    })

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
