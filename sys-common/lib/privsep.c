/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Worker processes that speak in fixed-size records. effect. See privsep.h.
 */
#include "lib/privsep.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "lib/err.h"
#include "lib/mem.h"

/* In the child, between fork and exec: only async-signal-safe calls. */
static void __attribute__((noreturn))
child_exec(const char *path, char *const argv[], int sock, pid_t parent)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(127);
    if (sock == PRIVSEP_CHILD_FD) {
        if (fcntl(sock, F_SETFD, 0) != 0)
            _exit(127);
    } else if (dup2(sock, PRIVSEP_CHILD_FD) < 0) {
        _exit(127);
    }
    if (close_range(PRIVSEP_CHILD_FD + 1, ~0u, 0) != 0)
        _exit(127);
    execv(path, argv);
    _exit(127);
}

int privsep_spawn(const char *path, char *const argv[], int *ret_fd,
                  pid_t *ret_pid)
{
    int sv[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0)
        return err_last();
    CLEANUP_FD int ours = sv[0];
    CLEANUP_FD int theirs = sv[1];
    int flags = fcntl(ours, F_GETFL);
    if (flags < 0 || fcntl(ours, F_SETFL, flags | O_NONBLOCK) != 0)
        return err_last();
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return err_last();
    if (pid == 0)
        child_exec(path, argv, theirs, parent);
    *ret_fd = STEAL_FD(ours);
    *ret_pid = pid;
    return 0;
}

int privsep_send(int fd, const void *rec, size_t len)
{
    ssize_t n;

    do {
        n = send(fd, rec, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_last();
    return (size_t)n == len ? 0 : -EMSGSIZE;
}

int privsep_recv(int fd, void *rec, size_t len)
{
    struct iovec iov = {.iov_base = rec, .iov_len = len};
    struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    do {
        n = recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_last();
    if (n == 0)
        return -ECONNRESET;
    if ((size_t)n != len || (mh.msg_flags & MSG_TRUNC))
        return -EBADMSG;
    return 0;
}
