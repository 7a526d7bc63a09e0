/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysqubed: the orchestrator in dom0. glue (main). Fed by its configuration
 * folder and its control socket, both the administrator's. Runs no shell;
 * starts only sysqube-qdb, and what the platform makes. */
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dom0/config_load.h"
#include "dom0/control.h"
#include "dom0/job.h"
#include "dom0/manager.h"
#include "dom0/metrics.h"
#include "dom0/serve.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"

#define METRICS_MS 10000

static const char usage_text[] =
    "Usage: sysqubed [--config DIR] [--debug]\n"
    "The orchestrator of Sysqube in dom0; the sysqube command talks to it.\n"
    "  --config DIR  folder of sysqube.conf and qubes/ (default "
    "/etc/sysqube)\n"
    "  --debug       say more\n"
    "  --version     print the version\n"
    "Stops on SIGTERM or SIGINT: all qubes are ended then.\n";

static void on_signal(int signo, void *arg)
{
    log_info("signal %d: ending", signo);
    loop_stop(arg, 0);
}

static void on_changed(void *arg)
{
    struct serve *s = arg;

    jobs_step(s->jobs);
}

/* ---- metrics ---- */

struct metrics {
    struct manager *m;
    struct loop_timer *timer;
    char path[CONFIG_PATH_MAX + 16];
    bool failed; /* said so once */
};

static void on_metrics(void *arg)
{
    struct metrics *k = arg;
    char *text = metrics_text(k->m);
    int r = text ? io_write_file(k->path, text, strlen(text), 0644) : -ENOMEM;

    if (r && !k->failed)
        log_warn("%s: %s", k->path, err_text(r));
    k->failed = r != 0;
    free(text);
    (void)loop_timer_start(k->timer, METRICS_MS);
}

static int start_metrics(struct loop *loop, struct metrics *k)
{
    const struct config_daemon *d = &k->m->cfg.d;
    int r;

    if (!strcmp(d->metrics, CONFIG_NO_METRICS))
        return 0;
    if (d->metrics[0])
        snprintf(k->path, sizeof(k->path), "%s", d->metrics);
    else
        snprintf(k->path, sizeof(k->path), "%s/metrics.prom", d->run_dir);
    r = loop_timer_new(loop, on_metrics, k, &k->timer);
    return r ? r : loop_timer_start(k->timer, 0);
}

/* Numbers of a daemon that has ended would be taken for present ones. */
static void stop_metrics(struct metrics *k)
{
    loop_timer_free(k->timer);
    if (k->timer)
        (void)unlink(k->path);
}

static void say_problems(const struct problems *p)
{
    char line[PROBLEM_TEXT_MAX + 512];

    for (size_t i = 0; i < p->n; i++)
        log_err("%s", problems_line(&p->v[i], line, sizeof(line)));
    if (p->lost)
        log_err("and %zu more", p->lost);
}

static int run(const char *dir)
{
    static const struct platform_ops *const bodies[] = {&platform_xen,
                                                        &platform_netns, NULL};
    struct serve s = {0};
    struct control_handler h = {serve_line, serve_gone, &s};
    struct loop_sig *term = NULL, *intr = NULL;
    struct control *ctl = NULL;
    struct problems p = {0};
    struct manager_error err = {0};
    struct metrics metrics = {0};
    int r = loop_new(&s.loop);

    r = r ? r : manager_new(s.loop, dir, bodies, &p, &err, &s.m);
    if (r) {
        say_problems(&p);
        log_err("%s", err.step ? err.message
                               : "nothing was started; mend the "
                                 "configuration (sysqube check)");
        problems_free(&p);
        loop_free(s.loop);
        return 1;
    }
    s.m->changed = on_changed;
    s.m->arg = &s;
    r = jobs_new(s.m, &s.jobs);
    r = r ? r : loop_sig_new(s.loop, SIGTERM, on_signal, s.loop, &term);
    r = r ? r : loop_sig_new(s.loop, SIGINT, on_signal, s.loop, &intr);
    r = r ? r : control_new(s.loop, s.m->cfg.d.socket, &h, &ctl);
    metrics.m = s.m;
    r = r ? r : start_metrics(s.loop, &metrics);
    if (r)
        log_err("%s: %s", s.m->cfg.d.socket, err_text(r));
    else
        log_info("ready: platform %s, %zu qubes, socket %s",
                 s.m->platform->ops->name, s.m->cfg.n, s.m->cfg.d.socket);
    r = r ? 1 : loop_run(s.loop);
    stop_metrics(&metrics);
    control_free(ctl);
    jobs_free(s.jobs);
    manager_free(s.m);
    loop_sig_free(term);
    loop_sig_free(intr);
    loop_free(s.loop);
    return r ? 1 : 0;
}

int main(int argc, char **argv)
{
    static const struct option opts[] = {
        {"config", required_argument, NULL, 'c'},
        {"debug", no_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    const char *dir = CONFIG_DIR;
    enum log_level level = LOG_LEVEL_INFO;
    int c;

    while ((c = getopt_long(argc, argv, "", opts, NULL)) != -1) {
        switch (c) {
        case 'c':
            dir = optarg;
            break;
        case 'd':
            level = LOG_LEVEL_DEBUG;
            break;
        case 'h':
            fputs(usage_text, stdout);
            return 0;
        case 'V':
            puts("sysqubed " SQ_VERSION);
            return 0;
        default:
            fputs(usage_text, stderr);
            return 2;
        }
    }
    if (optind != argc || strlen(dir) >= CONFIG_PATH_MAX) {
        fputs(usage_text, stderr);
        return 2;
    }
    log_init("sysqubed", level);
    umask(022);
    (void)signal(SIGPIPE, SIG_IGN);
    if (sodium_init() < 0) {
        log_err("libsodium does not start");
        return 1;
    }
    return run(dir);
}
