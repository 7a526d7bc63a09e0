/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysqube-agent: the network of a qube itself, from dom0's keys: addresses,
 * gateway, default route, resolv.conf. glue. For Linux user qubes and for
 * FirewallVM's uplink. Fed by QubesDB (dom0) and the kernel's link events.
 * spec/network.md. State, not commands: every change of a key or of a link
 * makes it read everything again and bring the link to that state.
 * Runs as uid 108 with CAP_NET_ADMIN in an empty root. Starts no process. */
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/sandbox.h"
#include "qubesdb/qdb_client.h"
#include "vif/agent_plan.h"
#include "vif/vif_apply.h"
#include "vif/vif_link.h"

#define AGENT_UID 108
#define AGENT_LINKS_MAX 64
#define RESOLV_PATH "/run/resolv.conf"
#define STATUS_KEY "/sysqube-status/agent"
#define SETTLE_MS 20 /* dom0 writes several keys in a row */
#define RETRY_MS 1000
#define OPEN_PATIENCE_MS 30000

struct agent {
    struct loop *loop;
    struct loop_timer *timer;
    struct qdb *qdb;
    struct vif_link *link;
    int resolv; /* /run/resolv.conf, kept open across the sandbox */
    struct vif_link_info links[AGENT_LINKS_MAX];
    unsigned n_links;
    int ifindex;           /* of the link configured last; 0: none */
    struct vif_steps have; /* what was done to it */
    char status[64];
};

static void set_status(struct agent *a, const char *text)
{
    int r;

    if (strcmp(a->status, text) == 0)
        return;
    log_info("%s", text);
    r = qdb_write(a->qdb, STATUS_KEY, text, strlen(text));
    if (r < 0)
        log_warn("%s: %s", STATUS_KEY, err_text(r));
    (void)snprintf(a->status, sizeof(a->status), "%s", text);
}

static int read_conf(struct agent *a, struct agent_conf *ret)
{
    struct agent_conf c;
    char value[QDB_VALUE_MAX + 1];

    memset(&c, 0, sizeof(c));
    for (unsigned i = 0; i < AGENT_KEYS; i++) {
        struct text t = {value, 0};
        int r = qdb_read(a->qdb, agent_plan_keys[i], value, sizeof(value));

        if (r == -ENOENT)
            continue;
        if (r < 0)
            return r;
        t.len = (size_t)r;
        r = agent_plan_set(&c, i, t);
        if (r < 0) {
            log_err("%s: not a value of this key", agent_plan_keys[i]);
            return r;
        }
    }
    *ret = c;
    return 0;
}

static int remember_link(const struct vif_link_info *info, void *arg)
{
    struct agent *a = arg;

    if (info->loopback && !info->up)
        (void)vif_link_set_up(a->link, info->ifindex, true);
    if (a->n_links < AGENT_LINKS_MAX)
        a->links[a->n_links++] = *info;
    return 0;
}

/* The whole text is written over the old one, then cut to length: readers
 * never find it empty in between. */
static void write_resolv(struct agent *a, const struct agent_conf *c)
{
    char text[AGENT_RESOLV_MAX];
    size_t n = agent_plan_resolv(c, text);

    if (a->resolv < 0)
        return;
    if (lseek(a->resolv, 0, SEEK_SET) < 0 ||
        write(a->resolv, text, n) != (ssize_t)n ||
        ftruncate(a->resolv, (off_t)n) < 0)
        log_warn(RESOLV_PATH ": %s", err_text(err_last()));
}

struct run {
    struct agent *a;
    const struct vif_link_info *l;
};

static int act(const struct vif_action *action, void *arg)
{
    struct run *run = arg;
    int r = vif_apply_step(run->a->link, run->l->ifindex, run->l->name, true,
                           action);

    return r < 0 ? r : vif_plan_record(&run->a->have, action);
}

/* Bring link @p l to the plan. A link that went down by itself has lost
 * routes: then everything is done once more. */
static int apply(struct agent *a, const struct vif_link_info *l,
                 const struct vif_steps *want)
{
    struct run run = {a, l};
    int r;

    if (l->ifindex != a->ifindex || (want->n > 0 && !l->up)) {
        a->have.n = 0;
        a->ifindex = l->ifindex;
        r = vif_apply_prune(a->link, l->ifindex, want);
        if (r < 0)
            return r;
    }
    r = vif_plan_diff(&a->have, want, act, &run);
    if (r < 0)
        a->have.n = 0;
    return r;
}

static int converge_once(struct agent *a)
{
    struct agent_conf c;
    struct vif_steps want;
    char text[64] = "waiting for an interface";
    char ip[IPADDR_TEXT_MAX];
    int i, r;

    r = read_conf(a, &c);
    if (r == -EBADMSG) {
        set_status(a, "error a key is malformed");
        return 0; /* until a key changes */
    }
    if (r < 0)
        return r;
    a->n_links = 0;
    r = vif_link_list(a->link, remember_link, a);
    if (r < 0)
        return r;
    agent_plan_build(&c, &want);
    i = agent_plan_choose(&c, a->links, a->n_links);
    if (i < 0) {
        a->ifindex = 0;
        a->have.n = 0;
    } else {
        r = apply(a, &a->links[i], &want);
    }
    write_resolv(a, &c);
    if (r < 0)
        (void)snprintf(text, sizeof(text), "error %s: %s", a->links[i].name,
                       err_text(r));
    else if (want.n == 0)
        (void)snprintf(text, sizeof(text), "down no address given");
    else if (i >= 0)
        (void)snprintf(text, sizeof(text), "up %s",
                       ipaddr_format(c.ip4.family != 0 ? &c.ip4 : &c.ip6, ip));
    set_status(a, text);
    return r;
}

