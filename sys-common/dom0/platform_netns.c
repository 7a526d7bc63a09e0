/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A qube as a process tree in namespaces of its own, whose root is the
 * image's tree. effect. Fed by resolved configuration. For tests and
 * development: the qube's root is root here, so this is no isolation against
 * a hostile qube, unlike Xen. See platform.h; the child's part is
 * netns_child.c. */
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dom0/netns_child.h"
#include "dom0/netns_console.h"
#include "dom0/netns_link.h"
#include "dom0/platform.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/mem.h"

#define TERM_MS 5000  /* after SIGTERM, before SIGKILL */
#define SETUP_MS 5000 /* of the child's mounts */

static const uint8_t vif_mac[6] = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff};

struct qube {
    struct qube *next;
    struct platform *p;
    uint32_t domid;
    char name[CONFIG_NAME_MAX];
    char uplink[CONFIG_PATH_MAX];
    pid_t pid;
    int pidfd, ns, go;
    struct loop_io *io;
    struct loop_timer *kill;
    struct netns_console *console;
};

struct netns {
    struct qube *all;
    uint32_t next_domid;
};

static struct qube *find(const struct platform *p, uint32_t domid)
{
    const struct netns *n = p->priv;

    for (struct qube *q = n->all; q; q = q->next) {
        if (q->domid == domid)
            return q;
    }
    return NULL;
}

static int netns_open(struct platform *p)
{
    struct netns *n = calloc(1, sizeof(*n));

    if (!n)
        return -ENOMEM;
    n->next_domid = 1;
    p->priv = n;
    return 0;
}

static int qube_path(const struct platform *p, const char *name,
                     const char *leaf, char *ret, size_t cap)
{
    int n = snprintf(ret, cap, "%s/qubes/%s/%s", p->run_dir, name, leaf);

    return n < 0 || (size_t)n >= cap ? -ENAMETOOLONG : 0;
}

/* Everything of a qube goes; its processes are killed if still there. */
static void forget(struct qube *q)
{
    struct netns *n = q->p->priv;
    siginfo_t info;

    for (struct qube **at = &n->all; *at; at = &(*at)->next) {
        if (*at == q) {
            *at = q->next;
            break;
        }
    }
    loop_io_free(q->io);
    loop_timer_free(q->kill);
    if (q->pid > 0) {
        kill(q->pid, SIGKILL);
        while (waitid(P_PID, (id_t)q->pid, &info, WEXITED) && errno == EINTR)
            ;
    }
    if (q->pidfd >= 0)
        close(q->pidfd);
    if (q->ns >= 0)
        close(q->ns);
    if (q->go >= 0)
        close(q->go);
    netns_console_free(q->console);
    free(q);
}

static void netns_close(struct platform *p)
{
    struct netns *n = p->priv;

    while (n && n->all)
        forget(n->all);
    free(n);
    p->priv = NULL;
}

static void on_pidfd(int fd, unsigned events, void *arg)
{
    struct qube *q = arg;
    struct platform *p = q->p;
    uint32_t domid = q->domid;
    const char *why = "ended";
    siginfo_t info = {0};

    (void)fd;
    (void)events;
    if (!waitid(P_PID, (id_t)q->pid, &info, WEXITED | WNOHANG) &&
        info.si_pid == q->pid) {
        if (info.si_code == CLD_EXITED)
            why = info.si_status ? "init ended with an error" : "powered off";
        else
            why = "killed";
        q->pid = 0;
    }
    forget(q);
    p->died(domid, why, p->arg);
}

static void on_kill(void *arg)
{
    const struct qube *q = arg;

    if (q->pid > 0)
        kill(q->pid, SIGKILL);
}

/* The child tells of its set-up in one record; EOF without one: it died. */
static int wait_setup(struct platform *p, int fd)
{
    struct netns_report rep;
    int r = io_read_all(fd, &rep, sizeof(rep), SETUP_MS);

    if (r)
        return platform_fail(p, r, "the new qube's set-up");
    if (rep.err)
        return platform_fail(p, -rep.err, "the new qube's set-up: %s",
                             netns_step_name(rep.step));
    return 0;
}

