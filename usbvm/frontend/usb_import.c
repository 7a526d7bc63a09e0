/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usb-import: one USB device of a USBVM in this qube. glue. Started by
 * sysqube-usb with the value of an attach key (dom0, trusted); fed by the
 * USBVM (hostile) and the own kernel. Connects the two channels and opens
 * vhci's files, then gives up everything else: only then does it look at
 * what the USBVM sends. vhci gets its socket when the description has the
 * hash that dom0 approved. In evdev mode it is uinput instead, and events.
 * import_msg.h says what it tells sysqube-usb. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/privsep.h"
#include "lib/sandbox.h"
#include "usbvm/frontend/import_conn.h"
#include "usbvm/frontend/import_input.h"
#include "usbvm/frontend/import_msg.h"
#include "usbvm/frontend/vhci.h"
#include "usbvm/protocol/usb_hello.h"
#include "vchan/vchan.h"

#define CONNECT_MS 15000 /* dom0 tells both sides at about the same time */
#define HELLO_MS 15000
#define TICK_MS 1000
#define MEMORY_MAX (128u << 20)
#define FILES_MAX 48
#define VHCI_BUFFER (1 << 20) /* of the socketpair, each way */

struct usb_import {
    struct loop *loop;
    struct loop_timer *tick;
    struct loop_timer *patience;
    struct loop_io *hello_io;
    bool ticking;
    struct usb_attach attach;
    struct vchan *chan[2];
    struct vhci vhci; /* raw mode */
    int sock[2];      /* ours, vhci's */
    int uinput;       /* evdev mode */
    struct import_conn *conn;
    struct usb_snapshot *snapshot;
    size_t hello_len, hello_want;
    uint8_t untrusted_hello[USB_HELLO_MAX];
};

static const unsigned long ioctls[] = {VCHAN_IOCTL, IMPORT_INPUT_IOCTL};

static void report(const struct usb_import_rec *rec)
{
    (void)privsep_send(PRIVSEP_CHILD_FD, rec, sizeof(*rec));
}

/* @return exit status */
static int fail(enum usb_import_why why, enum usb_reason reason)
{
    const struct usb_import_rec rec = {
        .link = USB_LINK_FAILED, .why = why, .reason = reason};

    report(&rec);
    return 1;
}

static void stop(struct usb_import *u, enum usb_import_why why)
{
    loop_stop(u->loop, fail(why, USB_REASON_NONE));
}

static void on_ended(enum usb_import_why why, enum usb_reason reason, void *arg)
{
    struct usb_import *u = arg;

    loop_stop(u->loop, fail(why, reason));
}

static void on_tick(void *arg)
{
    struct usb_import *u = arg;

    u->ticking =
        import_conn_tick(u->conn) && loop_timer_start(u->tick, TICK_MS) == 0;
}

static void on_active(void *arg)
{
    struct usb_import *u = arg;

    if (!u->ticking)
        u->ticking = loop_timer_start(u->tick, TICK_MS) == 0;
}

static const struct import_conn_ops conn_ops = {
    .active = on_active,
    .ended = on_ended,
};

/* The description is the approved one: the kernel may see the device. */
static void attach(struct usb_import *u)
{
    struct usb_import_rec rec = {.link = USB_LINK_ATTACHED};
    int r = import_conn_new(u->loop, u->chan, u->sock[0], u->attach.devid,
                            u->snapshot, &conn_ops, u, &u->conn);

    if (r < 0) {
        log_err("connection: %s", err_text(r));
        stop(u, IMPORT_WHY_INTERNAL);
        return;
    }
    r = vhci_attach(&u->vhci, u->sock[1], u->attach.devid, u->attach.speed,
                    &rec.port);
    vhci_close(&u->vhci);
    close(u->sock[1]); /* the kernel has its own reference */
    u->sock[1] = -1;
    if (r < 0) {
        log_err("vhci: %s", err_text(r));
        stop(u, r == -EBUSY    ? IMPORT_WHY_NO_PORT
                : r == -EINVAL ? IMPORT_WHY_SPEED
                               : IMPORT_WHY_INTERNAL);
        return;
    }
    log_info("attached to vhci port %u", rec.port);
    report(&rec);
}

