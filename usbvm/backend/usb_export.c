/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usb-export: one USB device for one qube. glue. Started by usb-broker with a
 * grant (trusted); fed by the device and the qube (both hostile). Makes the
 * two channels, then gives up everything but them, the device's descriptor
 * and a socketpair to usb-broker: only then does it look at a byte of either.
 * export_msg.h says what it tells usb-broker. */
#include <fcntl.h>
#include <libusb.h>
#include <linux/usbdevice_fs.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/privsep.h"
#include "lib/sandbox.h"
#include "usbvm/backend/export_conn.h"
#include "usbvm/backend/export_dev.h"
#include "usbvm/backend/export_fd.h"
#include "usbvm/backend/export_input.h"
#include "usbvm/backend/export_msg.h"
#include "usbvm/backend/usb_bus.h"
#include "usbvm/backend/usb_identity.h"
#include "usbvm/protocol/usb_hello.h"
#include "vchan/vchan.h"

#define TICK_MS 1000
#define ANSWER_MS 2000
#define OOM_SCORE "800"
#define MEMORY_MAX (128u << 20)
#define EVTCHN_FDS 16
/* Rings as the server sees them: what the qube writes, what it reads. */
#define CONTROL_RING (32u << 10)
#define BULK_READ_RING (512u << 10)
#define BULK_WRITE_RING (1u << 20)

struct usb_export {
    struct loop *loop;
    struct loop_timer *tick;
    bool ticking;
    struct usb_grant grant;
    struct usb_port port;
    const char *sysfs;
    int fd; /* usbfs node */
    struct vchan *chan[2];
    struct export_dev *dev;
    struct export_conn *conn;   /* raw mode */
    struct export_input *input; /* evdev mode */
    struct usb_snapshot *snapshot;
    struct usb_export_rec rec;
    struct usb_identity id;
    uint8_t hello[USB_HELLO_MAX];
};

static const unsigned long ioctls[] = {
    USBDEVFS_CONTROL,
    USBDEVFS_GET_SPEED,
    USBDEVFS_GET_CAPABILITIES,
    USBDEVFS_CONNECTINFO,
    USBDEVFS_DROP_PRIVILEGES,
    USBDEVFS_SUBMITURB,
    USBDEVFS_DISCARDURB,
    USBDEVFS_REAPURBNDELAY,
    USBDEVFS_CLAIMINTERFACE,
    USBDEVFS_RELEASEINTERFACE,
    USBDEVFS_SETINTERFACE,
    USBDEVFS_SETCONFIGURATION,
    USBDEVFS_CLEAR_HALT,
    USBDEVFS_RESET,
    VCHAN_IOCTL,
};

static void report(struct usb_export *u, enum usb_export_kind kind)
{
    u->rec.kind = kind;
    int r = privsep_send(PRIVSEP_CHILD_FD, &u->rec, sizeof(u->rec));
    if (r < 0 && r != -EAGAIN)
        loop_stop(u->loop, EXPORT_EXIT_CLIENT);
}

static void set_state(struct usb_export *u, enum usb_export_state state)
{
    u->rec.state = state;
    report(u, EXPORT_STATE);
}

static void fill_stat(struct usb_export *u)
{
    if (u->conn)
        export_conn_stat(u->conn, &u->rec);
    if (u->input)
        export_input_stat(u->input, &u->rec);
}

static void tick_start(struct usb_export *u)
{
    u->ticking = loop_timer_start(u->tick, TICK_MS) == 0;
}

/* Once a second, until nothing has changed since the last one and nothing
 * waits. */
static void on_tick(void *arg)
{
    struct usb_export *u = arg;
    struct usb_export_rec before = u->rec;
    bool waits = u->conn && export_conn_tick(u->conn);

    u->ticking = false;
    fill_stat(u);
    before.kind = u->rec.kind;
    bool news = memcmp(&before, &u->rec, sizeof(before)) != 0;
    if (news)
        report(u, EXPORT_STAT);
    if (news || waits)
        tick_start(u);
}

static void on_active(void *arg)
{
    struct usb_export *u = arg;

    if (!u->ticking)
        tick_start(u);
}

static void on_attached(void *arg)
{
    set_state(arg, EXPORT_ATTACHED);
}

