/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libusb within the event loop. effect. See export_dev.h. */
#include "usbvm/backend/export_dev.h"

#include <libusb.h>
#include <linux/usbdevice_fs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"

#define FDS_MAX 8 /* libusb has three: event, timer, usbfs */

struct watched {
    struct loop_io *io;
    int fd;
};

struct export_dev {
    struct loop *loop;
    const struct export_dev_ops *ops;
    void *arg;
    int fd;
    libusb_context *ctx;
    libusb_device_handle *h;
    struct watched fds[FDS_MAX];
    struct loop_timer *late; /* ends of transfers outside of the loop's turn */
    uint32_t claimed;
    uint32_t flight;
    bool handling; /* within on_fd(), which ends with batch() */
    bool lost;
    bool told;
};

/* A context of libusb keeps @p d, a transfer keeps both. */
struct tie {
    struct export_dev *d;
    struct export_xfer *x;
};

static void on_fd(int fd, unsigned events, void *arg);

static void fd_added(int fd, short events, void *arg)
{
    struct export_dev *d = arg;

    for (int i = 0; i < FDS_MAX; i++) {
        if (d->fds[i].io)
            continue;
        unsigned e = (events & POLLIN ? LOOP_READ : 0) |
                     (events & POLLOUT ? LOOP_WRITE : 0);
        if (loop_io_new(d->loop, fd, e, on_fd, d, &d->fds[i].io) == 0)
            d->fds[i].fd = fd;
        return;
    }
}

/* The usbfs descriptor leaves when its device has left. */
static void fd_removed(int fd, void *arg)
{
    struct export_dev *d = arg;

    for (int i = 0; i < FDS_MAX; i++) {
        if (!d->fds[i].io || d->fds[i].fd != fd)
            continue;
        loop_io_free(d->fds[i].io);
        d->fds[i].io = NULL;
        if (fd == d->fd)
            d->lost = true;
    }
}

static void tell_gone(struct export_dev *d)
{
    if (d->lost && d->flight == 0 && !d->told) {
        d->told = true;
        d->ops->gone(d->arg);
    }
}

static void on_fd(int fd, unsigned events, void *arg)
{
    struct export_dev *d = arg;
    struct timeval now = {0, 0};

    (void)fd;
    (void)events;
    d->handling = true;
    (void)libusb_handle_events_timeout_completed(d->ctx, &now, NULL);
    d->handling = false;
    d->ops->batch(d->arg);
    tell_gone(d);
}

static void on_late(void *arg)
{
    struct export_dev *d = arg;

    d->ops->batch(d->arg);
    tell_gone(d);
}

static int err_of(int libusb_error)
{
    switch (libusb_error) {
    case LIBUSB_SUCCESS:
        return 0;
    case LIBUSB_ERROR_NO_DEVICE:
        return -ENODEV;
    case LIBUSB_ERROR_NOT_FOUND:
        return -ENOENT;
    case LIBUSB_ERROR_BUSY:
        return -EBUSY;
    case LIBUSB_ERROR_PIPE:
        return -EPIPE;
    case LIBUSB_ERROR_NO_MEM:
        return -ENOMEM;
    case LIBUSB_ERROR_INVALID_PARAM:
        return -EINVAL;
    default:
        return -EPROTO;
    }
}

static int watch_all(struct export_dev *d)
{
    const struct libusb_pollfd **list = libusb_get_pollfds(d->ctx);

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; list[i]; i++)
        fd_added(list[i]->fd, list[i]->events, d);
    libusb_free_pollfds(list);
    libusb_set_pollfd_notifiers(d->ctx, fd_added, fd_removed, d);
    for (int i = 0; i < FDS_MAX; i++)
        if (d->fds[i].io && d->fds[i].fd == d->fd)
            return 0;
    return -ENOBUFS;
}

int export_dev_new(struct export_dev **ret)
{
    struct export_dev *d = calloc(1, sizeof(*d));

    if (!d)
        return -ENOMEM;
    int r = libusb_set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY);
    if (r == 0)
        r = libusb_init(&d->ctx);
    if (r != 0) {
        free(d);
        return err_of(r);
    }
    *ret = d;
    return 0;
}

