/* SPDX-License-Identifier: GPL-2.0-or-later */
/* firewallvmd: the firewall VM's rules. glue. The process started by init is
 * the monitor: it alone may change nftables and end flows, and takes nothing
 * but fixed-size records from its worker, the same binary started again.
 * When either ends, both end, and init starts them anew; the table stays,
 * so packets keep the last list. See docs/privsep.md. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/capability.h>

#include "firewallvm/log_main.h"
#include "firewallvm/monitor.h"
#include "firewallvm/monitor_kernel.h"
#include "firewallvm/monitor_watch.h"
#include "firewallvm/resolver.h"
#include "firewallvm/worker.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/privsep.h"
#include "lib/sandbox.h"

#define MONITOR_UID 106
#define MONITOR_MEMORY (256ull << 20)
#define WORKER_ARG "worker"
#define RECORDS_PER_TURN 256
#define REPAIR_MS 1000

struct daemon {
    struct loop *loop;
    struct monitor_kernel *kernel;
    struct monitor *monitor;
    struct monitor_watch *watch;
    struct loop_timer *repair; /* runs for REPAIR_MS after a repair */
    bool changed, repaired;
    int worker_fd;
    pid_t worker_pid;
};

/* @return 1 a record was taken; 0 none there; -errno */
static int take_one(struct daemon *d)
{
    uint8_t rec[RECORD_BYTES];
    int r = privsep_recv(d->worker_fd, rec, sizeof(rec));

    if (r == -EAGAIN)
        return 0;
    if (r == 0)
        r = monitor_take(d->monitor, rec);
    return r < 0 ? r : 1;
}

static void on_worker(int fd, unsigned events, void *arg)
{
    struct daemon *d = arg;
    int i, r = 1;

    (void)fd;
    (void)events;
    for (i = 0; i < RECORDS_PER_TURN && r == 1; i++)
        r = take_one(d);
    if (r == -ECONNRESET)
        log_info("worker ended, so do I; the rules stay");
    else if (r < 0)
        log_err("worker not heard any more: %s", err_text(r));
    if (r < 0)
        loop_stop(d->loop, 1);
}

/* ---- what the kernel says ---- */
static int on_device(const char *name, bool there, void *arg)
{
    struct daemon *d = arg;

    return monitor_device(d->monitor, name, there);
}

static void on_devices(int fd, unsigned events, void *arg)
{
    struct daemon *d = arg;
    int r = monitor_watch_devices(d->watch, on_device, d);

    (void)fd;
    (void)events;
    if (r < 0) {
        log_err("devices: %s", err_text(r));
        loop_stop(d->loop, 1);
    }
}

/* At once, but not again and again: who fights for the table would keep the
 * lists from being heard. */
static void repair(struct daemon *d)
{
    int r;

    if (!d->changed || d->repaired)
        return;
    d->changed = false;
    d->repaired = true;
    log_warn("the table was changed by somebody else: put in place again");
    r = monitor_repair(d->monitor);
    if (r == 0)
        r = loop_timer_start(d->repair, REPAIR_MS);
    if (r < 0) {
        log_err("repair: %s", err_text(r));
        loop_stop(d->loop, 1);
    }
}

static void on_repair_timer(void *arg)
{
    struct daemon *d = arg;

    d->repaired = false;
    repair(d);
}

static void on_table(int fd, unsigned events, void *arg)
{
    struct daemon *d = arg;
    bool changed = false;
    int r = monitor_watch_table(d->watch, &changed);

    (void)fd;
    (void)events;
    if (r < 0) {
        log_err("table: %s", err_text(r));
        loop_stop(d->loop, 1);
        return;
    }
    d->changed = d->changed || changed;
    repair(d);
}

static void on_term(int signo, void *arg)
{
    struct daemon *d = arg;

    log_info("signal %d: ending, the rules stay", signo);
    loop_stop(d->loop, 0);
}