static int start_child(struct platform *p, struct qube *q,
                       const struct netns_setup *set)
{
    CLEANUP_FD int go_read = -1;
    CLEANUP_FD int report_write = -1;
    CLEANUP_FD int report_read = -1;
    int go[2], report[2];
    long pid;

    if (pipe2(go, O_CLOEXEC))
        return platform_fail(p, err_last(), "pipe");
    go_read = go[0];
    q->go = go[1];
    if (pipe2(report, O_CLOEXEC))
        return platform_fail(p, err_last(), "pipe");
    report_read = report[0];
    report_write = report[1];
    pid = syscall(SYS_clone,
                  CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
                      CLONE_NEWUTS | CLONE_PIDFD | SIGCHLD,
                  0, &q->pidfd, 0, 0);
    if (pid < 0)
        return platform_fail(p, err_last(), "clone with new namespaces");
    if (pid == 0) {
        close(q->go);
        netns_child(set, go_read, report_write);
    }
    q->pid = (pid_t)pid;
    close(STEAL_FD(report_write));
    return wait_setup(p, report_read);
}

static int open_ns(struct platform *p, struct qube *q)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)q->pid);
    q->ns = open(path, O_RDONLY | O_CLOEXEC);
    return q->ns < 0 ? platform_fail(p, err_last(), "%s", path) : 0;
}

/* eth0 of a NetVM: a cable into the namespace that plays the internet. */
static int plug_uplink(struct platform *p, const struct qube *q,
                       const struct platform_spec *s)
{
    CLEANUP_FD int ns = -1;
    char name[16];
    int r;

    if (!s->uplink[0])
        return 0;
    ns = open(s->uplink, O_RDONLY | O_CLOEXEC);
    if (ns < 0)
        return platform_fail(p, err_last(), "uplink namespace %s", s->uplink);
    snprintf(name, sizeof(name), "sq%u", q->domid);
    r = netns_link_pair(&(struct netns_end){q->ns, "eth0", NULL},
                        &(struct netns_end){ns, name, NULL});
    if (r)
        return platform_fail(p, r, "uplink pair eth0 and %s", name);
    r = netns_link_up(ns, name, s->bridge);
    return r ? platform_fail(p, r, "uplink %s %s", name, s->bridge) : 0;
}

static int make_dirs(struct platform *p, const char *name,
                     char vchan[CONFIG_PATH_MAX + 64])
{
    int r = qube_path(p, name, "vchan", vchan, CONFIG_PATH_MAX + 64);

    r = r ? r : io_mkdirs(vchan, 0755);
    return r ? platform_fail(p, r, "folder %s", vchan) : 0;
}

static int setup_qube(struct platform *p, struct qube *q,
                      const struct platform_spec *s)
{
    char vchan[CONFIG_PATH_MAX + 64], log[CONFIG_PATH_MAX + 64];
    char root[CONFIG_PATH_MAX + 64];
    struct netns_setup set = {
        .name = s->name, .root = root, .vchan_dir = vchan};
    int r = make_dirs(p, s->name, vchan);

    if (r)
        return r;
    snprintf(root, sizeof(root), "%s/root", s->image);
    r = qube_path(p, s->name, "console.log", log, sizeof(log));
    r = r ? r : netns_console_new(p->loop, log, &q->console);
    if (r)
        return platform_fail(p, r, "console");
    set.console = netns_console_slave(q->console);
    set.console_path = netns_console_path(q->console);
    r = start_child(p, q, &set);
    r = r ? r : open_ns(p, q);
    r = r ? r : plug_uplink(p, q, s);
    if (r)
        return r;
    r = loop_timer_new(p->loop, on_kill, q, &q->kill);
    r = r ? r : loop_io_new(p->loop, q->pidfd, LOOP_READ, on_pidfd, q, &q->io);
    return r ? platform_fail(p, r, "event loop") : 0;
}

static int netns_create(struct platform *p, const struct platform_spec *s,
                        uint32_t *ret_domid)
{
    struct netns *n = p->priv;
    struct qube *q;
    int r;

    if (s->n_pci)
        return platform_fail(p, -EOPNOTSUPP, "PCI devices on platform netns");
    q = calloc(1, sizeof(*q));
    if (!q)
        return platform_fail(p, -ENOMEM, "new qube");
    q->p = p;
    q->pidfd = q->ns = q->go = -1;
    q->domid = n->next_domid++;
    snprintf(q->name, sizeof(q->name), "%s", s->name);
    q->next = n->all;
    n->all = q;
    r = setup_qube(p, q, s);
    if (r) {
        forget(q);
        return r;
    }
    *ret_domid = q->domid;
    return 0;
}

