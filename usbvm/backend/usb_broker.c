/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usb-broker: lends the USB devices of this VM. glue. Fed by dom0's grants
 * /sysqube-usb/grant/<port> in QubesDB (trusted, still strict), by numbers of
 * the kernel in sysfs, and by records of fixed size of its helpers, which
 * talk to hostile devices and qubes. It starts a usb-probe for each device
 * that comes and a usb-export for each grant (lend.h says when) and writes
 * what became of it to /sysqube-status/usb-{dev,export,stat}/<port>. Reads no
 * byte of a device: that is why it may stay root, with the capabilities its
 * helpers need for their own set-up. Whatever may have to wait for a device
 * is done by a helper. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/privsep.h"
#include "qubesdb/qdb_client.h"
#include "usbvm/backend/export_fd.h"
#include "usbvm/backend/lend.h"
#include "usbvm/uevent_sock.h"
#include "vchan/vchan.h"

#define GRANTS "/sysqube-usb/grant/"
#define SETTLE_MS 20 /* a plug makes several events */
#define STOP_MS 3000 /* then it is killed */
#define QDB_MS 60000 /* dom0's first copy may take its time */
#define GRANTS_MAX 256
#define HELPER_ARGS 12

struct broker;

/* One helper process. */
struct job {
    LIST_ENTRY(job) next;
    struct broker *b;
    uint32_t number;
    pid_t pid;
    int fd; /* -1: closed */
    struct loop_io *io;
    struct loop_timer *kill; /* runs when it was told to end */
    bool probe;
    struct usb_port port;
    struct usb_grant grant; /* of a usb-export */
};

struct options {
    const char *sysfs, *dev, *socket, *export, *probe, *vchan_dir, *self;
};

struct broker {
    struct options opt;
    struct loop *loop;
    struct qdb *qdb;
    struct lend *lend;
    struct loop_timer *settle;
    bool settling;
    int sysfs; /* root of it */
    int dev;   /* folder of usbfs nodes; -1: this VM has none */
    int events;
    LIST_HEAD(, job) jobs;
    struct {
        struct usb_port port;
        struct usb_grant grant;
    } grants[GRANTS_MAX];
    size_t n_grants;
};

/* ---- helpers ---- */

static void job_close(struct job *j)
{
    loop_io_free(j->io);
    j->io = NULL;
    if (j->fd >= 0)
        close(j->fd);
    j->fd = -1;
}

/* Interfaces of the grant, which the kernel has made anew. */
static int authorize(struct job *j)
{
    const char answer = EXPORT_HELLO_BYTE;
    int r = usb_bus_authorize_interfaces(j->b->sysfs, &j->port,
                                         j->grant.interfaces);

    if (r < 0)
        log_warn("helper %d: interfaces: %s", (int)j->pid, err_text(r));
    return privsep_send(j->fd, &answer, sizeof(answer));
}

/* @return 0 taken; -EAGAIN none there; < 0 */
static int take_record(struct job *j)
{
    struct usb_export_rec rec;
    struct usb_probe_rec probe;
    int r;

    if (j->probe) {
        r = privsep_recv(j->fd, &probe, sizeof(probe));
        if (r == 0)
            r = usb_probe_check(&probe, sizeof(probe));
        if (r == 0)
            lend_probed(j->b->lend, j->number, &probe);
        return r;
    }
    r = privsep_recv(j->fd, &rec, sizeof(rec));
    if (r == 0)
        r = export_msg_check(&rec, sizeof(rec));
    if (r == 0 && rec.kind == EXPORT_CONFIGURED)
        return authorize(j);
    if (r == 0)
        lend_record(j->b->lend, j->number, &rec);
    return r;
}

/* The socket may close before the process has ended: SIGCHLD says so. A
 * helper that says nonsense loses its socket, and then ends. */
static void on_job(int fd, unsigned events, void *arg)
{
    struct job *j = arg;
    int r = take_record(j);

    (void)fd;
    (void)events;
    if (r == 0 || r == -EAGAIN)
        return;
    if (r != -ECONNRESET)
        log_err("helper %d: %s", (int)j->pid, err_text(r));
    job_close(j);
    (void)loop_timer_start(j->kill, STOP_MS);
}

static void on_kill(void *arg)
{
    struct job *j = arg;

    log_warn("helper %d does not end: killed", (int)j->pid);
    (void)kill(j->pid, SIGKILL);
}

