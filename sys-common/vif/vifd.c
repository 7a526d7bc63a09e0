/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vifd: the vifs of NetVM and FirewallVM. glue. Fed by the identities dom0
 * wrote (xenstore or QubesDB), dom0's keys, firewallvmd's status keys and
 * the kernel's link events; nothing of a client is parsed. spec/network.md
 * "vif hot-plug". State, not commands: any event makes it look at everything
 * again. Runs as uid 101 with CAP_NET_ADMIN in an empty root; no child
 * process. Does not filter what a client may reach: firewallvmd and netvmd
 * do. */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/sandbox.h"
#include "qubesdb/qdb_client.h"
#include "vif/vif_table.h"

#define VIFD_UID 101
#define SETTLE_MS 5 /* several keys are written in a row */
#define RETRY_MS 1000
#define SPOOFED_MS 1000
#define OPEN_PATIENCE_MS 30000
#define STATUS_VIF "/sysqube-status/vif/%u.%u"
#define STATUS_SPOOFED "/sysqube-status/spoofed"

struct vifd {
    struct loop *loop;
    struct loop_timer *timer;
    struct loop_timer *spoofed_timer;
    struct qdb *qdb;
    struct vif_link *link;
    struct vif_nft *nft;
    struct vif_source *source;
    struct vif_table *table;
    struct vif_facts facts;
    uint64_t spoofed;
    bool spoofed_known;
};

static void write_status(const struct vif_ident *id, const char *status,
                         void *arg)
{
    struct vifd *v = arg;
    char path[QDB_PATH_MAX];
    int r;

    (void)snprintf(path, sizeof(path), STATUS_VIF, id->domid, id->devid);
    if (status != NULL)
        r = qdb_write(v->qdb, path, status, strlen(status));
    else
        r = qdb_rm(v->qdb, path);
    if (r < 0 && r != -ENOENT)
        log_warn("%s: %s", path, err_text(r));
}

static int take_key(const char *path, const char *val, size_t len, void *arg)
{
    struct vifd *v = arg;
    struct text value = {val, len};
    int r = vif_facts_add(&v->facts, path, value);

    /* A bad one is left out: whatever it would have allowed stays closed. */
    if (r < 0)
        log_err("%s: %s", path, err_text(r));
    return 0;
}

static int read_facts(struct vifd *v)
{
    char value[QDB_VALUE_MAX + 1];
    int r = 0;

    memset(&v->facts, 0, sizeof(v->facts));
    for (unsigned i = 0; i < VIF_FACTS_WATCHES && r >= 0; i++) {
        const char *key = vif_facts_keys[i];

        if (key[strlen(key) - 1] == '/') {
            r = qdb_multiread(v->qdb, key, take_key, v);
            continue;
        }
        r = qdb_read(v->qdb, key, value, sizeof(value));
        if (r >= 0)
            r = take_key(key, value, (size_t)r, v);
        else if (r == -ENOENT)
            r = 0;
    }
    return r < 0 ? r : 0;
}

/* Watch events may be read together with any answer, so they are looked for
 * after the work as well. */
static bool drain_keys(struct vifd *v)
{
    char path[QDB_PATH_MAX];
    bool any = false;
    int r;

    while ((r = qdb_next_event(v->qdb, path)) > 0)
        any = true;
    if (r < 0) {
        log_err("QubesDB: %s", err_text(r));
        loop_stop(v->loop, 1);
    }
    return any;
}

static void converge(void *arg)
{
    struct vifd *v = arg;
    int r;

    vif_link_drain(v->link);
    (void)drain_keys(v);
    r = read_facts(v);
    if (r == 0)
        r = vif_table_converge(v->table, &v->facts);
    else
        log_err("reading QubesDB: %s", err_text(r));
    if (r == -ECONNRESET)
        loop_stop(v->loop, 1);
    else if (drain_keys(v))
        (void)loop_timer_start(v->timer, SETTLE_MS);
    else if (r < 0)
        (void)loop_timer_start(v->timer, RETRY_MS);
}

static void soon(void *arg)
{
    struct vifd *v = arg;

    (void)loop_timer_start(v->timer, SETTLE_MS);
}

static void on_key(int fd, unsigned events, void *arg)
{
    (void)fd;
    (void)events;
    if (drain_keys(arg))
        soon(arg);
}

static void on_link(int fd, unsigned events, void *arg)
{
    struct vifd *v = arg;

    (void)fd;
    (void)events;
    vif_link_drain(v->link);
    soon(v);
}

