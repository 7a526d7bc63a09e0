/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysqube-usb: the USB devices that dom0 gives to this qube. glue. For each
 * key /sysqube-usb/attach/<backend>-<port> it runs one usb-import, and says
 * how that goes in /sysqube-status/usb-import/<backend>-<port>. Fed by
 * QubesDB (dom0, trusted, still strict) and by records of fixed size of
 * usb-import (which talks to a hostile USBVM). State, not commands: at each
 * change all keys are read and compared with what runs. Runs as root, since
 * it starts usb-import with the rights that it needs for its set-up. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/privsep.h"
#include "qubesdb/qdb_client.h"
#include "usbvm/frontend/import_msg.h"

#define KEYS "/sysqube-usb/attach/"
#define STATUS "/sysqube-status/usb-import/"
#define NAME_MAX_BYTES 36 /* with NUL; STATUS and it fit into a path */
#define DEVICES_MAX 64
#define OPEN_PATIENCE_MS 60000
#define IMPORT_PATH "/usr/bin/usb-import"

_Static_assert(sizeof(STATUS) + NAME_MAX_BYTES <= QDB_PATH_MAX, "path");

struct device {
    struct sysqube_usb *u;
    char name[NAME_MAX_BYTES]; /* empty: this row is free */
    char value[USB_GRANT_TEXT_MAX];
    bool wanted; /* seen in the present reading of the keys */
    int fd;      /* -1 when its usb-import has ended */
    pid_t pid;   /* of it; 0: none that is to be ended */
    struct loop_io *io;
};

struct sysqube_usb {
    struct loop *loop;
    struct qdb *qdb;
    const char *import_path;
    const char *vchan_dir;
    struct device devices[DEVICES_MAX];
};

static void set_status(struct sysqube_usb *u, const char *name,
                       const char *text)
{
    char path[QDB_PATH_MAX];

    snprintf(path, sizeof(path), STATUS "%s", name);
    log_info("%s: %s", name, text);
    int r = qdb_write(u->qdb, path, text, strlen(text));
    if (r < 0)
        log_warn("%s: %s", path, err_text(r));
}

/* Its usb-import notices that the socketpair closes, ends, and the kernel
 * detaches the device. One that still waits for its channels notices nothing
 * yet, but has no user of its own yet either: the signal is for it. */