static int open_node(struct broker *b, const struct usb_seen *dev)
{
    char path[16];

    snprintf(path, sizeof(path), "%03u/%03u", dev->port.bus, dev->number);
    int fd = openat(b->dev, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? err_last() : fd;
}

static void job_free(struct job *j)
{
    job_close(j);
    loop_timer_free(j->kill);
    free(j);
}

/* argv is not changed by execv(); its type is older than const. */
static char *arg_of(const char *s)
{
    char *p;

    memcpy(&p, &s, sizeof(p));
    return p;
}

static int spawn(struct job *j, const char *path, const char *const args[])
{
    char *argv[HELPER_ARGS + 1] = {NULL};

    for (size_t i = 0; i < HELPER_ARGS && args[i]; i++)
        argv[i] = arg_of(args[i]);
    return privsep_spawn(path, argv, &j->fd, &j->pid);
}

/* @param grant  of a usb-export; NULL: a usb-probe
 * @param node   to be given to it, or -1 */
static int start(struct broker *b, uint32_t number, const struct usb_port *port,
                 const struct usb_grant *grant, int node,
                 const char *const args[])
{
    struct job *j = calloc(1, sizeof(*j));

    if (!j)
        return -ENOMEM;
    *j = (struct job){
        .b = b, .number = number, .fd = -1, .probe = !grant, .port = *port};
    if (grant)
        j->grant = *grant;
    int r = loop_timer_new(b->loop, on_kill, j, &j->kill);
    if (r == 0)
        r = spawn(j, grant ? b->opt.export : b->opt.probe, args);
    if (r < 0) {
        job_free(j);
        return r;
    }
    LIST_INSERT_HEAD(&b->jobs, j, next);
    r = loop_io_new(b->loop, j->fd, LOOP_READ, on_job, j, &j->io);
    if (r == 0 && node >= 0)
        r = export_fd_send(j->fd, node);
    if (r < 0) { /* it ends, and SIGCHLD says so */
        log_err("helper: %s", err_text(r));
        job_close(j);
    }
    return 0;
}

static int on_probe(uint32_t job, const struct usb_seen *dev, bool reset,
                    void *arg)
{
    struct broker *b = arg;
    char name[USB_PORT_TEXT_MAX];
    const char *const args[HELPER_ARGS] = {
        "usb-probe", "--port",     usb_port_name(&dev->port, name),
        "--sysfs",   b->opt.sysfs, reset ? "--reset" : NULL,
    };
    CLEANUP_FD int node = open_node(b, dev);

    return node < 0 ? node : start(b, job, &dev->port, NULL, node, args);
}

static int on_hub(uint32_t job, const struct usb_seen *dev, void *arg)
{
    struct broker *b = arg;
    char name[USB_PORT_TEXT_MAX];
    const char *const args[HELPER_ARGS] = {
        "usb-probe", "--port",     usb_port_name(&dev->port, name),
        "--sysfs",   b->opt.sysfs, "--hub",
    };

    return start(b, job, &dev->port, NULL, -1, args);
}

/* Does a usb-export have this one's channels? */
static bool channels_used(const struct broker *b, const struct usb_grant *grant)
{
    const struct job *j;

    LIST_FOREACH(j, &b->jobs, next)
    {
        if (!j->probe && j->grant.client == grant->client &&
            j->grant.vport == grant->vport)
            return true;
    }
    return false;
}

/* usb-export cannot take its channels back: it has no xenstore any more. The
 * keys go by name: those of one that was started since stay. */
static void forget_channels(const struct broker *b,
                            const struct usb_grant *grant)
{
    struct vchan_addr addr = {
        .body = vchan_body_from_env(),
        .peer = grant->client,
        .port = grant->vport,
        .dir = b->opt.vchan_dir,
    };

    if (b->opt.self &&
        parse_u32(text_of(b->opt.self), 0, USB_GRANT_DOMID_MAX, &addr.self) < 0)
        return;
    for (int i = 0; i < 2; i++, addr.port++) {
        int r = vchan_server_forget(&addr);
        if (r < 0)
            log_warn("channel %u: %s", addr.port, err_text(r));
    }
}

static int on_lend(uint32_t job, const struct usb_seen *dev,
                   const struct usb_grant *grant, void *arg)
{
    struct broker *b = arg;
    char name[USB_PORT_TEXT_MAX], text[USB_GRANT_TEXT_MAX];
    const char *args[HELPER_ARGS] = {
        "usb-export", "--port",     usb_port_name(&dev->port, name),
        "--sysfs",    b->opt.sysfs, "--grant",
        text,
    };
    size_t n = 7;
    int r = usb_grant_format(grant, text);

    if (r < 0)
        return r;
    if (b->opt.self) {
        args[n++] = "--self";
        args[n++] = b->opt.self;
    }
    if (b->opt.vchan_dir) {
        args[n++] = "--vchan-dir";
        args[n++] = b->opt.vchan_dir;
    }
    CLEANUP_FD int node = open_node(b, dev);
    if (node < 0)
        return node;
    forget_channels(b, grant); /* an earlier broker may have left some */
    log_info("%s: lent to domain %u", name, grant->client);
    return start(b, job, &dev->port, grant, node, args);
}

static struct job *find_number(struct broker *b, uint32_t number)
{
    struct job *j;

    LIST_FOREACH(j, &b->jobs, next)
    {
        if (j->number == number)
            return j;
    }
    return NULL;
}

static void on_stop(uint32_t number, void *arg)
{
    struct job *j = find_number(arg, number);

    if (!j)
        return;
    job_close(j);
    (void)loop_timer_start(j->kill, STOP_MS);
}

static const char *const key_names[LEND_KEYS] = {
    [LEND_KEY_IF] = "usb-if",     [LEND_KEY_NUM] = "usb-num",
    [LEND_KEY_DEV] = "usb-dev",   [LEND_KEY_EXPORT] = "usb-export",
    [LEND_KEY_STAT] = "usb-stat",
};

static void on_key(const struct usb_port *port, enum lend_key key,
                   const char *value, void *arg)
{
    struct broker *b = arg;
    char path[QDB_PATH_MAX], id[USB_PORT_TEXT_MAX];

    snprintf(path, sizeof(path), "/sysqube-status/%s/%s", key_names[key],
             usb_port_key(port, id));
    if (key != LEND_KEY_STAT)
        log_info("%s %s: %s", id, key_names[key], value ? value : "-");
    int r = value ? qdb_write(b->qdb, path, value, strlen(value))
                  : qdb_rm(b->qdb, path);
    if (r < 0 && r != -ENOENT)
        log_err("%s: %s", path, err_text(r));
}

static const struct lend_ops lend_ops = {
    .probe = on_probe,
    .hub = on_hub,
    .lend = on_lend,
    .stop = on_stop,
    .key = on_key,
};

static void on_child(int signo, void *arg)
{
    struct broker *b = arg;
    struct job *j, *after;
    pid_t pid;

    (void)signo;
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        for (j = LIST_FIRST(&b->jobs); j; j = after) {
            after = LIST_NEXT(j, next);
            if (j->pid != pid)
                continue;
            while (j->fd >= 0 && take_record(j) == 0) {
                /* its last words */
            }
            LIST_REMOVE(j, next);
            if (!j->probe && !channels_used(b, &j->grant))
                forget_channels(b, &j->grant);
            uint32_t number = j->number;
            job_free(j);
            lend_job_ended(b->lend, number);
            break;
        }
    }
}