/* Watch events may be read together with any answer, so they are looked for
 * after the work as well. */
static bool drain_keys(struct agent *a)
{
    char path[QDB_PATH_MAX];
    bool any = false;
    int r;

    while ((r = qdb_next_event(a->qdb, path)) > 0)
        any = true;
    if (r < 0) {
        log_err("QubesDB: %s", err_text(r));
        loop_stop(a->loop, 1);
    }
    return any;
}

static void converge(void *arg)
{
    struct agent *a = arg;
    int r;

    vif_link_drain(a->link);
    (void)drain_keys(a);
    r = converge_once(a);
    if (r == -ECONNRESET) {
        loop_stop(a->loop, 1);
        return;
    }
    if (r < 0)
        (void)loop_timer_start(a->timer, RETRY_MS);
    else if (drain_keys(a))
        (void)loop_timer_start(a->timer, SETTLE_MS);
}

static void on_key(int fd, unsigned events, void *arg)
{
    struct agent *a = arg;

    (void)fd;
    (void)events;
    if (drain_keys(a))
        (void)loop_timer_start(a->timer, SETTLE_MS);
}

static void on_link(int fd, unsigned events, void *arg)
{
    struct agent *a = arg;

    (void)fd;
    (void)events;
    vif_link_drain(a->link);
    (void)loop_timer_start(a->timer, SETTLE_MS);
}

static void on_term(int signo, void *arg)
{
    struct agent *a = arg;

    (void)signo;
    loop_stop(a->loop, 0);
}

static int set_up(struct agent *a, const char *socket_path)
{
    struct loop_io *io; /* these live as long as the process */
    struct loop_sig *sig;
    int r;

    r = qdb_open(socket_path, OPEN_PATIENCE_MS, &a->qdb);
    if (r < 0) {
        log_err("QubesDB: %s", err_text(r));
        return r;
    }
    for (unsigned i = 0; r == 0 && i < AGENT_KEYS; i++)
        r = qdb_watch(a->qdb, agent_plan_keys[i]);
    if (r == 0)
        r = vif_link_new(&a->link);
    if (r == 0)
        r = loop_new(&a->loop);
    if (r == 0)
        r = loop_timer_new(a->loop, converge, a, &a->timer);
    if (r == 0)
        r = loop_io_new(a->loop, qdb_fd(a->qdb), LOOP_READ, on_key, a, &io);
    if (r == 0)
        r = loop_io_new(a->loop, vif_link_fd(a->link), LOOP_READ, on_link, a,
                        &io);
    if (r == 0)
        r = loop_sig_new(a->loop, SIGTERM, on_term, a, &sig);
    if (r < 0) {
        log_err("set-up: %s", err_text(r));
        return r;
    }
    a->resolv = open(RESOLV_PATH, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (a->resolv < 0)
        log_warn(RESOLV_PATH ": %s", err_text(err_last()));
    return 0;
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

static int run(const char *socket_path, uint32_t uid)
{
    static struct agent a = {.resolv = -1};
    struct sandbox box = {
        .uid = uid,
        .gid = uid,
        .keep_caps = UINT64_C(1) << CAP_NET_ADMIN,
        .root = empty_root(),
        .sys = SANDBOX_SYS_SOCKET | SANDBOX_SYS_FILE,
    };
    int r = set_up(&a, socket_path);

    if (r < 0)
        return 1;
    r = sandbox_enter(&box);
    if (r < 0) {
        log_err("sandbox: %s", err_text(r));
        return 1;
    }
    converge(&a);
    r = loop_run(a.loop);
    return r < 0 ? 1 : r;
}

static void usage(FILE *to)
{
    fprintf(to, "usage: sysqube-agent [--socket PATH] [--uid N]\n"
                "       sysqube-agent --help | --version\n"
                "Configures this qube's network from QubesDB; see "
                "sysqube-agent(8).\n");
}

int main(int argc, char *argv[])
{
    const char *socket_path = NULL;
    uint32_t uid = AGENT_UID;

    log_init("sysqube-agent", LOG_LEVEL_INFO);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("sysqube-agent " SQ_VERSION);
            return 0;
        }
        if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc) {
            socket_path = argv[++i];
        } else if (strcmp(argv[i], "--uid") == 0 && i + 1 < argc &&
                   parse_u32(text_of(argv[i + 1]), 1, INT32_MAX, &uid) == 0) {
            i++;
        } else {
            usage(stderr);
            return 2;
        }
    }
    return run(socket_path, uid);
}
