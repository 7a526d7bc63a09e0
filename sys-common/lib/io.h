/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small file and socket helpers. effect. Fed by local files and sockets.
 * Every read has a limit; every descriptor made is CLOEXEC. */
#ifndef SQ_LIB_IO_H
#define SQ_LIB_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** Read a whole file of at most @p max bytes.
 *  @param ret_data  malloc'ed, NUL terminated behind the data; caller frees
 *  @param ret_len   bytes without that NUL; may be NULL
 *  @return 0; -EFBIG larger; -errno of open/read; -ENOMEM */
int io_read_file(const char *path, size_t max, char **ret_data,
                 size_t *ret_len);

/** Replace a file atomically: temporary file beside it, fsync, rename.
 *  @return 0; -errno, the old file is then untouched */
int io_write_file(const char *path, const void *data, size_t len,
                  mode_t mode);

/** Write to an existing file such as one in /proc/sys, no creation.
 *  @return 0; -errno; -EIO for a short write */
int io_write_value(const char *path, const char *value);

/** Write all of it, waiting as needed (for small trusted peers).
 *  @return 0; -errno; -ETIMEDOUT after @p timeout_ms of no progress */
int io_write_all(int fd, const void *data, size_t len, int timeout_ms);
/** Read exactly @p len. @return 0; -errno; -ETIMEDOUT; -ECONNRESET at EOF */
int io_read_all(int fd, void *data, size_t len, int timeout_ms);

/** Make all of @p path's parents and itself (like mkdir -p).
 *  @return 0; -errno */
int io_mkdirs(const char *path, mode_t mode);

/** A listening unix stream socket; an old socket file is replaced.
 *  @param mode  of the socket file
 *  @return descriptor (non-blocking); -errno; -ENAMETOOLONG */
int io_unix_listen(const char *path, mode_t mode);
/** Connect to it. @return descriptor (blocking); -errno */
int io_unix_connect(const char *path);

int io_set_nonblock(int fd, bool on);

/** Send one message with at most one descriptor (-1 for none) over a unix
 *  socket. @return 0; -errno; -EMSGSIZE when cut */
int io_send_fd(int sock, const void *msg, size_t len, int fd);
/** Receive one message and perhaps a descriptor.
 *  @param ret_fd  -1 or a CLOEXEC descriptor the caller closes
 *  @return bytes (0 at EOF); -errno; -EMSGSIZE message larger than @p cap;
 *  further descriptors are closed */
ssize_t io_recv_fd(int sock, void *msg, size_t cap, int *ret_fd);

/** Monotonic time in milliseconds. */
uint64_t io_now_ms(void);

#endif
