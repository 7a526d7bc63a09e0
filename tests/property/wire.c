/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packet sockets in the test's namespaces. effect. See wire.h. */
#include "tests/property/wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"

#define BATCH 64
#define QUBES_MAX 256
#define RCVBUF (64 << 20)
#define READ_BYTES 2048

struct wire {
    int tx, rx_far, rx_in, tx_far;
    unsigned n;
    int ifindex[QUBES_MAX];
    int far_ifindex;
    unsigned queued;
    struct frame frame[BATCH];
    struct sockaddr_ll to[BATCH];
};

int wire_enter(pid_t pid)
{
    char path[64];
    CLEANUP_FD int fd = -1;

    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
        return err_last();
    return 0;
}

static int packet_socket(int ifindex, bool receive)
{
    struct sockaddr_ll at = {
        .sll_family = AF_PACKET,
        .sll_protocol = receive ? htons(ETH_P_ALL) : 0,
        .sll_ifindex = ifindex,
    };
    int size = RCVBUF, one = 1;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return err_last();
    if (receive)
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
        int r = err_last();
        close(fd);
        return r;
    }
    return fd;
}

static int open_qubes(struct wire *w, pid_t qubes)
{
    char name[IFNAMSIZ];
    unsigned i;
    int r = wire_enter(qubes);

    for (i = 0; i < w->n && r == 0; i++) {
        snprintf(name, sizeof(name), "q%u", i);
        w->ifindex[i] = (int)if_nametoindex(name);
        if (w->ifindex[i] == 0)
            r = err_last();
    }
    if (r < 0)
        return r;
    w->tx = packet_socket(w->ifindex[0], false);
    w->rx_in = packet_socket(0, true);
    return w->tx < 0 ? w->tx : w->rx_in < 0 ? w->rx_in : 0;
}

static int open_far(struct wire *w, pid_t far)
{
    int r = wire_enter(far);

    if (r < 0)
        return r;
    w->far_ifindex = (int)if_nametoindex("far0");
    if (w->far_ifindex == 0)
        return err_last();
    w->rx_far = packet_socket(w->far_ifindex, true);
    w->tx_far = packet_socket(w->far_ifindex, false);
    return w->rx_far < 0 ? w->rx_far : w->tx_far < 0 ? w->tx_far : 0;
}

int wire_new(pid_t qubes, pid_t far, unsigned n_qubes, struct wire **ret)
{
    CLEANUP_FD int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    struct wire *w = calloc(1, sizeof(*w));
    int r;

    if (!w || home < 0 || n_qubes == 0 || n_qubes > QUBES_MAX) {
        free(w);
        return -EINVAL;
    }
    w->n = n_qubes;
    w->tx = w->tx_far = w->rx_far = w->rx_in = -1;
    r = open_qubes(w, qubes);
    if (r == 0)
        r = open_far(w, far);
    if (r == 0 && setns(home, CLONE_NEWNET) != 0)
        r = err_last();
    if (r < 0)
        wire_free(w);
    else
        *ret = w;
    return r;
}

void wire_free(struct wire *w)
{
    const int fds[] = {w->tx, w->tx_far, w->rx_far, w->rx_in};
    size_t i;

    for (i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(w);
}

void wire_deafen(struct wire *w)
{
    close(w->rx_far);
    close(w->rx_in);
    w->rx_far = w->rx_in = -1;
}

int wire_flush(struct wire *w)
{
    struct mmsghdr msg[BATCH] = {0};
    struct iovec iov[BATCH];
    unsigned i, sent = 0;

    for (i = 0; i < w->queued; i++) {
        iov[i] = (struct iovec){w->frame[i].b, w->frame[i].len};
        msg[i].msg_hdr.msg_iov = &iov[i];
        msg[i].msg_hdr.msg_iovlen = 1;
        msg[i].msg_hdr.msg_name = &w->to[i];
        msg[i].msg_hdr.msg_namelen = sizeof(w->to[i]);
    }
    while (sent < w->queued) {
        int n = sendmmsg(w->tx, msg + sent, w->queued - sent, 0);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return err_last();
        sent += n > 0 ? (unsigned)n : 0;
    }
    w->queued = 0;
    return 0;
}

int wire_send(struct wire *w, unsigned q, const struct frame *f, unsigned n)
{
    unsigned i;
    int r = 0;

    for (i = 0; i < n && r == 0; i++) {
        w->to[w->queued] = (struct sockaddr_ll){
            .sll_family = AF_PACKET,
            .sll_ifindex = w->ifindex[q],
            .sll_halen = ETH_ALEN,
        };
        w->frame[w->queued++] = f[i];
        if (w->queued == BATCH)
            r = wire_flush(w);
    }
    return r;
}

int wire_send_far(struct wire *w, const struct frame *f)
{
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET,
        .sll_ifindex = w->far_ifindex,
        .sll_halen = ETH_ALEN,
    };

    if (sendto(w->tx_far, f->b, f->len, 0, (struct sockaddr *)&to, sizeof(to)) <
        0)
        return err_last();
    return 0;
}

static int read_all(int fd, bool inside, wire_fn fn, void *arg)
{
    uint8_t b[READ_BYTES];
    int count = 0;

    for (;;) {
        ssize_t n = recv(fd, b, sizeof(b), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? count : err_last();
        fn(b, (size_t)n, inside, arg);
        count++;
    }
}

int wire_read(struct wire *w, wire_fn fn, void *arg)
{
    int far = read_all(w->rx_far, false, fn, arg);
    int in = far < 0 ? far : read_all(w->rx_in, true, fn, arg);

    return in < 0 ? in : far + in;
}

int wire_wait(struct wire *w, int timeout_ms)
{
    struct pollfd p[] = {{.fd = w->rx_far, .events = POLLIN},
                         {.fd = w->rx_in, .events = POLLIN}};
    int n = poll(p, ARRAY_LEN(p), timeout_ms);

    if (n < 0)
        return err_last();
    return n == 0 ? -ETIMEDOUT : 0;
}
