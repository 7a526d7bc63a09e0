/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usbvmd: tells dom0 which USB devices are plugged in, by the keys
 * /qubes-usb-devices/<port>/{desc,usb-ver,interfaces,devnum}. glue. Fed by
 * kernel uevents and sysfs (texts of devices, hostile) and by the local QubesDB
 * daemon (trusted). Each event only says "look again": the whole of sysfs is
 * read and the difference to what stands in QubesDB is written, so a lost
 * event or a restart changes nothing. Runs as uid 107 with no capability, in
 * an empty root, with sysfs open as one folder. Lends no device. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/sandbox.h"
#include "qubesdb/qdb_client.h"
#include "usbvm/uevent_sock.h"
#include "usbvm/usb_sysfs.h"

#define USBVMD_UID 107
#define USBVMD_QDB_GID 98    /* may write to qdbd's socket */
#define USBVMD_SETTLE_MS 100 /* a device's events come in a burst */
#define USBVMD_QDB_MS 60000  /* dom0's first copy may take its time */
#define USBVMD_MEMORY (64u << 20)
#define KEYS "/qubes-usb-devices"

struct usbvmd {
    struct loop *loop;
    struct qdb *qdb;
    int sysfs;  /* its root */
    int events; /* uevent socket */
    struct loop_timer *settle;
    bool settling; /* the timer runs */
    struct usb_table now;
    struct usb_table published;
};

static int remove_device(struct usbvmd *u, const char *key)
{
    char path[QDB_PATH_MAX];

    snprintf(path, sizeof(path), KEYS "/%.30s/", key);
    int r = qdb_rm(u->qdb, path);
    return r == -ENOENT ? 0 : r;
}

static int add_device(struct usbvmd *u, const char *key,
                      const struct usb_entry *e)
{
    char number[8] = "";
    const struct {
        const char *name;
        const char *value;
    } keys[] = {
        {"desc", e->desc},
        {"usb-ver", (const char[]){e->version, '\0'}},
        {"interfaces", e->interfaces},
        {"devnum", number},
    };
    int r = 0;

    if (e->number != 0)
        snprintf(number, sizeof(number), "%u", e->number);
    for (size_t i = 0; i < ARRAY_LEN(keys) && r == 0; i++) {
        char path[QDB_PATH_MAX];

        if (!keys[i].value[0])
            continue;
        snprintf(path, sizeof(path), KEYS "/%.30s/%s", key, keys[i].name);
        r = qdb_write_text(u->qdb, path, "%s", keys[i].value);
    }
    return r;
}

static int on_change(enum usb_change what, const struct usb_entry *e, void *arg)
{
    char key[USB_PORT_TEXT_MAX];
    struct usbvmd *u = arg;

    usb_port_key(&e->port, key);
    log_info("%s %s: %s", what == USB_NEW ? "added" : "removed", key, e->desc);
    if (what == USB_NEW && e->odd)
        log_warn("%s: malformed descriptors", key);
    return what == USB_NEW ? add_device(u, key, e) : remove_device(u, key);
}

/* Read sysfs, write the difference, then the signal key and the status. */
static int publish(struct usbvmd *u)
{
    int r = u->sysfs < 0 ? 0 : usb_sysfs_scan(u->sysfs, &u->now);

    if (r < 0) {
        log_err("sysfs: %s", err_text(r));
        qdb_write_text(u->qdb, "/sysqube-status/usb", "error sysfs: %s",
                       err_text(r));
        return 0;
    }
    r = usb_table_diff(&u->published, &u->now, on_change, u);
    if (r == 0)
        r = qdb_write(u->qdb, KEYS, "", 0);
    if (r == 0)
        r = qdb_write_text(u->qdb, "/sysqube-status/usb", "ready %zu%s",
                           u->now.n, u->now.full ? " (more left out)" : "");
    if (r < 0) {
        log_err("QubesDB: %s", err_text(r));
        return r;
    }
    u->published = u->now;
    return 0;
}

static void on_settled(void *arg)
{
    struct usbvmd *u = arg;

    u->settling = false;
    if (publish(u) < 0)
        loop_stop(u->loop, 1); /* init starts us again, and we converge */
}

static void on_uevent(int fd, unsigned events, void *arg)
{
    struct usbvmd *u = arg;
    bool look = uevent_sock_take(fd);

    (void)events;
    /* From the first event on: a device that comes and goes without end must
     * not put this off for ever. */
    if (look && !u->settling)
        u->settling = loop_timer_start(u->settle, USBVMD_SETTLE_MS) == 0;
}