static int start_worker(struct daemon *d)
{
    char name[] = "firewallvmd", role[] = WORKER_ARG;
    char *const argv[] = {name, role, NULL};

    const char hello = 0;
    int r =
        privsep_spawn("/proc/self/exe", argv, &d->worker_fd, &d->worker_pid);

    /* The first message: the queue of answers, for the resolver to read. */
    return r < 0 ? r
                 : io_send_fd(d->worker_fd, &hello, 1,
                              monitor_kernel_queue(d->kernel));
}

static int confine(void)
{
    static const struct sandbox SANDBOX = {
        .uid = MONITOR_UID,
        .gid = MONITOR_UID,
        .keep_caps = 1ull << CAP_NET_ADMIN,
        .root = "/var/empty",
        .sys = SANDBOX_SYS_SOCKET,
        .max_memory = MONITOR_MEMORY,
        .max_files = 16,
    };

    return sandbox_enter(&SANDBOX);
}

static int step(int r, const char *what)
{
    if (r < 0)
        log_err("%s: %s", what, err_text(r));
    return r;
}

static int set_up_watch(struct daemon *d)
{
    struct loop_io *io;
    int r = monitor_watch_new(monitor_kernel_portid(d->kernel), &d->watch);

    if (r == 0)
        r = loop_timer_new(d->loop, on_repair_timer, d, &d->repair);
    if (r == 0)
        r = loop_io_new(d->loop, monitor_watch_devices_fd(d->watch), LOOP_READ,
                        on_devices, d, &io);
    if (r == 0)
        r = loop_io_new(d->loop, monitor_watch_table_fd(d->watch), LOOP_READ,
                        on_table, d, &io);
    if (r == 0)
        r = monitor_watch_all_devices(d->watch, on_device, d);
    return r;
}

static int set_up(struct daemon *d)
{
    struct loop_sig *sig;
    struct loop_io *io;
    int r;

    r = step(monitor_kernel_new(&d->kernel), "nftables");
    if (r == 0)
        r = step(monitor_new(&MONITOR_KERNEL_OPS, d->kernel, &d->monitor),
                 "monitor");
    if (r == 0)
        r = step(loop_new(&d->loop), "loop");
    if (r == 0)
        r = step(set_up_watch(d), "netlink");
    if (r == 0)
        r = step(loop_sig_new(d->loop, SIGTERM, on_term, d, &sig), "signal");
    if (r == 0)
        r = step(loop_sig_new(d->loop, SIGINT, on_term, d, &sig), "signal");
    if (r == 0)
        r = step(start_worker(d), "worker");
    if (r == 0)
        monitor_kernel_worker(d->kernel, d->worker_fd);
    if (r == 0)
        r = step(
            loop_io_new(d->loop, d->worker_fd, LOOP_READ, on_worker, d, &io),
            "loop");
    if (r == 0)
        r = step(confine(), "sandbox");
    return r;
}

/* @return the exit code, or -1 to go on */
static int options(int argc, char *argv[])
{
    if (argc == 1)
        return -1;
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("firewallvmd " SQ_VERSION "\n");
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        printf("usage: firewallvmd [--help | --version]\n"
               "Puts the rules of QubesDB into nftables; see "
               "firewallvmd(8).\n");
        return 0;
    }
    fprintf(stderr, "firewallvmd: unknown argument; try --help\n");
    return 2;
}

int main(int argc, char *argv[])
{
    struct daemon d = {.worker_fd = -1};
    int r;

    if (argc == 2 && strcmp(argv[1], WORKER_ARG) == 0) {
        log_init("firewallvmd-worker", LOG_LEVEL_INFO);
        return worker_main();
    }
    if (argc == 2 && strcmp(argv[1], RESOLVER_ARG) == 0) {
        log_init("firewallvmd-resolver", LOG_LEVEL_INFO);
        return resolver_main();
    }
    if (argc == 2 && strcmp(argv[1], LOG_ARG) == 0) {
        log_init("firewallvmd-log", LOG_LEVEL_INFO);
        return log_main();
    }
    r = options(argc, argv);
    if (r >= 0)
        return r;
    log_init("firewallvmd", LOG_LEVEL_INFO);
    if (set_up(&d) < 0)
        return 1;
    return loop_run(d.loop) == 0 ? 0 : 1;
}