static void take_hello(struct usb_import *u)
{
    enum usb_dset_fault fault = USB_FAULT_NONE;
    int r = usb_hello_decode(cur_of(u->untrusted_hello, u->hello_len),
                             u->attach.hash, u->attach.speed, u->attach.devid,
                             &fault, &u->snapshot);

    loop_io_free(u->hello_io);
    u->hello_io = NULL;
    loop_timer_stop(u->patience);
    if (r == 0) {
        attach(u);
        return;
    }
    log_err("description: %s",
            fault != USB_FAULT_NONE ? usb_dset_fault_text(fault) : err_text(r));
    stop(u, r == -EPROTO    ? IMPORT_WHY_IDENTITY
            : r == -EBADMSG ? IMPORT_WHY_HELLO
                            : IMPORT_WHY_INTERNAL);
}

/* @return 1 complete; 0 more is to come; < 0 */
static int read_hello(struct usb_import *u)
{
    while (u->hello_len < u->hello_want) {
        ssize_t n = vchan_read(u->chan[USB_CHANNEL_CONTROL],
                               u->untrusted_hello + u->hello_len,
                               u->hello_want - u->hello_len);
        if (n <= 0)
            return (int)n;
        u->hello_len += (size_t)n;
        if (u->hello_len != USB_HELLO_HEAD_BYTES)
            continue;
        size_t total = 0;
        int r = usb_hello_length(u->untrusted_hello, &total);
        if (r < 0 || total > sizeof(u->untrusted_hello))
            return -EBADMSG;
        u->hello_want = total;
    }
    return 1;
}

static void on_hello(int fd, unsigned events, void *arg)
{
    struct usb_import *u = arg;
    (void)fd;
    (void)events;
    if (!u->hello_io)
        return; /* it was there at the first look */
    int r = vchan_ready(u->chan[USB_CHANNEL_CONTROL]);
    if (r == 0)
        r = read_hello(u);
    if (r == 1)
        take_hello(u);
    else if (r < 0)
        stop(u, r == -EBADMSG ? IMPORT_WHY_HELLO : IMPORT_WHY_CHANNEL);
}

/* What was in the ring before this side watched it makes no event. */
static void on_first_look(void *arg)
{
    on_hello(-1, 0, arg);
}

static void on_patience(void *arg)
{
    stop(arg, IMPORT_WHY_NO_SERVER);
}

/* sysqube-usb closed its end: the key is gone. */
static void on_parent(int fd, unsigned events, void *arg)
{
    struct usb_import *u = arg;

    (void)fd;
    (void)events;
    loop_stop(u->loop, 0);
}

static void on_term(int signo, void *arg)
{
    on_parent(signo, 0, arg);
}