static void on_spoofed(void *arg)
{
    struct vifd *v = arg;
    uint64_t now;

    if (vif_nft_spoofed(v->nft, &now) == 0 &&
        (!v->spoofed_known || now != v->spoofed)) {
        v->spoofed_known = true;
        v->spoofed = now;
        if (qdb_write_text(v->qdb, STATUS_SPOOFED, "%llu",
                           (unsigned long long)now) < 0)
            log_warn(STATUS_SPOOFED ": not written");
    }
    (void)loop_timer_start(v->spoofed_timer, SPOOFED_MS);
}

static void on_term(int signo, void *arg)
{
    struct vifd *v = arg;

    (void)signo;
    loop_stop(v->loop, 0);
}

static int open_keys(struct vifd *v, const char *socket_path, bool xen)
{
    int r = qdb_open(socket_path, OPEN_PATIENCE_MS, &v->qdb);

    for (unsigned i = 0; i < VIF_FACTS_WATCHES && r == 0; i++)
        r = qdb_watch(v->qdb, vif_facts_keys[i]);
    if (r == 0 && !xen)
        r = qdb_watch(v->qdb, VIF_SOURCE_KEYS);
    if (r < 0)
        log_err("QubesDB: %s", err_text(r));
    return r;
}

static int open_kernel(struct vifd *v, bool xen)
{
    int r = vif_link_new(&v->link);

    if (r == 0)
        r = vif_nft_new(&v->nft);
    if (r < 0) {
        log_err("netlink: %s", err_text(r));
        return r;
    }
    r = xen ? vif_source_xen_new(v->loop, soon, v, &v->source)
            : vif_source_netns_new(v->qdb, &v->source);
    if (r < 0)
        log_err("identities of vifs: %s", err_text(r));
    return r;
}

static int open_loop(struct vifd *v)
{
    struct loop_io *io; /* these live as long as the process */
    struct loop_sig *sig;
    int r;

    r = loop_timer_new(v->loop, on_spoofed, v, &v->spoofed_timer);
    if (r == 0)
        r = loop_io_new(v->loop, qdb_fd(v->qdb), LOOP_READ, on_key, v, &io);
    if (r == 0)
        r = loop_io_new(v->loop, vif_link_fd(v->link), LOOP_READ, on_link, v,
                        &io);
    if (r == 0)
        r = loop_sig_new(v->loop, SIGTERM, on_term, v, &sig);
    if (r == 0)
        r = vif_table_new(v->link, v->nft, v->source, write_status, v,
                          &v->table);
    return r;
}

/* At the end nothing is undone: the kernel goes on as it is, and the next
 * life of vifd begins by setting everything right. */
static int run(const char *socket_path)
{
    static struct vifd v; /* large */
    const struct sandbox box = {
        .uid = VIFD_UID,
        .gid = VIFD_UID,
        .keep_caps = UINT64_C(1) << CAP_NET_ADMIN,
        .root = "/var/empty",
        .sys = SANDBOX_SYS_SOCKET | SANDBOX_SYS_FILE,
    };
    const char *platform = getenv("SYSQUBE_PLATFORM");
    bool xen = platform != NULL && strcmp(platform, "xen") == 0;
    int r;

    r = loop_new(&v.loop);
    if (r == 0)
        r = loop_timer_new(v.loop, converge, &v, &v.timer);
    if (r == 0)
        r = open_keys(&v, socket_path, xen);
    if (r == 0)
        r = open_kernel(&v, xen);
    if (r == 0)
        r = open_loop(&v);
    if (r == 0)
        r = sandbox_enter(&box);
    if (r < 0) {
        log_err("set-up: %s", err_text(r));
        return 1;
    }
    converge(&v);
    on_spoofed(&v);
    r = loop_run(v.loop);
    return r < 0 ? 1 : r;
}

static void usage(FILE *to)
{
    fprintf(to, "usage: vifd [--socket PATH]\n"
                "       vifd --help | --version\n"
                "Connects the network interfaces of client qubes; see "
                "vifd(8).\n");
}

int main(int argc, char *argv[])
{
    const char *socket_path = NULL;

    log_init("vifd", LOG_LEVEL_INFO);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("vifd " SQ_VERSION);
            return 0;
        }
        if (strcmp(argv[i], "--socket") != 0 || i + 1 >= argc) {
            usage(stderr);
            return 2;
        }
        socket_path = argv[++i];
    }
    return run(socket_path);
}
