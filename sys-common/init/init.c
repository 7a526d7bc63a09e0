/* SPDX-License-Identifier: GPL-2.0-or-later */
/* init: PID 1 of every appliance. glue. Fed by the image's service table
 * (trusted), the toolstack's shutdown request or its own signals, and the
 * output of the services (cleaned by svc_log). Manual: sysqube-init(8).
 *
 * Signals: SIGTERM, SIGPWR, SIGUSR2 power off; SIGINT reboots; SIGUSR1
 * halts. Run as /sbin/poweroff, /sbin/reboot or /sbin/halt (which the
 * kernel does when the toolstack asks and it is faster than we are), the
 * same binary only sends PID 1 that signal.
 *
 * Does not load modules, configure a network or parse anything hostile. */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "init/init_mount.h"
#include "init/init_xen.h"
#include "init/svc_log.h"
#include "init/svc_plan.h"
#include "init/svc_run.h"
#include "init/svc_table.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#define TABLE_PATH "/etc/sysqube/services"
#define IMAGE_PATH "/etc/sysqube/image"
#define READ_CHUNK 4096
#define READS_PER_TURN 4
#define CONSOLE_PATIENCE_MS 200
#define KILL_PATIENCE_MS 1000

struct init;

struct service {
    struct init *init;
    unsigned i;
    pid_t pid; /* 0: not running */
    int out;   /* -1: none */
    struct loop_io *out_io;
    struct svc_log log;
};

struct init {
    enum svc_platform platform;
    struct loop *loop;
    struct loop_timer *timer;
    struct svc_table table;
    struct svc_plan plan;
    struct service svc[SVC_MAX];
    struct init_xen *xen;
    struct loop_io *xen_io;
    int console;
    bool console_stuck; /* nobody reads it: lines are dropped, not waited for */
    bool announced;
    uint64_t begin_ms;
    enum svc_end end;
};

static const char *platform_name(enum svc_platform p)
{
    return p == SVC_XEN ? "xen" : "netns";
}

/* A console whose reader is gone must not stop PID 1. */
static void console_line(const char *line, size_t len, void *arg)
{
    struct init *in = arg;
    int r;

    if (in->console < 0)
        return;
    r = io_write_all(in->console, line, len,
                     in->console_stuck ? 0 : CONSOLE_PATIENCE_MS);
    in->console_stuck = r < 0;
}

static void service_close(struct service *s)
{
    struct init *in = s->init;

    if (s->out < 0)
        return;
    svc_log_flush(&s->log, in->table.e[s->i].name, console_line, in);
    loop_io_free(s->out_io);
    s->out_io = NULL;
    close(s->out);
    s->out = -1;
}

/* At most READS_PER_TURN chunks, so that one talkative service does not
 * keep the others waiting. */
static void service_output(int fd, unsigned events, void *arg)
{
    struct service *s = arg;
    struct init *in = s->init;
    char data[READ_CHUNK];

    (void)events;
    for (unsigned i = 0; i < READS_PER_TURN; i++) {
        ssize_t n = read(fd, data, sizeof(data));

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            service_close(s);
            return;
        }
        svc_log_feed(&s->log, in->table.e[s->i].name, data, (size_t)n,
                     console_line, in);
    }
}

static void service_start(struct init *in, unsigned i)
{
    struct service *s = &in->svc[i];
    const struct svc_entry *e = &in->table.e[i];
    int r;

    /* An old pipe may still be held by a grandchild. */
    service_close(s);
    r = svc_run_start(e, platform_name(in->platform), &s->pid, &s->out);
    if (r == 0 && s->out >= 0) {
        r = loop_io_new(in->loop, s->out, LOOP_READ, service_output, s,
                        &s->out_io);
        if (r < 0)
            log_warn("%s: its output is lost: %s", e->name, err_text(r));
        r = 0;
    }
    if (r < 0)
        log_err("%s: not started: %s", e->name, err_text(r));
    svc_plan_started(&in->plan, i, r == 0, io_now_ms());
}

static void announce(struct init *in)
{
    CLEANUP_FREE char *image = NULL;
    struct timespec ts;
    uint64_t ms = io_now_ms() - in->begin_ms;
    char name[64];

    in->announced = true;
    if (in->platform == SVC_XEN && clock_gettime(CLOCK_BOOTTIME, &ts) == 0)
        ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
    if (io_read_file(IMAGE_PATH, 256, &image, NULL) == 0)
        image[strcspn(image, "\n")] = '\0';
    log_info("%s up after %llu ms",
             log_clean(name, sizeof(name), image ? image : "appliance",
                       image ? strlen(image) : strlen("appliance")),
             (unsigned long long)ms);
}

