/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small file and socket helpers. effect. See io.h. */
#include "lib/io.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "lib/err.h"
#include "lib/mem.h"

#define IO_MAX_FDS 4
#define IO_LISTEN_BACKLOG 16

uint64_t io_now_ms(void)
{
    struct timespec ts = {0};

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int io_read_file(const char *path, size_t max, char **ret_data,
                 size_t *ret_len)
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE char *data = NULL;
    size_t len = 0, cap = 0;

    if (fd < 0)
        return err_last();
    for (;;) {
        if (len == cap) {
            size_t want = cap ? cap * 2 : 4096;
            if (want > max)
                want = max + 1; /* one more, to notice a larger file */
            if (want <= cap)
                return -EFBIG;
            char *bigger = realloc(data, want + 1);
            if (!bigger)
                return -ENOMEM;
            data = bigger;
            cap = want;
        }
        ssize_t n = read(fd, data + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_last();
        if (n == 0)
            break;
        len += (size_t)n;
        if (len > max)
            return -EFBIG;
    }
    data[len] = '\0';
    *ret_data = STEAL(data);
    if (ret_len)
        *ret_len = len;
    return 0;
}

static int write_fully(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_last();
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int io_write_file(const char *path, const void *data, size_t len, mode_t mode)
{
    char tmp[PATH_MAX];
    int n = snprintf(tmp, sizeof(tmp), "%s.tmp.%d", path, (int)getpid());

    if (n < 0 || (size_t)n >= sizeof(tmp))
        return -ENAMETOOLONG;
    CLEANUP_FD int fd =
        open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return err_last();
    int r = write_fully(fd, data, len);
    if (r == 0 && fchmod(fd, mode) != 0)
        r = err_last();
    if (r == 0 && fsync(fd) != 0 && errno != EINVAL)
        r = err_last();
    if (r == 0 && rename(tmp, path) != 0)
        r = err_last();
    if (r < 0)
        unlink(tmp);
    return r;
}

int io_write_value(const char *path, const char *value)
{
    CLEANUP_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t len = strlen(value);

    if (fd < 0)
        return err_last();
    ssize_t n = write(fd, value, len);
    if (n < 0)
        return err_last();
    return (size_t)n == len ? 0 : -EIO;
}

static int wait_fd(int fd, short events, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n;

    do {
        n = poll(&p, 1, timeout_ms);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_last();
    return n == 0 ? -ETIMEDOUT : 0;
}

int io_write_all(int fd, const void *data, size_t len, int timeout_ms)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == ENOTSOCK)
            n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            int r = wait_fd(fd, POLLOUT, timeout_ms);
            if (r < 0)
                return r;
            continue;
        }
        if (n < 0)
            return err_last();
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int io_read_all(int fd, void *data, size_t len, int timeout_ms)
{
    char *p = data;

    while (len > 0) {
        int r = wait_fd(fd, POLLIN, timeout_ms);
        if (r < 0)
            return r;
        ssize_t n = read(fd, p, len);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return err_last();
        if (n == 0)
            return -ECONNRESET;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int io_mkdirs(const char *path, mode_t mode)
{
    char buf[PATH_MAX];
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof(buf))
        return -ENAMETOOLONG;
    memcpy(buf, path, len + 1);
    for (char *p = buf + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(buf, mode) != 0 && errno != EEXIST)
            return err_last();
        *p = '/';
    }
    if (mkdir(buf, mode) != 0 && errno != EEXIST)
        return err_last();
    return 0;
}

static int unix_addr(const char *path, struct sockaddr_un *ret)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    size_t len = strlen(path);

    if (len >= sizeof(sa.sun_path))
        return -ENAMETOOLONG;
    memcpy(sa.sun_path, path, len + 1);
    *ret = sa;
    return 0;
}

int io_unix_listen(const char *path, mode_t mode)
{
    struct sockaddr_un sa;
    int r = unix_addr(path, &sa);

    if (r < 0)
        return r;
    CLEANUP_FD int fd =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_last();
    if (unlink(path) != 0 && errno != ENOENT)
        return err_last();
    /* The mode is right from the first moment: umask, not a later chmod. */
    mode_t old = umask(0777 & ~mode);
    r = bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 ? 0 : err_last();
    umask(old);
    if (r < 0)
        return r;
    if (listen(fd, IO_LISTEN_BACKLOG) != 0)
        return err_last();
    return STEAL_FD(fd);
}

int io_unix_connect(const char *path)
{
    struct sockaddr_un sa;
    int r = unix_addr(path, &sa);

    if (r < 0)
        return r;
    CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_last();
    if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
        return err_last();
    return STEAL_FD(fd);
}

int io_set_nonblock(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return err_last();
    flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return fcntl(fd, F_SETFL, flags) == 0 ? 0 : err_last();
}

int io_send_fd(int sock, const void *msg, size_t len, int fd)
{
    union {
        struct cmsghdr align;
        char b[CMSG_SPACE(sizeof(int))];
    } ctl = {0};
    char *bytes = NULL;
    struct iovec iov = {.iov_len = len};
    struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

    memcpy(&bytes, &msg, sizeof(bytes)); /* sendmsg takes no const */
    iov.iov_base = bytes;
    if (fd >= 0) {
        mh.msg_control = ctl.b;
        mh.msg_controllen = sizeof(ctl.b);
        struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    ssize_t n = sendmsg(sock, &mh, MSG_NOSIGNAL);
    if (n < 0)
        return err_last();
    return (size_t)n == len ? 0 : -EMSGSIZE;
}

/* Keep the first descriptor of the message, close all others. */
static int take_fds(struct msghdr *mh)
{
    int kept = -1;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (kept < 0)
                kept = fd;
            else
                close(fd);
        }
    }
    return kept;
}

ssize_t io_recv_fd(int sock, void *msg, size_t cap, int *ret_fd)
{
    union {
        struct cmsghdr align;
        char b[CMSG_SPACE(sizeof(int) * IO_MAX_FDS)];
    } ctl;
    struct iovec iov = {.iov_base = msg, .iov_len = cap};
    struct msghdr mh = {.msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = ctl.b,
                        .msg_controllen = sizeof(ctl.b)};
    ssize_t n;

    do {
        n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_last();
    CLEANUP_FD int fd = take_fds(&mh);
    if (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        return -EMSGSIZE;
    *ret_fd = STEAL_FD(fd);
    return n;
}