static int exit_of(enum usb_export_why why)
{
    switch (why) {
    case EXPORT_WHY_NONE:
    case EXPORT_WHY_CLIENT_GONE:
        return EXPORT_EXIT_CLIENT;
    case EXPORT_WHY_DEVICE_GONE:
        return EXPORT_EXIT_DEVICE;
    case EXPORT_WHY_PROTOCOL:
    case EXPORT_WHY_DESCRIPTOR:
    case EXPORT_WHY_HASH:
    case EXPORT_WHY_INTERFACE:
    case EXPORT_WHY_INPUT:
        return EXPORT_EXIT_REFUSED;
    case EXPORT_WHY_CHANNEL:
    case EXPORT_WHY_INTERNAL:
    case EXPORT_WHY_MAX:
        break;
    }
    return EXPORT_EXIT_INTERNAL;
}

/* Tell usb-broker how it ended. @return exit status */
static int fail(struct usb_export *u, enum usb_export_why why)
{
    u->rec.why = why;
    u->rec.kind = EXPORT_STATE;
    u->rec.state = EXPORT_FAILED;
    fill_stat(u);
    (void)privsep_send(PRIVSEP_CHILD_FD, &u->rec, sizeof(u->rec));
    return exit_of(why);
}

static void on_ended(enum usb_export_why why, void *arg)
{
    struct usb_export *u = arg;

    loop_stop(u->loop, fail(u, why));
}

/* Only usb-broker may do it, so this waits for it: a short time, in which
 * only the connection that asked stands still. */
static int on_configured(void *arg)
{
    struct usb_export *u = arg;
    struct pollfd p = {.fd = PRIVSEP_CHILD_FD, .events = POLLIN};
    struct usb_export_rec rec = u->rec;
    char answer = 0;

    rec.kind = EXPORT_CONFIGURED;
    int r = privsep_send(PRIVSEP_CHILD_FD, &rec, sizeof(rec));
    if (r == 0 && poll(&p, 1, ANSWER_MS) <= 0)
        r = -ETIMEDOUT;
    if (r == 0)
        r = privsep_recv(PRIVSEP_CHILD_FD, &answer, sizeof(answer));
    if (r < 0)
        log_err("usb-broker: %s", err_text(r));
    return r;
}

static const struct export_conn_ops conn_ops = {
    .attached = on_attached,
    .active = on_active,
    .ended = on_ended,
    .configured = on_configured,
};

static void on_parent(int fd, unsigned events, void *arg)
{
    struct usb_export *u = arg;

    char late;

    (void)events;
    if (privsep_recv(fd, &late, sizeof(late)) != 0)
        loop_stop(u->loop, EXPORT_EXIT_CLIENT); /* it closed */
}

static void on_term(int signo, void *arg)
{
    struct usb_export *u = arg;

    (void)signo;
    loop_stop(u->loop, EXPORT_EXIT_CLIENT);
}

/* The kernel gives the device a configuration, and lets usbfs have the
 * interfaces of the grant. No driver binds: see usb_bus.h. */