static void step(void *arg)
{
    struct init *in = arg;

    for (;;) {
        uint64_t now = io_now_ms();
        struct svc_step s = svc_plan_next(&in->plan, now);

        switch (s.what) {
        case SVC_DO_START:
            service_start(in, s.i);
            continue;
        case SVC_DO_TERM:
            if (in->svc[s.i].pid > 0)
                (void)kill(in->svc[s.i].pid, SIGTERM);
            continue;
        case SVC_DO_HALT:
            loop_stop(in->loop, 0);
            return;
        case SVC_DO_WAIT:
            if (!in->announced && svc_plan_all_begun(&in->plan))
                announce(in);
            loop_timer_stop(in->timer);
            if (s.until_ms != UINT64_MAX)
                (void)loop_timer_start(in->timer, (uint32_t)(s.until_ms - now));
            return;
        }
    }
}

static void report_end(const struct svc_entry *e, int status, bool stopping)
{
    if (WIFSIGNALED(status) && !(stopping && WTERMSIG(status) == SIGTERM))
        log_warn("%s: ended by signal %d", e->name, WTERMSIG(status));
    else if (WIFEXITED(status) && !stopping &&
             !(e->once && WEXITSTATUS(status) == 0))
        log_warn("%s: ended with code %d", e->name, WEXITSTATUS(status));
}

static void reap(int signo, void *arg)
{
    struct init *in = arg;
    pid_t pid;
    int status;

    (void)signo;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (unsigned i = 0; i < in->table.n; i++) {
            struct service *s = &in->svc[i];

            if (s->pid != pid)
                continue;
            /* What it said last comes before the news of its end. */
            if (s->out >= 0)
                service_output(s->out, LOOP_READ, s);
            s->pid = 0;
            report_end(&in->table.e[i], status, in->plan.stopping);
            svc_plan_ended(&in->plan, i, io_now_ms());
        }
    }
    step(in);
}

/* A later, more exact wish (SIGINT from the kernel's /sbin/reboot) replaces
 * the first for as long as services are still being stopped. */
static void begin_end(struct init *in, enum svc_end end, const char *why)
{
    static const char *const names[] = {"nothing", "power-off", "halt",
                                        "reboot"};

    if (!in->plan.stopping)
        log_info("%s asked for by %s", names[end], why);
    in->end = end;
    svc_plan_stop(&in->plan, io_now_ms());
    step(in);
}

static void on_signal(int signo, void *arg)
{
    enum svc_end end = SVC_END_POWEROFF;

    if (signo == SIGINT)
        end = SVC_END_REBOOT;
    else if (signo == SIGUSR1)
        end = SVC_END_HALT;
    begin_end(arg, end, "signal");
}

static void on_xenstore(int fd, unsigned events, void *arg)
{
    struct init *in = arg;
    enum svc_end end = init_xen_poll(in->xen);

    (void)fd;
    (void)events;
    if (end != SVC_END_NONE)
        begin_end(in, end, "the toolstack");
}

static void mount_failed(const char *target, int err)
{
    log_warn("%s: not mounted: %s", target, err_text(err));
}