/* ---- grants ---- */

/* The connection may not be used here: what is there is only noted. */
static int on_grant(const char *path, const char *val, size_t len, void *arg)
{
    struct broker *b = arg;

    if (b->n_grants == GRANTS_MAX) {
        log_err("more than %d grants", GRANTS_MAX);
        return 0;
    }
    if (usb_port_from_key(text_of(path + strlen(GRANTS)),
                          &b->grants[b->n_grants].port) < 0 ||
        usb_grant_parse((struct text){val, len},
                        &b->grants[b->n_grants].grant) < 0) {
        log_err("%s: not a grant", path);
        return 0;
    }
    b->n_grants++;
    return 0;
}

static int read_grants(struct broker *b)
{
    b->n_grants = 0;
    int r = qdb_multiread(b->qdb, GRANTS, on_grant, b);
    if (r < 0)
        return r;
    lend_grants_begin(b->lend);
    for (size_t i = 0; i < b->n_grants; i++)
        lend_grants_add(b->lend, &b->grants[i].port, &b->grants[i].grant);
    lend_grants_end(b->lend);
    return 0;
}

static void fatal(struct broker *b, const char *what, int r)
{
    log_err("%s: %s", what, err_text(r));
    loop_stop(b->loop, 1); /* init starts us again, and we converge */
}

static void on_qdb(int fd, unsigned events, void *arg)
{
    struct broker *b = arg;
    char path[QDB_PATH_MAX];
    bool any = false;
    int r;

    (void)fd;
    (void)events;
    while ((r = qdb_next_event(b->qdb, path)) > 0)
        any = true;
    if (r == 0 && any)
        r = read_grants(b);
    if (r < 0)
        fatal(b, "QubesDB", r);
}

/* ---- devices ---- */

static int look(struct broker *b)
{
    struct usb_seen seen[LEND_MAX];

    if (b->dev < 0)
        return 0;
    int r = usb_bus_guard(b->sysfs);
    if (r < 0)
        log_err("root hubs: %s", err_text(r));
    r = usb_bus_scan(b->sysfs, seen, LEND_MAX);
    if (r < 0)
        return r;
    lend_devices(b->lend, seen, (size_t)r);
    return read_grants(b);
}

static void on_settled(void *arg)
{
    struct broker *b = arg;

    b->settling = false;
    int r = look(b);
    if (r < 0)
        fatal(b, "devices", r);
}