int export_dev_open(struct export_dev *d, struct loop *loop, int fd,
                    const struct export_dev_ops *ops, void *arg)
{
    d->loop = loop;
    d->fd = fd;
    d->ops = ops;
    d->arg = arg;
    int r = err_of(libusb_wrap_sys_device(d->ctx, (intptr_t)fd, &d->h));
    if (r == 0)
        r = watch_all(d);
    if (r == 0)
        r = loop_timer_new(loop, on_late, d, &d->late);
    return r;
}

int export_dev_limit(struct export_dev *d, uint32_t interfaces)
{
    return ioctl(d->fd, USBDEVFS_DROP_PRIVILEGES, &interfaces) < 0 ? err_last()
                                                                   : 0;
}

static int32_t status_of(enum libusb_transfer_status s)
{
    switch (s) {
    case LIBUSB_TRANSFER_COMPLETED:
        return 0;
    case LIBUSB_TRANSFER_CANCELLED:
        return -ECONNRESET;
    case LIBUSB_TRANSFER_STALL:
        return -EPIPE;
    case LIBUSB_TRANSFER_NO_DEVICE:
        return -ESHUTDOWN;
    case LIBUSB_TRANSFER_OVERFLOW:
        return -EOVERFLOW;
    case LIBUSB_TRANSFER_ERROR:
    case LIBUSB_TRANSFER_TIMED_OUT:
    default:
        return -EPROTO;
    }
}

/* Packets lie one after the other in the buffer, each at its full length. */
static void take_iso(struct export_xfer *x)
{
    struct libusb_transfer *t = x->t;
    uint32_t offset[USBIP_ISO_PACKETS_MAX];
    uint32_t at = 0, n = (uint32_t)t->num_iso_packets;

    x->actual = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct libusb_iso_packet_descriptor *p = &t->iso_packet_desc[i];
        x->iso[i].actual = p->actual_length;
        x->iso[i].status = status_of(p->status);
        offset[i] = at;
        at += p->length;
        x->actual += p->actual_length;
    }
    if (t->endpoint & LIBUSB_ENDPOINT_IN)
        (void)usb_server_pack(t->buffer, offset, x->iso, n);
}

static void on_done(struct libusb_transfer *t)
{
    struct tie *tie = t->user_data;
    struct export_dev *d = tie->d;
    struct export_xfer *x = tie->x;

    free(tie);
    d->flight--;
    x->status = status_of(t->status);
    x->cancelled = x->cancelling && t->status == LIBUSB_TRANSFER_CANCELLED;
    x->actual = (uint32_t)t->actual_length;
    if (t->type == LIBUSB_TRANSFER_TYPE_ISOCHRONOUS)
        take_iso(x);
    else if (x->status == 0 && x->exact && x->actual < x->length)
        x->status = -EREMOTEIO;
    libusb_free_transfer(t);
    x->t = NULL;
    d->ops->done(x, d->arg);
    if (!d->handling)
        (void)loop_timer_start(d->late, 0);
}

/* libusb has no gaps between the packets of a buffer. */
static void fill_iso(struct libusb_transfer *t, const struct usb_act *act)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < act->packets; i++) {
        const struct usbip_iso *p = &act->iso[i];
        if (!(act->ep & LIBUSB_ENDPOINT_IN) && p->offset != at)
            memmove(t->buffer + at, t->buffer + p->offset, p->length);
        t->iso_packet_desc[i].length = p->length;
        at += p->length;
    }
    t->length = (int)at;
    t->num_iso_packets = (int)act->packets;
}

static void fill(struct export_dev *d, struct libusb_transfer *t,
                 const struct usb_act *act, uint8_t *data, struct tie *tie)
{
    static const uint8_t types[] = {
        [USB_XFER_CONTROL] = LIBUSB_TRANSFER_TYPE_CONTROL,
        [USB_XFER_ISO] = LIBUSB_TRANSFER_TYPE_ISOCHRONOUS,
        [USB_XFER_BULK] = LIBUSB_TRANSFER_TYPE_BULK,
        [USB_XFER_INTERRUPT] = LIBUSB_TRANSFER_TYPE_INTERRUPT,
    };

    t->dev_handle = d->h;
    t->endpoint = act->ep;
    t->type = types[act->type];
    t->callback = on_done;
    t->user_data = tie;
    t->buffer = data;
    t->length = (int)act->length;
    if (act->type == USB_XFER_CONTROL) {
        t->endpoint = 0;
        t->buffer = data - LIBUSB_CONTROL_SETUP_SIZE;
        t->length += (int)LIBUSB_CONTROL_SETUP_SIZE;
        memcpy(t->buffer, act->setup, sizeof(act->setup));
    }
    if (act->type == USB_XFER_ISO)
        fill_iso(t, act);
    if (act->flags & USBIP_URB_ZERO_PACKET)
        t->flags |= LIBUSB_TRANSFER_ADD_ZERO_PACKET;
}

