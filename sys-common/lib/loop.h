/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop: libevent core, wrapped once so that nothing else of the
 * tree sees it. effect. Callbacks must not block. */
#ifndef SQ_LIB_LOOP_H
#define SQ_LIB_LOOP_H

#include <stdint.h>

#define LOOP_READ 1u
#define LOOP_WRITE 2u

struct loop;
struct loop_io;    /* a watched descriptor */
struct loop_timer; /* one-shot or periodic timer */
struct loop_sig;   /* a signal */

typedef void (*loop_io_cb)(int fd, unsigned events, void *arg);
typedef void (*loop_cb)(void *arg);
typedef void (*loop_sig_cb)(int signo, void *arg);

/** @param ret  new loop, freed with loop_free() (NULL is fine)
 *  @return 0; -ENOMEM */
int loop_new(struct loop **ret);
void loop_free(struct loop *l);

/** Watch @p fd (borrowed) level-triggered for @p events.
 *  @param ret  freed with loop_io_free() before the descriptor is closed;
 *              may be freed within its own callback
 *  @return 0; -ENOMEM; -EINVAL */
int loop_io_new(struct loop *l, int fd, unsigned events, loop_io_cb cb,
                void *arg, struct loop_io **ret);
/** Change what is watched; 0 pauses. @return 0; -EINVAL */
int loop_io_events(struct loop_io *io, unsigned events);
void loop_io_free(struct loop_io *io);

/** A timer, not yet running. @return 0; -ENOMEM */
int loop_timer_new(struct loop *l, loop_cb cb, void *arg,
                   struct loop_timer **ret);
/** (Re)start: fires once after @p ms. @return 0; -EINVAL */
int loop_timer_start(struct loop_timer *t, uint32_t ms);
void loop_timer_stop(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t);

/** Call @p cb in the loop (not in the handler) when @p signo comes.
 *  @return 0; -ENOMEM */
int loop_sig_new(struct loop *l, int signo, loop_sig_cb cb, void *arg,
                 struct loop_sig **ret);
void loop_sig_free(struct loop_sig *s);

/** Run until loop_stop(). @return the code given to loop_stop(); -EIO */
int loop_run(struct loop *l);
void loop_stop(struct loop *l, int code);

#endif
