/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A netlink socket on libmnl. effect. See nl.h. */
#include "lib/nl.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/mem.h"
#include "lib/nl_answer.h"

#define NL_BUF_BYTES 65536
#define NL_SNDBUF_BYTES (16 << 20) /* a batch of 4,000 rules is 1.5 MB */
#define NL_TIMEOUT_MS 5000
#define POLL_TURNS 64

struct nl {
    struct mnl_socket *sock;
    uint32_t seq;
    uint32_t refused_seq;
    uint8_t buf[NL_BUF_BYTES];
};

int nl_new(int bus, unsigned groups, struct nl **ret)
{
    struct nl *nl = calloc(1, sizeof(*nl));

    if (!nl)
        return -ENOMEM;
    nl->sock = mnl_socket_open2(bus, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!nl->sock ||
        mnl_socket_bind(nl->sock, groups, MNL_SOCKET_AUTOPID) < 0) {
        int r = err_last();
        nl_free(nl);
        return r;
    }
    int size = NL_SNDBUF_BYTES, fd = mnl_socket_get_fd(nl->sock);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    nl->seq = (uint32_t)time(NULL);
    *ret = nl;
    return 0;
}

void nl_free(struct nl *nl)
{
    if (!nl)
        return;
    if (nl->sock)
        mnl_socket_close(nl->sock);
    free(nl);
}

int nl_fd(const struct nl *nl)
{
    return mnl_socket_get_fd(nl->sock);
}

uint32_t nl_portid(const struct nl *nl)
{
    return mnl_socket_get_portid(nl->sock);
}

/* A filter of the socket, so that what is not wanted takes no room in its
 * queue. It loads in network order. */
int nl_ignore(struct nl *nl, uint32_t portid)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct nlmsghdr, nlmsg_pid)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(portid), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog prog = {.len = ARRAY_LEN(code), .filter = code};

    if (setsockopt(nl_fd(nl), SOL_SOCKET, SO_ATTACH_FILTER, &prog,
                   sizeof(prog)) < 0)
        return err_last();
    return 0;
}

uint32_t nl_next_seq(struct nl *nl)
{
    return ++nl->seq;
}

uint32_t nl_refused_seq(const struct nl *nl)
{
    return nl->refused_seq;
}

static int wait_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n;

    do {
        n = poll(&p, 1, NL_TIMEOUT_MS);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_last();
    return n == 0 ? -ETIMEDOUT : 0;
}

int nl_talk(struct nl *nl, const void *msg, size_t len, mnl_cb_t cb, void *arg)
{
    struct nl_answer t;
    int r = nl_answer_init(&t, msg, len, cb, arg);

    if (r < 0)
        return r;
    if (mnl_socket_sendto(nl->sock, msg, len) < 0)
        return err_last();
    while (!t.done) {
        ssize_t n = mnl_socket_recvfrom(nl->sock, nl->buf, sizeof(nl->buf));
        if (n < 0 && errno == EAGAIN) {
            r = wait_readable(nl_fd(nl));
            if (r < 0)
                return r;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_last();
        r = nl_answer_feed(&t, nl->buf, (size_t)n);
        if (r < 0)
            return r;
    }
    nl->refused_seq = t.refused_seq;
    return t.first_err;
}

int nl_poll(struct nl *nl, mnl_cb_t cb, void *arg)
{
    for (int turn = 0; turn < POLL_TURNS; turn++) {
        ssize_t n = mnl_socket_recvfrom(nl->sock, nl->buf, sizeof(nl->buf));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        if (n < 0)
            return err_last();
        int left = (int)n;
        for (const struct nlmsghdr *h = (const void *)nl->buf;
             mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
            if (cb(h, arg) < 0)
                return -ECANCELED;
    }
    return 0; /* the rest wakes the loop again */
}
