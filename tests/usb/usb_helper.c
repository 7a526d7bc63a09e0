/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In place of usb-probe, usb-export and usb-import (by its name), for timing
 * what stands around them: it says at once what they would say in the end,
 * and goes when descriptor 3 closes. glue. Fed by usb-broker and sysqube-usb
 * (trusted). Does no USB. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/privsep.h"
#include "usbvm/backend/export_msg.h"
#include "usbvm/frontend/import_msg.h"

static int say(const void *rec, size_t len)
{
    return send(PRIVSEP_CHILD_FD, rec, len, 0) == (ssize_t)len ? 0 : 1;
}

/* The node that comes with it is of no use here. */
static void take_node(void)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr mh = {.msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control)};

    (void)!recvmsg(PRIVSEP_CHILD_FD, &mh, 0);
}

static int wait_end(void)
{
    char byte;

    while (recv(PRIVSEP_CHILD_FD, &byte, 1, 0) > 0) {
        /* nothing is asked of it */
    }
    return 0;
}

static int probe(void)
{
    struct usb_probe_rec rec = {
        .speed = 3, .hash = {0x5a}, .n = 1, .iface = {{0, 8, 6, 0x50}}};

    take_node();
    return say(&rec, sizeof(rec));
}

static int export(void)
{
    struct usb_export_rec rec = {.kind = EXPORT_STATE, .state = EXPORT_WAITING};
    int r;

    take_node();
    r = say(&rec, sizeof(rec));
    rec.state = EXPORT_ATTACHED;
    r = r ? r : say(&rec, sizeof(rec));
    return r ? r : wait_end();
}

static int import(void)
{
    struct usb_import_rec rec = {.link = USB_LINK_CONNECTING};
    int r = say(&rec, sizeof(rec));

    rec.link = USB_LINK_ATTACHED;
    r = r ? r : say(&rec, sizeof(rec));
    return r ? r : wait_end();
}

int main(int argc, char **argv)
{
    (void)argc;
    if (strstr(argv[0], "probe"))
        return probe();
    return strstr(argv[0], "export") ? export() : import();
}