static int netns_unpause(struct platform *p, uint32_t domid)
{
    struct qube *q = find(p, domid);

    if (!q || q->go < 0)
        return platform_fail(p, -ESRCH, "domain %u", domid);
    if (write(q->go, "g", 1) != 1)
        return platform_fail(p, err_last(), "start of init");
    close(STEAL_FD(q->go));
    return 0;
}

static int netns_shutdown(struct platform *p, uint32_t domid)
{
    struct qube *q = find(p, domid);

    if (!q)
        return platform_fail(p, -ESRCH, "domain %u", domid);
    if (kill(q->pid, SIGTERM))
        return platform_fail(p, err_last(), "SIGTERM to init");
    return loop_timer_start(q->kill, TERM_MS);
}

static int netns_destroy(struct platform *p, uint32_t domid)
{
    struct qube *q = find(p, domid);

    if (q)
        forget(q);
    return 0;
}

static void vif_names(const struct platform_vif *v, char backend[16],
                      char client[16])
{
    snprintf(backend, 16, "vif%u.%u", v->client % 1000000u, v->devid % 100u);
    snprintf(client, 16, "eth%u", v->devid % 100u);
}

static int netns_vif_attach(struct platform *p, const struct platform_vif *v)
{
    const struct qube *b = find(p, v->backend), *c = find(p, v->client);
    char bname[16], cname[16];
    int r;

    if (!b || !c)
        return platform_fail(p, -ESRCH, "domain %u",
                             b ? v->client : v->backend);
    vif_names(v, bname, cname);
    /* left over from a backend that died, not yet swept by the kernel */
    r = netns_link_del(c->ns, cname);
    r = r ? r
          : netns_link_pair(&(struct netns_end){b->ns, bname, vif_mac},
                            &(struct netns_end){c->ns, cname, v->mac});
    return r ? platform_fail(p, r, "pair %s in %s and %s in %s", bname, b->name,
                             cname, c->name)
             : 0;
}

static int netns_vif_detach(struct platform *p, const struct platform_vif *v)
{
    const struct qube *b = find(p, v->backend), *c = find(p, v->client);
    char bname[16], cname[16];
    int r = 0;

    vif_names(v, bname, cname);
    if (b)
        r = netns_link_del(b->ns, bname);
    else if (c)
        r = netns_link_del(c->ns, cname);
    return r ? platform_fail(p, r, "removal of %s", bname) : 0;
}

static int netns_console(struct platform *p, uint32_t domid)
{
    const struct qube *q = find(p, domid);
    int r = q ? netns_console_attach(q->console) : -ESRCH;

    return r < 0 ? platform_fail(p, r, "console") : r;
}

static bool netns_vchan_dir(struct platform *p, uint32_t domid, char *ret,
                            size_t cap)
{
    const struct qube *q = find(p, domid);

    return q && !qube_path(p, q->name, "vchan", ret, cap);
}

static void netns_vchan_clean(struct platform *p, uint32_t domid)
{
    char dir[CONFIG_PATH_MAX + 64], path[CONFIG_PATH_MAX + 96];

    if (!netns_vchan_dir(p, domid, dir, sizeof(dir)))
        return;
    snprintf(path, sizeof(path), "%s/0.111.sock", dir);
    (void)unlink(path);
}

static pid_t netns_pid(struct platform *p, uint32_t domid)
{
    const struct qube *q = find(p, domid);

    return q ? q->pid : 0;
}

const struct platform_ops platform_netns = {
    .name = "netns",
    .body = "unix",
    .vif_keys = true,
    .boot_ms = 30000,
    .ready_ms = 20000,
    .open = netns_open,
    .close = netns_close,
    .create = netns_create,
    .unpause = netns_unpause,
    .shutdown = netns_shutdown,
    .destroy = netns_destroy,
    .vif_attach = netns_vif_attach,
    .vif_detach = netns_vif_detach,
    .console = netns_console,
    .vchan_dir = netns_vchan_dir,
    .vchan_clean = netns_vchan_clean,
    .pid = netns_pid,
};