/* The first descriptors may be missing or lead to the initramfs's node. */
static int open_console(void)
{
    int fd = open("/dev/console", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    int r;

    if (fd < 0)
        return err_last();
    /* A +tty service is to have it as its controlling terminal, not we. */
    (void)ioctl(fd, TIOCNOTTY);
    r = dup2(fd, 2) < 0 || dup2(fd, 1) < 0 ? err_last() : 0;
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

static int load_table(struct init *in)
{
    CLEANUP_FREE char *data = NULL;
    size_t len;
    unsigned line;
    const char *why;
    int r;

    r = io_read_file(TABLE_PATH, SVC_FILE_MAX, &data, &len);
    if (r < 0) {
        log_err(TABLE_PATH ": %s", err_text(r));
        return r;
    }
    r = svc_table_parse(data, len, in->platform, &in->table, &line, &why);
    if (r < 0)
        log_err(TABLE_PATH ":%u: expected %s", line, why);
    return r;
}

static int watch_signals(struct init *in)
{
    static const int ends[] = {SIGTERM, SIGPWR, SIGINT, SIGUSR1, SIGUSR2};
    struct loop_sig *sig; /* lives as long as PID 1 */
    int r;

    r = loop_sig_new(in->loop, SIGCHLD, reap, in, &sig);
    for (unsigned i = 0; r == 0 && i < ARRAY_LEN(ends); i++)
        r = loop_sig_new(in->loop, ends[i], on_signal, in, &sig);
    return r;
}

static int set_up(struct init *in)
{
    uint64_t caps = 0;
    int r;

    r = loop_new(&in->loop);
    if (r == 0)
        r = watch_signals(in);
    if (r == 0)
        r = loop_timer_new(in->loop, step, in, &in->timer);
    if (r < 0)
        return r;
    r = init_mount_all(in->platform, mount_failed);
    if (r < 0)
        return r;
    r = open_console();
    if (r < 0)
        log_warn("/dev/console: %s", err_text(r));
    in->console = r;
    r = load_table(in);
    if (r < 0)
        return r;
    if (in->platform == SVC_XEN) {
        r = init_xen_new(&in->xen);
        if (r == 0)
            r = loop_io_new(in->loop, init_xen_fd(in->xen), LOOP_READ,
                            on_xenstore, in, &in->xen_io);
        if (r < 0)
            log_warn("xenstore: no clean shutdown by the toolstack: %s",
                     err_text(r));
        else
            on_xenstore(-1, LOOP_READ, in);
    }
    for (unsigned i = 0; i < in->table.n; i++)
        caps |= in->table.e[i].caps;
    r = svc_run_limit(caps);
    if (r < 0)
        log_warn("capabilities are not limited: %s", err_text(r));
    return 0;
}

/* Everything that is left gets SIGKILL. */
static void kill_rest(void)
{
    uint64_t by = io_now_ms() + KILL_PATIENCE_MS;

    if (kill(-1, SIGKILL) < 0)
        return; /* ESRCH: nobody is left */
    while (io_now_ms() < by) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);

        if (pid < 0)
            return;
        if (pid == 0)
            usleep(10000);
    }
}

static int finish(struct init *in)
{
    int how = RB_POWER_OFF;

    kill_rest();
    for (unsigned i = 0; i < in->table.n; i++)
        service_close(&in->svc[i]);
    log_info("down");
    sync();
    init_mount_undo(in->platform);
    if (in->platform == SVC_NETNS)
        return 0;
    if (in->end == SVC_END_REBOOT)
        how = RB_AUTOBOOT;
    else if (in->end == SVC_END_HALT)
        how = (int)RB_HALT_SYSTEM;
    (void)reboot(how);
    log_err("reboot: %s", err_text(err_last()));
    for (;;)
        pause();
}

static int run_init(void)
{
    static struct init in; /* large; PID 1 has exactly one */
    const char *platform = getenv("SYSQUBE_PLATFORM");
    int r;

    in.begin_ms = io_now_ms();
    in.console = -1;
    in.platform = platform != NULL && strcmp(platform, "netns") == 0 ? SVC_NETNS
                                                                     : SVC_XEN;
    for (unsigned i = 0; i < SVC_MAX; i++) {
        in.svc[i].init = &in;
        in.svc[i].i = i;
        in.svc[i].out = -1;
    }
    r = set_up(&in);
    if (r == 0) {
        svc_plan_init(&in.plan, &in.table, io_now_ms());
        step(&in);
        r = loop_run(in.loop);
    } else {
        log_err("set-up: %s; powering off", err_text(r));
    }
    finish(&in);
    return r == 0 ? 0 : 1;
}

static int send_signal(const char *name)
{
    int signo = SIGUSR2;

    if (strcmp(name, "reboot") == 0)
        signo = SIGINT;
    else if (strcmp(name, "halt") == 0)
        signo = SIGUSR1;
    if (kill(1, signo) < 0) {
        log_err("PID 1: %s", err_text(err_last()));
        return 1;
    }
    return 0;
}

static void usage(FILE *to)
{
    fprintf(to, "usage: init [--help | --version]\n"
                "PID 1 of a Sysqube appliance; see sysqube-init(8).\n"
                "Called as poweroff, reboot or halt it tells PID 1 so.\n");
}

int main(int argc, char *argv[])
{
    const char *base = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *name = base != NULL ? base + 1 : argc > 0 ? argv[0] : "init";

    log_init("init", LOG_LEVEL_INFO);
    if (getpid() == 1)
        return run_init();
    if (strcmp(name, "poweroff") == 0 || strcmp(name, "reboot") == 0 ||
        strcmp(name, "halt") == 0)
        return send_signal(name);
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("init " SQ_VERSION);
        return 0;
    }
    if (argc == 1)
        log_err("is PID 1 of an appliance, not a command");
    usage(stderr);
    return 2;
}