static int authorize(const struct usb_port *port, const char *sysfs,
                     uint32_t interfaces)
{
    CLEANUP_FD int fd = open(sysfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_last();
    int r = usb_bus_authorize(fd, port);
    if (r == 0)
        r = usb_bus_authorize_interfaces(fd, port, interfaces);
    return r;
}

static int open_channels(struct usb_export *u, uint32_t self, const char *dir)
{
    struct vchan_addr addr = {
        .body = vchan_body_from_env(),
        .peer = u->grant.client,
        .port = u->grant.vport,
        .dir = dir,
        .self = self,
    };
    int r = vchan_server_new_rings(&addr, CONTROL_RING, CONTROL_RING,
                                   &u->chan[USB_CHANNEL_CONTROL]);

    addr.port++;
    if (r == 0 && u->grant.mode == USB_MODE_RAW)
        r = vchan_server_new_rings(&addr, BULK_READ_RING, BULK_WRITE_RING,
                                   &u->chan[USB_CHANNEL_BULK]);
    return r;
}

/* A qube can make its usb-export the largest process of a small VM: then it
 * is the one that goes. */
static void be_first_victim(void)
{
    int r = io_write_value("/proc/self/oom_score_adj", OOM_SCORE);

    if (r < 0)
        log_warn("oom_score_adj: %s", err_text(r));
}

static int enter_sandbox(uint32_t uid)
{
    const struct sandbox box = {
        .uid = uid,
        .gid = uid,
        .root = "/var/empty",
        .sys = SANDBOX_SYS_SOCKET | SANDBOX_SYS_READLINK | SANDBOX_SYS_MMAP_FD,
        .ioctls = ioctls,
        .n_ioctls = ARRAY_LEN(ioctls),
        .max_memory = MEMORY_MAX,
        .max_files = EVTCHN_FDS,
    };

    return sandbox_enter(&box);
}

/* Strings are part of what the qube sees, so they are read once, now. One
 * that is badly formed, or does not come, is left out. */
static void read_strings(struct usb_export *u)
{
    uint8_t s[USB_IDENTITY_STRING_MAX], indexes[USB_SNAPSHOT_STRINGS];
    int n = usb_identity_string(u->fd, 0, 0, s);

    if (n < 4 ||
        usb_snapshot_add_string(u->snapshot, 0, 0, cur_of(s, (size_t)n)) < 0)
        return;
    uint16_t language = (uint16_t)(s[3] << 8 | s[2]);
    size_t count =
        usb_snapshot_string_indexes(u->snapshot, indexes, sizeof(indexes));
    for (size_t i = 0; i < count; i++) {
        n = usb_identity_string(u->fd, indexes[i], language, s);
        if (n == -ETIMEDOUT || n == -ENODEV)
            return;
        if (n < 2 || usb_snapshot_add_string(u->snapshot, indexes[i], language,
                                             cur_of(s, (size_t)n)) < 0)
            log_warn("string %u left out", indexes[i]);
    }
}

/* Interfaces that dom0 grants must be there, in some configuration. */
static bool has_interfaces(const struct usb_dset *set, uint32_t interfaces)
{
    uint32_t there = 0;

    for (size_t i = 0; i < set->n_configs; i++)
        there |= set->configs[i].mask;
    return interfaces == USB_GRANT_ALL || (interfaces & ~there) == 0;
}

/* Is it the device that dom0 granted? Then it becomes the snapshot. */
static enum usb_export_why identify(struct usb_export *u)
{
    enum usb_dset_fault fault = USB_FAULT_NONE;
    uint8_t hash[USB_DSET_HASH_BYTES];
    struct usb_dset *set = NULL;
    int r = usb_identity_read(u->fd, &u->id);

    if (r == -ENODEV)
        return EXPORT_WHY_DEVICE_GONE;
    if (r < 0) {
        log_err("descriptors: %s", err_text(r));
        return EXPORT_WHY_DESCRIPTOR;
    }
    usb_identity_hash(&u->id, hash);
    if (memcmp(hash, u->grant.hash, sizeof(hash)) != 0)
        return EXPORT_WHY_HASH;
    r = usb_dset_parse(cur_of(u->id.untrusted_raw, u->id.raw_len),
                       cur_of(u->id.untrusted_bos, u->id.bos_len), u->id.speed,
                       &fault, &set);
    if (r < 0) {
        log_err("descriptors: %s",
                r == -EBADMSG ? usb_dset_fault_text(fault) : err_text(r));
        return r == -EBADMSG ? EXPORT_WHY_DESCRIPTOR : EXPORT_WHY_INTERNAL;
    }
    if (!has_interfaces(set, u->grant.interfaces))
        return EXPORT_WHY_INTERFACE;
    u->snapshot = usb_snapshot_new(set, u->grant.interfaces);
    if (!u->snapshot)
        return EXPORT_WHY_INTERNAL;
    read_strings(u);
    return EXPORT_WHY_NONE;
}

static int serve_raw(struct usb_export *u)
{
    struct export_conn_config conf = {
        .fd = u->fd,
        .dev = u->dev,
        .devid = EXPORT_DEVID(u->grant.vport),
        .claim = u->grant.interfaces,
        .hello = u->hello,
        .snapshot = u->snapshot,
    };
    int r = usb_hello_encode(u->snapshot, conf.devid, u->hello,
                             sizeof(u->hello), &conf.hello_len);

    if (r < 0)
        return r;
    return export_conn_new(u->loop, &conf, u->chan, &conn_ops, u, &u->conn);
}

static int serve_input(struct usb_export *u)
{
    const struct export_input_config conf = {
        .fd = u->fd,
        .dev = u->dev,
        .interfaces = u->grant.interfaces,
        .kinds = u->grant.events,
        .set = usb_snapshot_set(u->snapshot),
    };

    return export_input_new(u->loop, &conf, u->chan[USB_CHANNEL_CONTROL],
                            &conn_ops, u, &u->input);
}

static int serve(struct usb_export *u)
{
    struct loop_io *parent = NULL; /* these live as long as the process */
    struct loop_sig *term = NULL;
    bool input = u->grant.mode == USB_MODE_EVDEV;

    int r = loop_timer_new(u->loop, on_tick, u, &u->tick);
    if (r == 0)
        r = loop_io_new(u->loop, PRIVSEP_CHILD_FD, LOOP_READ, on_parent, u,
                        &parent);
    if (r == 0)
        r = loop_sig_new(u->loop, SIGTERM, on_term, u, &term);
    if (r == 0)
        r = input ? serve_input(u) : serve_raw(u);
    if (r < 0)
        return fail(u, r == -ENODEV            ? EXPORT_WHY_DEVICE_GONE
                       : input && r == -ENOENT ? EXPORT_WHY_INPUT
                                               : EXPORT_WHY_INTERNAL);
    set_state(u, EXPORT_WAITING);
    r = loop_run(u->loop);
    return r < 0 ? EXPORT_EXIT_INTERNAL : r;
}

static int run(struct usb_export *u, uint32_t self, const char *dir)
{
    int r = u->fd = export_fd_receive(PRIVSEP_CHILD_FD);

    if (r < 0) {
        log_err("device from usb-broker: %s", err_text(r));
        return EXPORT_EXIT_INTERNAL;
    }
    r = authorize(&u->port, u->sysfs, u->grant.interfaces);
    if (r < 0) {
        log_err("authorize: %s", err_text(r));
        return fail(u, EXPORT_WHY_DEVICE_GONE);
    }
    r = open_channels(u, self, dir);
    if (r < 0) {
        log_err("channels: %s", err_text(r));
        return fail(u, EXPORT_WHY_CHANNEL);
    }
    be_first_victim();
    r = export_dev_new(&u->dev);
    if (r == 0)
        r = loop_new(&u->loop);
    if (r == 0)
        r = enter_sandbox(EXPORT_UID(u->grant.vport));
    if (r < 0) {
        log_err("set-up: %s", err_text(r));
        return fail(u, EXPORT_WHY_INTERNAL);
    }
    enum usb_export_why why = identify(u);
    if (why != EXPORT_WHY_NONE)
        return fail(u, why);
    return serve(u);
}

static int usage(FILE *out, int status)
{
    fprintf(out, "usage: usb-export --port PORT --grant TEXT [--self DOMID] "
                 "[--vchan-dir DIR] [--sysfs DIR]\n"
                 "Lends one USB device to one qube; started by usb-broker, see "
                 "usb-export(8).\n");
    return status;
}

int main(int argc, char **argv)
{
    static struct usb_export u; /* large */
    const char *grant = NULL, *dir = NULL;
    uint32_t self = 0;
    bool port = false;

    u.sysfs = "/sys";
    log_init("usb-export", LOG_LEVEL_INFO);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0)
            return usage(stdout, 0);
        if (strcmp(argv[i], "--version") == 0)
            return printf("usb-export %s\n", SQ_VERSION) < 0;
        if (i + 1 >= argc)
            return usage(stderr, EXPORT_EXIT_USAGE);
        if (strcmp(argv[i], "--grant") == 0)
            grant = argv[++i];
        else if (strcmp(argv[i], "--port") == 0)
            port = usb_port_from_name(text_of(argv[++i]), &u.port) == 0;
        else if (strcmp(argv[i], "--sysfs") == 0)
            u.sysfs = argv[++i];
        else if (strcmp(argv[i], "--vchan-dir") == 0)
            dir = argv[++i];
        else if (strcmp(argv[i], "--self") == 0 &&
                 parse_u32(text_of(argv[i + 1]), 0, USB_GRANT_DOMID_MAX,
                           &self) == 0)
            i++;
        else
            return usage(stderr, EXPORT_EXIT_USAGE);
    }
    if (!port || !grant || usb_grant_parse(text_of(grant), &u.grant) < 0)
        return usage(stderr, EXPORT_EXIT_USAGE);
    return run(&u, self, dir);
}
