/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pair of processes that speak in records of fixed size over a
 * SOCK_SEQPACKET socketpair. effect. The child is a fork+exec of the same
 * or another binary, so the parser's address space is not the monitor's. */
#ifndef SQ_LIB_PRIVSEP_H
#define SQ_LIB_PRIVSEP_H

#include <stddef.h>
#include <sys/types.h>

/** The child's end of the socketpair has this number. */
#define PRIVSEP_CHILD_FD 3

/** Start @p path with @p argv (argv[0] given, NULL ended), the child's end
 *  of a new socketpair as descriptor 3, 0/1/2 kept, all others closed, the
 *  environment passed on, PR_SET_PDEATHSIG=SIGKILL.
 *  @param ret_fd   our end, non-blocking, caller closes
 *  @param ret_pid  child, caller reaps
 *  @return 0; -errno */
int privsep_spawn(const char *path, char *const argv[], int *ret_fd,
                  pid_t *ret_pid);

/** Send one record. @return 0; -EAGAIN the peer does not read (socket
 *  full); -errno */
int privsep_send(int fd, const void *rec, size_t len);
/** Receive one record of exactly @p len bytes.
 *  @return 0; -EAGAIN none there; -ECONNRESET peer gone; -EBADMSG other
 *  size (the receiver in a monitor then ends) */
int privsep_recv(int fd, void *rec, size_t len);

#endif
