/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A usbfs node on its way to a helper. effect. See export_fd.h. */
#include "usbvm/backend/export_fd.h"

#include <poll.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/io.h"
#include "usbvm/backend/export_msg.h"

#define PATIENCE_MS 5000

int export_fd_send(int sock, int fd)
{
    const char hello = EXPORT_HELLO_BYTE;

    return io_send_fd(sock, &hello, sizeof(hello), fd);
}

int export_fd_receive(int sock)
{
    struct pollfd p = {.fd = sock, .events = POLLIN};
    char hello = 0;
    int fd = -1;

    if (poll(&p, 1, PATIENCE_MS) <= 0)
        return -ETIMEDOUT;
    ssize_t n = io_recv_fd(sock, &hello, sizeof(hello), &fd);
    if (n == 1 && hello == EXPORT_HELLO_BYTE && fd >= 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return n < 0 ? (int)n : -EPROTO;
}
