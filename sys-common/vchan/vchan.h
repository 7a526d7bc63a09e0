/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One byte stream in each direction between two domains, with the body
 * chosen at run time: xen (libxenvchan, spec/vchan.md) or unix (a stream
 * socket, for the netns platform, tests and fuzzing). effect. The peer is
 * hostile unless it is dom0; nothing here interprets its bytes. */
#ifndef SQ_VCHAN_VCHAN_H
#define SQ_VCHAN_VCHAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define VCHAN_PORT_QUBESDB 111u
/** The one request of ioctl(2) that an open vchan makes: on xen
 *  IOCTL_EVTCHN_NOTIFY of <xen/evtchn.h>. */
#define VCHAN_IOCTL 0x00044504ul

enum vchan_body { VCHAN_XEN, VCHAN_UNIX };

struct vchan_addr {
    enum vchan_body body;
    uint32_t peer;   /* domid of the other side */
    uint32_t port;   /* 1..2^31-1 */
    const char *dir; /* unix: folder of the sockets, NULL = /run/vchan */
    uint32_t self;   /* unix, server: own domid (0 in dom0) */
};

struct vchan;

/** Body for this process by env SYSQUBE_PLATFORM: "netns" is unix, anything
 *  else xen. */
enum vchan_body vchan_body_from_env(void);

/** Create the server's side: on xen the ring pages, event channel and the
 *  xenstore keys data/vchan/<peer>/<port>; on unix a listening socket
 *  <dir>/<self>.<port>.sock. Does not wait for the client.
 *  @param ring_bytes  wanted ring size of each direction (xen only), up to
 *                     2^20
 *  @param ret         freed by vchan_free()
 *  @return 0; -EINVAL; -errno */
int vchan_server_new(const struct vchan_addr *addr, size_t ring_bytes,
                     struct vchan **ret);

/** The same with a size for each direction.
 *  @param read_bytes   of the ring the server reads, 1..2^20
 *  @param write_bytes  of the ring the server writes, 1..2^20; on unix it is
 *                      asked for as the socket's send buffer, as far as the
 *                      kernel's limit allows
 *  @return as vchan_server_new() */
int vchan_server_new_rings(const struct vchan_addr *addr, size_t read_bytes,
                           size_t write_bytes, struct vchan **ret);

/** Connect as client, without waiting for a server.
 *  @return 0; -EAGAIN no server yet: try again later; -errno */
int vchan_client_new(const struct vchan_addr *addr, struct vchan **ret);

/** The same, waiting for the server: woken by xenstore, or by the folder of
 *  the sockets. Blocks, so it belongs before the loop.
 *  @return as vchan_client_new(), but -ETIMEDOUT in place of -EAGAIN */
int vchan_client_wait(const struct vchan_addr *addr, int timeout_ms,
                      struct vchan **ret);

/** Remove what is left of a server of this domain that has ended without
 *  vchan_free(): keys in xenstore, or the socket. To be called by its parent
 *  when it is gone, so that the port can be used again.
 *  @return 0, also when there is nothing; -errno */
int vchan_server_forget(const struct vchan_addr *addr);

/** Close and free; NULL is fine. The server of the xen body opens xenstore
 *  to remove its keys: inside a sandbox leave the end to exit(2), on which
 *  the kernel tells the peer. */
void vchan_free(struct vchan *v);

/** Descriptor to watch, and which events (LOOP_READ|LOOP_WRITE of
 *  lib/loop.h). The descriptor may change when a unix server accepts its
 *  client, and the events after each read and write: ask again then. */
int vchan_fd(const struct vchan *v);
unsigned vchan_events(const struct vchan *v);
/** Say whether bytes are wanted now (they are at first). While they are not,
 *  vchan_events() leaves out what would only wake the caller for them; the
 *  caller reads by himself when he wants again. A peer's end may then go
 *  unnoticed. */
void vchan_want_read(struct vchan *v, bool want);

/** Call first when the descriptor was ready: acknowledges the event
 *  channel, or accepts the client. Never blocks.
 *  @return 0; -errno (the vchan is then dead) */
int vchan_ready(struct vchan *v);

enum vchan_state { VCHAN_CLOSED, VCHAN_CONNECTED, VCHAN_WAITING };
/** CLOSED may still have bytes to read. */
enum vchan_state vchan_state(struct vchan *v);

/** Read up to @p len bytes, never waits.
 *  @return bytes; 0 none there now; -ECONNRESET closed and drained; -EPROTO
 *  the peer's ring indexes are impossible; -errno */
ssize_t vchan_read(struct vchan *v, void *buf, size_t len);
/** Write up to @p len bytes, never waits; a shorter count means: wait for
 *  the next event. @return bytes (0 = full); -ECONNRESET; -errno */
ssize_t vchan_write(struct vchan *v, const void *buf, size_t len);
/** Write the pieces in order, as if they were one: the peer is notified once
 *  for all of them, and never sees the first without as many of the others
 *  as fit. @param n  1..VCHAN_IOV_MAX
 *  @return bytes of the sum (short: wait for the next event); -EINVAL;
 *  -EPROTO impossible ring indexes; -ECONNRESET; -errno */
ssize_t vchan_writev(struct vchan *v, const struct iovec *iov, unsigned n);
#define VCHAN_IOV_MAX 64u

#endif
