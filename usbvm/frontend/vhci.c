/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysfs of vhci_hcd. effect. See vhci.h. */
#include "usbvm/frontend/vhci.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/err.h"
#include "usbvm/frontend/vhci_status.h"

#define VHCI_DIR "devices/platform/vhci_hcd.0"

int vhci_open(const char *sysfs, struct vhci *ret)
{
    struct vhci v = {.attach = -1};
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/" VHCI_DIR "/attach", sysfs);
    v.attach = open(path, O_WRONLY | O_CLOEXEC);
    if (v.attach < 0)
        return err_last();
    while (v.n < VHCI_CONTROLLERS) {
        if (v.n == 0)
            snprintf(path, sizeof(path), "%s/" VHCI_DIR "/status", sysfs);
        else
            snprintf(path, sizeof(path), "%s/" VHCI_DIR "/status.%u", sysfs,
                     v.n);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            break; /* this was the last controller */
        v.status[v.n++] = fd;
    }
    if (v.n == 0) {
        int r = err_last();
        vhci_close(&v);
        return r;
    }
    *ret = v;
    return 0;
}

void vhci_close(struct vhci *v)
{
    if (v->attach >= 0)
        close(v->attach);
    for (unsigned i = 0; i < v->n; i++)
        close(v->status[i]);
    *v = (struct vhci){.attach = -1};
}

/* sysfs makes its text anew when it is read from the start. */
static ssize_t read_status(int fd, char buf[VHCI_STATUS_BYTES])
{
    size_t len = 0;

    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_last();
    while (len < VHCI_STATUS_BYTES) {
        ssize_t n = read(fd, buf + len, VHCI_STATUS_BYTES - len);
        if (n < 0)
            return err_last();
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static int write_attach(int fd, uint32_t port, int sock, uint32_t devid,
                        unsigned speed)
{
    char text[64];
    int n =
        snprintf(text, sizeof(text), "%u %d %u %u", port, sock, devid, speed);

    return write(fd, text, (size_t)n) == n ? 0 : err_last();
}

/* Another process may take a port between the look and the write: then the
 * kernel says so, and the next one is tried. */
static int attach_at(const struct vhci *v, int status, int sock, uint32_t devid,
                     unsigned speed, uint32_t *ret_port)
{
    char buf[VHCI_STATUS_BYTES];
    uint32_t port = 0;
    ssize_t n = read_status(status, buf);

    if (n < 0)
        return (int)n;
    for (;; port++) {
        struct text text = {buf, (size_t)n};
        int r = vhci_status_free(text, speed, port, &port);
        if (r < 0)
            return r;
        r = write_attach(v->attach, port, sock, devid, speed);
        if (r == 0)
            *ret_port = port;
        if (r != -EBUSY)
            return r;
    }
}

int vhci_attach(const struct vhci *v, int sock, uint32_t devid, unsigned speed,
                uint32_t *ret_port)
{
    for (unsigned i = 0; i < v->n; i++) {
        int r = attach_at(v, v->status[i], sock, devid, speed, ret_port);
        if (r != -ENOENT)
            return r;
    }
    return -EBUSY;
}