static void on_uevent(int fd, unsigned events, void *arg)
{
    struct broker *b = arg;

    (void)events;
    /* From the first event on, so that no storm of them puts it off. */
    if (uevent_sock_take(fd) && !b->settling)
        b->settling = loop_timer_start(b->settle, SETTLE_MS) == 0;
}

/* ---- start ---- */

static void on_term(int signo, void *arg)
{
    struct broker *b = arg;

    (void)signo;
    loop_stop(b->loop, 0);
}

/* What an earlier run said is not known to be true. */
static int forget_old(struct broker *b)
{
    char path[QDB_PATH_MAX];
    int r = 0;

    for (int k = 0; k < LEND_KEYS && r == 0; k++) {
        snprintf(path, sizeof(path), "/sysqube-status/%s/", key_names[k]);
        r = qdb_rm(b->qdb, path);
        r = r == -ENOENT ? 0 : r;
    }
    return r;
}

/* Grows with the time this VM has run, so no two runs share a number. */
static uint64_t first_gen(void)
{
    struct timespec t = {0};

    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 + 1;
}

static int open_all(struct broker *b)
{
    const char *sysfs = b->opt.sysfs, *dev = b->opt.dev;
    int r = b->sysfs = open(sysfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (r < 0) {
        log_err("%s: %s", sysfs, err_text(err_last()));
        return err_last();
    }
    b->dev = open(dev, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->dev < 0 && errno != ENOENT)
        return err_last();
    if (b->dev < 0)
        log_info("%s: not there, nothing can be lent", dev);
    r = b->events = uevent_sock_open();
    if (r >= 0)
        r = qdb_open(b->opt.socket, QDB_MS, &b->qdb);
    return r < 0 ? r : 0;
}

static int set_up(struct broker *b)
{
    struct loop_io *events = NULL, *qdb = NULL; /* as long as the process */
    struct loop_sig *term = NULL, *child = NULL;
    int r = open_all(b);

    if (r == 0)
        r = loop_new(&b->loop);
    if (r == 0)
        r = loop_io_new(b->loop, b->events, LOOP_READ, on_uevent, b, &events);
    if (r == 0)
        r = loop_io_new(b->loop, qdb_fd(b->qdb), LOOP_READ, on_qdb, b, &qdb);
    if (r == 0)
        r = loop_timer_new(b->loop, on_settled, b, &b->settle);
    if (r == 0)
        r = loop_sig_new(b->loop, SIGTERM, on_term, b, &term);
    if (r == 0)
        r = loop_sig_new(b->loop, SIGCHLD, on_child, b, &child);
    if (r == 0)
        r = forget_old(b);
    if (r == 0)
        r = qdb_watch(b->qdb, GRANTS);
    b->lend = lend_new(first_gen(), &lend_ops, b);
    return r == 0 && !b->lend ? -ENOMEM : r;
}

static int usage(FILE *out, int status)
{
    fprintf(out, "usage: usb-broker [--sysfs DIR] [--dev DIR] "
                 "[--qubesdb SOCKET] [--self DOMID]\n"
                 "       [--vchan-dir DIR] [--export PATH] [--probe PATH]\n"
                 "Lends the USB devices of this VM to qubes; see "
                 "usb-broker(8).\n");
    return status;
}

/* @return 0; -EINVAL */
static int parse_option(struct options *o, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **value;
    } known[] = {
        {"--sysfs", &o->sysfs},         {"--dev", &o->dev},
        {"--qubesdb", &o->socket},      {"--self", &o->self},
        {"--vchan-dir", &o->vchan_dir}, {"--export", &o->export},
        {"--probe", &o->probe},
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(name, known[i].name) != 0)
            continue;
        *known[i].value = value;
        return value ? 0 : -EINVAL;
    }
    return -EINVAL;
}

int main(int argc, char **argv)
{
    static struct broker b; /* large */

    b.opt = (struct options){.sysfs = "/sys",
                             .dev = "/dev/bus/usb",
                             .export = "/usr/bin/usb-export",
                             .probe = "/usr/bin/usb-probe"};
    log_init("usb-broker", LOG_LEVEL_INFO);
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0)
            return usage(stdout, 0);
        if (strcmp(argv[i], "--version") == 0)
            return printf("usb-broker %s\n", SQ_VERSION) < 0;
        if (parse_option(&b.opt, argv[i], argv[i + 1]) < 0)
            return usage(stderr, 2);
    }
    int r = set_up(&b);
    if (r == 0)
        r = look(&b);
    if (r < 0) {
        log_err("start: %s", err_text(r));
        return 1;
    }
    r = loop_run(b.loop);
    return r < 0 ? 1 : r;
}