int export_dev_submit(struct export_dev *d, const struct usb_act *act,
                      uint8_t *data, struct usbip_iso *iso,
                      struct export_xfer *x)
{
    if (act->type == USB_XFER_ISO && act->packets == 0)
        return -EINVAL; /* as a host controller says */
    struct libusb_transfer *t = libusb_alloc_transfer(
        act->type == USB_XFER_ISO ? (int)act->packets : 0);
    struct tie *tie = malloc(sizeof(*tie));

    if (!t || !tie) {
        libusb_free_transfer(t);
        free(tie);
        return -ENOMEM;
    }
    *tie = (struct tie){d, x};
    *x = (struct export_xfer){
        .t = t,
        .iso = iso,
        .exact = act->flags & USBIP_URB_SHORT_NOT_OK,
        .length = act->length,
    };
    fill(d, t, act, data, tie);
    int r = err_of(libusb_submit_transfer(t));
    if (r < 0) {
        libusb_free_transfer(t);
        free(tie);
        x->t = NULL;
        return r;
    }
    d->flight++;
    return 0;
}

void export_dev_cancel(struct export_xfer *x)
{
    x->cancelling = true;
    if (x->t)
        (void)libusb_cancel_transfer(x->t);
}

static void release_all(struct export_dev *d)
{
    for (int i = 0; i < 32; i++)
        if (d->claimed >> i & 1)
            (void)libusb_release_interface(d->h, i);
    d->claimed = 0;
}

static int claim_all(struct export_dev *d, uint32_t claim)
{
    int r = 0;

    for (int i = 0; i < 32 && r == 0; i++) {
        if (!(claim >> i & 1))
            continue;
        r = err_of(libusb_claim_interface(d->h, i));
        if (r == 0)
            d->claimed |= UINT32_C(1) << i;
        else
            log_err("interface %d: %s", i, err_text(r));
    }
    return r;
}

/* The kernel refuses it while interfaces are claimed. The one that is set
 * already is only reset by it, and keeps its interfaces. */
static int set_configuration(struct export_dev *d, uint8_t value,
                             uint32_t claim)
{
    int before = 0;

    release_all(d);
    int r = err_of(libusb_get_configuration(d->h, &before));
    if (r == 0)
        r = err_of(libusb_set_configuration(d->h, value ? value : -1));
    if (r == 0 && value != 0 && value != before)
        r = d->ops->configured(d->arg);
    return r < 0 ? r : claim_all(d, claim);
}

/* libusb's own reset takes the interfaces back by a request that a process
 * without privileges may not make. Releasing them makes the host forget their
 * alternate settings as well. */
static int reset(struct export_dev *d)
{
    uint32_t claim = d->claimed;

    release_all(d);
    int r = ioctl(d->fd, USBDEVFS_RESET, 0) < 0 ? err_last() : 0;
    return r < 0 ? r : claim_all(d, claim);
}

int export_dev_act(struct export_dev *d, const struct usb_act *act,
                   uint32_t claim)
{
    int r = 0;

    switch (act->kind) {
    case USB_ACT_CLEAR_HALT:
        r = err_of(libusb_clear_halt(d->h, act->ep));
        break;
    case USB_ACT_SET_INTERFACE:
        r = err_of(
            libusb_set_interface_alt_setting(d->h, act->interface, act->alt));
        break;
    case USB_ACT_SET_CONFIGURATION:
        r = set_configuration(d, act->configuration, claim);
        break;
    case USB_ACT_RESET:
        r = reset(d);
        break;
    case USB_ACT_TRANSFER:
    case USB_ACT_CANCEL:
        return -EINVAL; /* not acts of this kind */
    }
    return r == -ENOENT ? -EPIPE : r;
}

void *export_dev_memory(struct export_dev *d, size_t len)
{
    return libusb_dev_mem_alloc(d->h, len);
}

void export_dev_memory_free(struct export_dev *d, void *p, size_t len)
{
    (void)libusb_dev_mem_free(d->h, p, len);
}
