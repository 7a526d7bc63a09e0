/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's uevent socket. effect. See uevent_sock.h. */
#include "usbvm/uevent_sock.h"

#include <linux/netlink.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "usbvm/uevent.h"

#define EVENTS_MAX 64 /* datagrams in one turn */
#define BUFFER_BYTES (1 << 20)

int uevent_sock_open(void)
{
    struct sockaddr_nl sa = {.nl_family = AF_NETLINK, .nl_groups = 1};
    int size = BUFFER_BYTES, one = 1;
    CLEANUP_FD int fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
               NETLINK_KOBJECT_UEVENT);

    if (fd < 0)
        return err_last();
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) != 0)
        return err_last();
    if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
        return err_last();
    return STEAL_FD(fd);
}

/* The kernel has port 0 and speaks as root. A process can be neither without
 * CAP_SYS_ADMIN, by which it may ask the kernel to repeat an event. */
static bool from_kernel(struct msghdr *mh, const struct sockaddr_nl *from)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(mh);
    struct ucred who;

    if (from->nl_pid != 0 || !c || c->cmsg_level != SOL_SOCKET ||
        c->cmsg_type != SCM_CREDENTIALS || c->cmsg_len != CMSG_LEN(sizeof(who)))
        return false;
    memcpy(&who, CMSG_DATA(c), sizeof(who));
    return who.uid == 0;
}

/* One datagram. @return 1 it concerns USB; 0 it does not; -EAGAIN none */
static int take_event(int fd)
{
    uint8_t buf[UEVENT_MAX_BYTES];
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct sockaddr_nl from = {0};
    struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
    struct msghdr mh = {.msg_name = &from,
                        .msg_namelen = sizeof(from),
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control)};
    struct uevent e;
    ssize_t n = recvmsg(fd, &mh, MSG_DONTWAIT);

    if (n < 0)
        return errno == ENOBUFS ? 1 : -EAGAIN; /* some were lost: look */
    if (!from_kernel(&mh, &from) || (mh.msg_flags & MSG_TRUNC))
        return 0;
    if (uevent_parse(buf, (size_t)n, &e) != 0)
        return 0;
    return e.usb && e.action != UEVENT_OTHER ? 1 : 0;
}

bool uevent_sock_take(int fd)
{
    bool look = false;

    for (int i = 0; i < EVENTS_MAX; i++) {
        int r = take_event(fd);
        if (r < 0)
            break;
        look |= r == 1;
    }
    return look;
}