static void on_qdb(int fd, unsigned events, void *arg)
{
    struct usbvmd *u = arg;
    char path[QDB_PATH_MAX];
    int r;

    (void)fd;
    (void)events;
    do {
        r = qdb_next_event(u->qdb, path);
    } while (r > 0);
    if (r < 0) {
        log_warn("QubesDB: %s", err_text(r));
        loop_stop(u->loop, 1);
    }
}

static void on_term(int signo, void *arg)
{
    struct usbvmd *u = arg;

    (void)signo;
    loop_stop(u->loop, 0);
}

static int open_sysfs(const char *root)
{
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? err_last() : fd;
}

static int enter_sandbox(bool confine)
{
    struct sandbox s = {
        .uid = confine ? USBVMD_UID : SANDBOX_KEEP_ID,
        .gid = USBVMD_QDB_GID,
        .root = confine ? "/var/empty" : NULL,
        .sys = SANDBOX_SYS_SOCKET | SANDBOX_SYS_FILE,
        .max_memory = USBVMD_MEMORY,
    };

    return sandbox_enter(&s);
}

/* What QubesDB still holds of an earlier run is not known to be true. */
static int forget_old(struct usbvmd *u)
{
    int r = qdb_rm(u->qdb, KEYS "/");

    return r == -ENOENT ? 0 : r;
}

static int serve(struct usbvmd *u)
{
    struct loop_io *events = NULL, *qdb = NULL;
    struct loop_sig *term = NULL;
    int r = loop_io_new(u->loop, u->events, LOOP_READ, on_uevent, u, &events);

    if (r == 0)
        r = loop_io_new(u->loop, qdb_fd(u->qdb), LOOP_READ, on_qdb, u, &qdb);
    if (r == 0)
        r = loop_timer_new(u->loop, on_settled, u, &u->settle);
    if (r == 0)
        r = loop_sig_new(u->loop, SIGTERM, on_term, u, &term);
    if (r == 0)
        r = enter_sandbox(geteuid() == 0);
    if (r < 0)
        log_err("set-up: %s", err_text(r));
    if (r == 0)
        r = forget_old(u);
    if (r == 0)
        r = publish(u);
    if (r == 0)
        r = loop_run(u->loop);
    loop_sig_free(term);
    loop_timer_free(u->settle);
    loop_io_free(qdb);
    loop_io_free(events);
    return r;
}

static int usage(FILE *out, int status)
{
    fprintf(out, "usage: usbvmd [--sysfs DIR] [--qubesdb SOCKET]\n"
                 "Publishes the USB devices of this VM in QubesDB; "
                 "see usbvmd(8).\n");
    return status;
}

int main(int argc, char **argv)
{
    static struct usbvmd u; /* the tables are large */
    const char *sysfs = "/sys", *socket_path = NULL;

    log_init("usbvmd", LOG_LEVEL_INFO);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0)
            return usage(stdout, 0);
        if (strcmp(argv[i], "--version") == 0)
            return printf("usbvmd %s\n", SQ_VERSION) < 0;
        if (strcmp(argv[i], "--sysfs") == 0 && i + 1 < argc)
            sysfs = argv[++i];
        else if (strcmp(argv[i], "--qubesdb") == 0 && i + 1 < argc)
            socket_path = argv[++i];
        else
            return usage(stderr, 2);
    }
    u.sysfs = open_sysfs(sysfs);
    u.events = uevent_sock_open();
    int r = u.events < 0 ? u.events : 0;
    if (r < 0)
        log_err("uevents: %s", err_text(r));
    if (r == 0 && u.sysfs < 0) {
        log_warn("%s/bus/usb/devices: %s", sysfs, err_text(u.sysfs));
        /* No USB in this machine is no fault; anything else is. */
        r = u.sysfs == -ENOENT ? 0 : u.sysfs;
    }
    if (r == 0)
        r = qdb_open(socket_path, USBVMD_QDB_MS, &u.qdb);
    if (r == 0)
        r = loop_new(&u.loop);
    if (r < 0) {
        log_err("start: %s", err_text(r));
        return 1;
    }
    r = serve(&u);
    loop_free(u.loop);
    qdb_close(u.qdb);
    return r == 0 ? 0 : 1;
}