static void stop(struct device *d)
{
    if (d->pid > 0)
        (void)kill(d->pid, SIGTERM);
    d->pid = 0;
    loop_io_free(d->io);
    d->io = NULL;
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

static void forget(struct device *d)
{
    char path[QDB_PATH_MAX];

    stop(d);
    log_info("%s: detached", d->name);
    snprintf(path, sizeof(path), STATUS "%s", d->name);
    int r = qdb_rm(d->u->qdb, path);
    if (r < 0 && r != -ENOENT)
        log_warn("%s: %s", path, err_text(r));
    d->name[0] = '\0';
}

static void on_import(int fd, unsigned events, void *arg)
{
    struct device *d = arg;
    struct usb_import_rec rec;
    char text[USB_GRANT_TEXT_MAX];

    (void)events;
    int r = privsep_recv(fd, &rec, sizeof(rec));
    if (r == -EAGAIN)
        return;
    if (r == 0)
        r = import_msg_check(&rec, sizeof(rec));
    if (r == 0) {
        set_status(d->u, d->name, import_msg_status(&rec, text));
        if (rec.link == USB_LINK_FAILED)
            stop(d);
        return;
    }
    stop(d); /* it has ended without saying why, or lies */
    rec = (struct usb_import_rec){.link = USB_LINK_FAILED,
                                  .why = IMPORT_WHY_INTERNAL};
    set_status(d->u, d->name, import_msg_status(&rec, text));
}

static int start(struct device *d)
{
    char attach[] = "--attach", dir[] = "--vchan-dir", name[] = "usb-import";
    char path[256] = "";
    char *argv[] = {name, attach, d->value, NULL, NULL, NULL};

    if (d->u->vchan_dir) {
        snprintf(path, sizeof(path), "%s", d->u->vchan_dir);
        argv[3] = dir;
        argv[4] = path;
    }
    int r = privsep_spawn(d->u->import_path, argv, &d->fd, &d->pid);
    if (r < 0) {
        d->fd = -1;
        return r;
    }
    return loop_io_new(d->u->loop, d->fd, LOOP_READ, on_import, d, &d->io);
}

static void begin(struct device *d)
{
    struct usb_import_rec rec = {.link = USB_LINK_FAILED,
                                 .why = IMPORT_WHY_INTERNAL};
    char text[USB_GRANT_TEXT_MAX];
    int r = start(d);

    if (r == 0)
        return;
    log_err("%s: %s", d->u->import_path, err_text(r));
    stop(d);
    set_status(d->u, d->name, import_msg_status(&rec, text));
}

static struct device *find(struct sysqube_usb *u, const char *name)
{
    for (size_t i = 0; i < DEVICES_MAX; i++)
        if (strcmp(u->devices[i].name, name) == 0)
            return &u->devices[i];
    return NULL;
}

struct reading {
    struct sysqube_usb *u;
    struct device *changed[DEVICES_MAX]; /* to be started */
    size_t n;
};

/* The connection may not be used here: what is new is only noted. */
static int on_key(const char *path, const char *val, size_t len, void *arg)
{
    struct reading *reading = arg;
    struct usb_attach attach;
    const char *name = path + strlen(KEYS);
    size_t name_len = strlen(name);

    if (name_len == 0 || name_len >= NAME_MAX_BYTES ||
        !text_only(text_of(name), PARSE_DIGIT "-_") ||
        usb_attach_parse((struct text){val, len}, &attach) < 0) {
        log_err("%s: not an attach key", path);
        return 0;
    }
    struct device *d = find(reading->u, name);
    if (!d)
        d = find(reading->u, "");
    if (!d) {
        log_err("%s: more than %d devices", path, DEVICES_MAX);
        return 0;
    }
    d->wanted = true;
    if (d->name[0] && strlen(d->value) == len &&
        memcmp(d->value, val, len) == 0)
        return 0;
    stop(d);
    snprintf(d->name, sizeof(d->name), "%s", name);
    snprintf(d->value, sizeof(d->value), "%.*s", (int)len, val);
    reading->changed[reading->n++] = d;
    return 0;
}

static int converge(struct sysqube_usb *u)
{
    struct reading reading = {.u = u};

    for (size_t i = 0; i < DEVICES_MAX; i++)
        u->devices[i].wanted = false;
    int r = qdb_multiread(u->qdb, KEYS, on_key, &reading);
    if (r < 0)
        return r;
    for (size_t i = 0; i < DEVICES_MAX; i++)
        if (u->devices[i].name[0] && !u->devices[i].wanted)
            forget(&u->devices[i]);
    for (size_t i = 0; i < reading.n; i++)
        begin(reading.changed[i]);
    return 0;
}

static void on_qdb(int fd, unsigned events, void *arg)
{
    struct sysqube_usb *u = arg;
    char path[QDB_PATH_MAX];
    bool any = false;
    int r;

    (void)fd;
    (void)events;
    while ((r = qdb_next_event(u->qdb, path)) > 0)
        any = true;
    if (r == 0 && any)
        r = converge(u);
    if (r < 0) {
        log_err("QubesDB: %s", err_text(r));
        loop_stop(u->loop, 1);
    }
}

static void on_child(int signo, void *arg)
{
    struct sysqube_usb *u = arg;
    pid_t pid;

    (void)signo;
    /* What it had to say came over its socketpair. */
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        for (size_t i = 0; i < DEVICES_MAX; i++)
            if (u->devices[i].pid == pid)
                u->devices[i].pid = 0;
}

static void on_term(int signo, void *arg)
{
    struct sysqube_usb *u = arg;

    (void)signo;
    loop_stop(u->loop, 0);
}

/* Statuses of an earlier run are not known to be true. */
static int forget_old(struct sysqube_usb *u)
{
    int r = qdb_rm(u->qdb, STATUS);

    return r == -ENOENT ? 0 : r;
}

static int run(struct sysqube_usb *u, const char *socket_path)
{
    struct loop_io *io = NULL; /* these live as long as the process */
    struct loop_sig *child = NULL, *term = NULL;
    int r = qdb_open(socket_path, OPEN_PATIENCE_MS, &u->qdb);

    if (r == 0)
        r = qdb_watch(u->qdb, KEYS);
    if (r == 0)
        r = loop_new(&u->loop);
    if (r == 0)
        r = loop_io_new(u->loop, qdb_fd(u->qdb), LOOP_READ, on_qdb, u, &io);
    if (r == 0)
        r = loop_sig_new(u->loop, SIGCHLD, on_child, u, &child);
    if (r == 0)
        r = loop_sig_new(u->loop, SIGTERM, on_term, u, &term);
    if (r == 0)
        r = forget_old(u);
    if (r == 0)
        r = converge(u);
    if (r < 0) {
        log_err("set-up: %s", err_text(r));
        return 1;
    }
    r = loop_run(u->loop);
    return r < 0 ? 1 : r;
}

static int usage(FILE *out, int status)
{
    fprintf(out, "usage: sysqube-usb [--socket PATH] [--import PATH] "
                 "[--vchan-dir DIR]\n"
                 "Attaches the USB devices that dom0 gives to this qube; "
                 "see sysqube-usb(8).\n");
    return status;
}

int main(int argc, char **argv)
{
    static struct sysqube_usb u; /* large */
    const char *socket_path = NULL;

    log_init("sysqube-usb", LOG_LEVEL_INFO);
    u.import_path = IMPORT_PATH;
    for (size_t i = 0; i < DEVICES_MAX; i++) {
        u.devices[i].u = &u;
        u.devices[i].fd = -1;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0)
            return usage(stdout, 0);
        if (strcmp(argv[i], "--version") == 0)
            return printf("sysqube-usb %s\n", SQ_VERSION) < 0;
        if (i + 1 >= argc)
            return usage(stderr, 2);
        if (strcmp(argv[i], "--socket") == 0)
            socket_path = argv[++i];
        else if (strcmp(argv[i], "--import") == 0)
            u.import_path = argv[++i];
        else if (strcmp(argv[i], "--vchan-dir") == 0)
            u.vchan_dir = argv[++i];
        else
            return usage(stderr, 2);
    }
    return run(&u, socket_path);
}