/* Before the sandbox, so it may wait: nothing else is to be done. */
static int connect_channels(struct usb_import *u, const char *dir)
{
    struct vchan_addr addr = {
        .body = vchan_body_from_env(),
        .peer = u->attach.backend,
        .port = u->attach.vport,
        .dir = dir,
    };

    int n = u->attach.mode == USB_MODE_EVDEV ? 1 : USB_CHANNELS;

    for (int i = 0; i < n; addr.port++, i++) {
        int r = vchan_client_wait(&addr, CONNECT_MS, &u->chan[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A large request must not need a wake-up for each piece. */
static int open_socket(struct usb_import *u)
{
    const int size = VHCI_BUFFER;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, u->sock) != 0)
        return err_last();
    for (int i = 0; i < 2; i++)
        (void)setsockopt(u->sock[i], SOL_SOCKET, SO_SNDBUFFORCE, &size,
                         sizeof(size));
    return io_set_nonblock(u->sock[0], true);
}

/* Images have /var/empty; other Linux systems may not. */
static const char *empty_root(void)
{
    static const char other[] = "/run/sysqube-empty";

    if (access("/var/empty", F_OK) == 0)
        return "/var/empty";
    (void)io_mkdirs(other, 0555);
    return other;
}

static int enter_sandbox(uint32_t uid)
{
    const struct sandbox box = {
        .uid = uid,
        .gid = uid,
        .root = empty_root(),
        .sys = SANDBOX_SYS_SOCKET,
        .ioctls = ioctls,
        .n_ioctls = ARRAY_LEN(ioctls),
        .max_memory = MEMORY_MAX,
        .max_files = FILES_MAX,
    };

    return sandbox_enter(&box);
}

/* Wait for the description of the device. */
static int serve_raw(struct usb_import *u)
{
    struct loop_timer *look = NULL;
    int r = loop_timer_new(u->loop, on_first_look, u, &look);

    u->hello_want = USB_HELLO_HEAD_BYTES;
    if (r == 0)
        r = loop_timer_start(look, 0);
    if (r == 0)
        r = loop_io_new(u->loop, vchan_fd(u->chan[USB_CHANNEL_CONTROL]),
                        LOOP_READ, on_hello, u, &u->hello_io);
    return r;
}

static void on_input(void *arg)
{
    const struct usb_import_rec rec = {.link = USB_LINK_ATTACHED};
    struct usb_import *u = arg;

    loop_timer_stop(u->patience);
    report(&rec);
}

static int serve(struct usb_import *u)
{
    struct loop_io *parent = NULL; /* these live as long as the process */
    struct loop_sig *term = NULL;
    struct import_input *input = NULL;
    int r = loop_timer_new(u->loop, on_tick, u, &u->tick);

    if (r == 0)
        r = loop_timer_new(u->loop, on_patience, u, &u->patience);
    if (r == 0)
        r = loop_timer_start(u->patience, HELLO_MS);
    if (r == 0)
        r = loop_io_new(u->loop, PRIVSEP_CHILD_FD, LOOP_READ, on_parent, u,
                        &parent);
    if (r == 0)
        r = loop_sig_new(u->loop, SIGTERM, on_term, u, &term);
    if (r == 0 && u->attach.mode == USB_MODE_EVDEV)
        r = import_input_new(u->loop, u->chan[USB_CHANNEL_CONTROL], u->uinput,
                             u->attach.events, &conn_ops, on_input, u, &input);
    else if (r == 0)
        r = serve_raw(u);
    if (r < 0) {
        log_err("set-up: %s", err_text(r));
        return fail(IMPORT_WHY_INTERNAL, USB_REASON_NONE);
    }
    r = loop_run(u->loop);
    return r < 0 ? 1 : r;
}

/* What this kernel offers for the mode. @return why it does not */
static enum usb_import_why open_kernel(struct usb_import *u, const char *sysfs)
{
    bool input = u->attach.mode == USB_MODE_EVDEV;
    int r;

    if (input)
        r = u->uinput = import_input_open(u->attach.backend, u->attach.events);
    else
        r = vhci_open(sysfs, &u->vhci);
    if (r >= 0)
        return IMPORT_WHY_NONE;
    log_err("%s: %s", input ? "uinput" : "vhci", err_text(r));
    return input ? IMPORT_WHY_NO_UINPUT : IMPORT_WHY_NO_VHCI;
}

static int run(struct usb_import *u, const char *sysfs, const char *dir)
{
    const struct usb_import_rec connecting = {.link = USB_LINK_CONNECTING};

    report(&connecting);
    enum usb_import_why why = open_kernel(u, sysfs);
    if (why != IMPORT_WHY_NONE)
        return fail(why, USB_REASON_NONE);
    int r = connect_channels(u, dir);
    if (r < 0) {
        log_err("channels: %s", err_text(r));
        return fail(IMPORT_WHY_NO_SERVER, USB_REASON_NONE);
    }
    if (u->attach.mode == USB_MODE_RAW)
        r = open_socket(u);
    if (r == 0)
        r = loop_new(&u->loop);
    if (r == 0)
        r = enter_sandbox(IMPORT_UID(u->attach.vport));
    if (r < 0) {
        log_err("set-up: %s", err_text(r));
        return fail(IMPORT_WHY_INTERNAL, USB_REASON_NONE);
    }
    return serve(u);
}

static int usage(FILE *out, int status)
{
    fprintf(out, "usage: usb-import --attach TEXT [--sysfs DIR] "
                 "[--vchan-dir DIR]\n"
                 "Attaches one USB device of a USBVM; started by sysqube-usb, "
                 "see usb-import(8).\n");
    return status;
}

int main(int argc, char **argv)
{
    static struct usb_import u; /* large */
    const char *text = NULL, *sysfs = "/sys", *dir = NULL;

    u.sock[0] = u.sock[1] = -1;
    log_init("usb-import", LOG_LEVEL_INFO);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0)
            return usage(stdout, 0);
        if (strcmp(argv[i], "--version") == 0)
            return printf("usb-import %s\n", SQ_VERSION) < 0;
        if (i + 1 >= argc)
            return usage(stderr, 2);
        if (strcmp(argv[i], "--attach") == 0)
            text = argv[++i];
        else if (strcmp(argv[i], "--sysfs") == 0)
            sysfs = argv[++i];
        else if (strcmp(argv[i], "--vchan-dir") == 0)
            dir = argv[++i];
        else
            return usage(stderr, 2);
    }
    if (!text || usb_attach_parse(text_of(text), &u.attach) < 0)
        return usage(stderr, 2);
    return run(&u, sysfs, dir);
}
