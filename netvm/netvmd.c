/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netvmd: NetVM's uplink, address translation, closed input, the resolver's
 * upstream servers and the status key. glue. Fed by dom0's keys (trusted)
 * and by records of the DHCP helper (their contents come from the hostile
 * network; checked again here). spec: network, uplink and DNS.
 * Does not speak DHCP, does not resolve names, does not touch vifs. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/nl.h"
#include "lib/sandbox.h"
#include "netvm/table_apply.h"
#include "netvm/uplink_link.h"
#include "netvm/uplink_nft.h"
#include "netvm/uplink_state.h"
#include "qubesdb/qdb_client.h"

#define NETVMD_UID 102
#define NETVMD_GID 102
#define DHCPCD_UID 104
#define STATE_DIR "/run/netvm"
#define STATE_FILE "facts"
#define RESOLV_DIR "/run/dnsmasq"
#define RESOLV_FILE "resolv.conf"
#define QDB_WAIT_MS 60000
#define SETTLE_MS 50 /* dom0 writes several keys one by one */
#define RECORDS_PER_TURN 8
#define MEMORY_MAX (64ull << 20)

struct netvmd {
    struct loop *loop;
    struct qdb *qdb;
    struct uplink_link *link;
    struct table_apply *table;
    struct loop_timer *settle;
    int facts_fd;
    int state_dir;
    int resolv_dir;
    bool settling; /* the timer runs */
    bool had_dhcp; /* dhcpcd has run in this boot of the VM */
    bool applied;  /* static settings are on state.ifname */
    struct uplink_state state;
    char status[UPLINK_STATUS_MAX]; /* as last published */
    char external[UPLINK_STATUS_MAX];
    char resolv[UPLINK_RESOLV_MAX];
};

/* ---- set-up, as root ---- */

/* Port forwards are closed until dom0's list was read. */
static int load_table(void)
{
    static const struct uplink_forwards none;
    struct nl *nl = NULL;
    struct nft *b = NULL;
    unsigned msg = 0;
    int r = nft_new(UPLINK_NFT_TABLE, &b);

    if (r < 0)
        return r;
    uplink_nft_build(b, &none);
    r = nl_new(NETLINK_NETFILTER, 0, &nl);
    if (r == 0)
        r = nft_commit(b, nl, &msg);
    if (r < 0)
        log_err("nftables: message %u refused: %s", msg, err_text(r));
    nl_free(nl);
    nft_free(b);
    return r;
}

static int add_virtual_dns(struct uplink_link *l)
{
    static const char *const addrs[] = {UPLINK_DNS1, UPLINK_DNS2, UPLINK_DNS6};

    for (size_t i = 0; i < ARRAY_LEN(addrs); i++) {
        struct ipaddr a = {0};
        int r = ipaddr_parse(text_of(addrs[i]), &a);

        if (r == 0)
            r = uplink_link_add_lo(l, &a);
        if (r < 0) {
            log_err("%s on lo: %s", addrs[i], err_text(r));
            return r;
        }
    }
    return 0;
}

static void set_sysctl(const char *family, const char *ifname, const char *name,
                       const char *value)
{
    char path[128];
    int r;

    snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, ifname,
             name);
    r = io_write_value(path, value);
    if (r < 0 && r != -ENOENT)
        log_warn("%s: %s", path, err_text(r));
}

/* Redirects and kernel-side router advertisements are a way in: dhcpcd
 * handles advertisements itself. Forwarding is vifd's to switch on. */
static void set_interface_sysctls(const char *ifname)
{
    set_sysctl("ipv4", ifname, "accept_redirects", "0");
    set_sysctl("ipv4", ifname, "secure_redirects", "0");
    set_sysctl("ipv4", ifname, "send_redirects", "0");
    set_sysctl("ipv4", ifname, "accept_source_route", "0");
    set_sysctl("ipv6", ifname, "accept_redirects", "0");
    set_sysctl("ipv6", ifname, "accept_ra", "0");
    if (uplink_name_is_uplink(text_of(ifname)) && strcmp(ifname, "all") != 0 &&
        strcmp(ifname, "default") != 0)
        set_sysctl("ipv4", ifname, "rp_filter", "1");
}

static void set_sysctls(void)
{
    DIR *d = opendir("/proc/sys/net/ipv4/conf");
    struct dirent *e;

    if (!d) {
        log_warn("/proc/sys/net/ipv4/conf: %s", err_text(err_last()));
        return;
    }
    /* "default" is what a card that appears later begins with. */
    while ((e = readdir(d)) != NULL)
        if (uplink_name_valid(text_of(e->d_name)))
            set_interface_sysctls(e->d_name);
    closedir(d);
}

/* A folder that our later id may write, by its group: chown would need a
 * capability that we do not want even for a moment. */
static int open_dir(const char *path, int *ret_fd)
{
    int fd;
    int r = io_mkdirs(path, 0755);

    if (r < 0)
        return r;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_last();
    if (fchown(fd, (uid_t)-1, NETVMD_GID) != 0 || fchmod(fd, 0775) != 0) {
        r = err_last();
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

static int open_facts(int *ret_fd)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    CLEANUP_FD int fd = -1;
    mode_t mask;
    int one = 1;
    int r;

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", DHCP_FACTS_SOCKET);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_last();
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) != 0)
        return err_last();
    if (unlink(sa.sun_path) != 0 && errno != ENOENT)
        return err_last();
    mask = umask(0177); /* only root may send: the hook still is */
    r = bind(fd, (const struct sockaddr *)&sa, sizeof(sa));
    umask(mask);
    if (r != 0)
        return err_last();
    *ret_fd = STEAL_FD(fd);
    return 0;
}

static int step(const char *what, int r)
{
    if (r < 0)
        log_err("%s: %s", what, err_text(r));
    return r;
}

/* What others rely on: the VM is closed before its first vif, and dnsmasq
 * finds its addresses and its folder. The table comes first. */
static int prepare(struct netvmd *n)
{
    int r = step("nftables", load_table());

    if (r < 0)
        return r;
    set_sysctls();
    r = step("route netlink", uplink_link_new(&n->link));
    if (r == 0)
        r = add_virtual_dns(n->link);
    if (r == 0)
        r = step(RESOLV_DIR, open_dir(RESOLV_DIR, &n->resolv_dir));
    if (r == 0)
        r = step(STATE_DIR, open_dir(STATE_DIR, &n->state_dir));
    return r;
}

/* The socket last: its appearance tells the launcher of dhcpcd that we
 * listen. */
static int set_up(struct netvmd *n)
{
    int r = prepare(n);

    if (r == 0)
        r = step("QubesDB", qdb_open(NULL, QDB_WAIT_MS, &n->qdb));
    if (r == 0)
        r = step("QubesDB watch", qdb_watch(n->qdb, UPLINK_CONF_PREFIX));
    if (r == 0)
        r = step("QubesDB watch", qdb_watch(n->qdb, UPLINK_FORWARD_KEY));
    if (r == 0)
        r = step("nftables", table_apply_new(n->qdb, &n->table));
    if (r == 0)
        r = step(DHCP_FACTS_SOCKET, open_facts(&n->facts_fd));
    return r;
}

/* ---- files, relative to the folders opened before the chroot ---- */

static int replace_file(int dir, const char *name, const void *data, size_t len)
{
    char tmp[32];
    CLEANUP_FD int fd = -1;
    int r;

    snprintf(tmp, sizeof(tmp), ".%s.new", name);
    fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                0644);
    if (fd < 0)
        return err_last();
    r = len ? io_write_all(fd, data, len, 1000) : 0;
    if (r == 0 && renameat(dir, tmp, dir, name) != 0)
        r = err_last();
    if (r < 0)
        unlinkat(dir, tmp, 0);
    return r;
}

/* The records outlive us: dhcpcd tells a fact once. */
static void save_records(const struct netvmd *n)
{
    int r = replace_file(n->state_dir, STATE_FILE, n->state.held,
                         sizeof(n->state.held));

    if (r < 0)
        log_warn("saving the DHCP records: %s", err_text(r));
}

static void load_records(struct netvmd *n)
{
    struct dhcp_facts held[DHCP_FACTS_LINK];
    CLEANUP_FD int fd =
        openat(n->state_dir, STATE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return;
    n->had_dhcp = true;
    if (io_read_all(fd, held, sizeof(held), 1000) < 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(held); i++)
        if (held[i].event == DHCP_FACTS_HAVE && dhcp_facts_check(&held[i]) == 0)
            uplink_state_take(&n->state, &held[i]);
}

/* ---- publishing ---- */

static void publish_key(struct netvmd *n, const char *path, char *last,
                        const char *text)
{
    int r;

    if (strcmp(last, text) == 0)
        return;
    r = qdb_write(n->qdb, path, text, strlen(text));
    if (r < 0) {
        log_err("writing %s: %s", path, err_text(r));
        if (r == -ECONNRESET)
            loop_stop(n->loop, 1);
        return;
    }
    snprintf(last, UPLINK_STATUS_MAX, "%s", text);
}

static void publish(struct netvmd *n)
{
    char status[UPLINK_STATUS_MAX];
    char external[UPLINK_STATUS_MAX];
    char resolv[UPLINK_RESOLV_MAX];
    size_t len = uplink_state_resolv(&n->state, resolv);
    int r;

    if (strcmp(resolv, n->resolv) != 0) {
        r = replace_file(n->resolv_dir, RESOLV_FILE, resolv, len);
        if (r < 0)
            log_err("%s/%s: %s", RESOLV_DIR, RESOLV_FILE, err_text(r));
        else
            memcpy(n->resolv, resolv, sizeof(resolv));
    }
    r = table_apply_ipv6(n->table, uplink_state_has_ipv6(&n->state));
    if (r < 0)
        log_err("nftables: IPv6 of the uplink: %s", err_text(r));
    uplink_state_status(&n->state, status);
    if (strcmp(status, n->status) != 0)
        log_info("uplink: %s", status);
    uplink_state_external(&n->state, external);
    publish_key(n, "/qubes-netvm-external-ip", n->external, external);
    publish_key(n, "/sysqube-status/uplink", n->status, status);
}

/* ---- desired state ---- */

static int take_key(const char *path, const char *val, size_t len, void *arg)
{
    struct uplink_conf *c = arg;

    uplink_conf_set(c, path + strlen(UPLINK_CONF_PREFIX),
                    (struct text){val, len});
    return 0;
}

static void apply_static(struct netvmd *n, const struct uplink_conf *c)
{
    const char *at = "";
    int r = uplink_link_apply(n->link, n->state.ifname, c, &at);

    n->state.error[0] = '\0';
    if (r < 0)
        snprintf(n->state.error, sizeof(n->state.error), "%s: %s: %s",
                 n->state.ifname, at, err_text(r));
}

/* Find the interface; in mode static give it the settings. */
static void converge(struct netvmd *n)
{
    char name[UPLINK_NAME_MAX] = "";
    int r = uplink_link_find(n->link, name);
    bool is_static = n->state.conf.mode == UPLINK_STATIC;

    if (r < 0 && r != -ENODEV)
        log_warn("looking for an interface: %s", err_text(r));
    if (is_static || !n->state.ifname[0])
        memcpy(n->state.ifname, name, sizeof(name));
    n->state.error[0] = '\0';
    if (is_static && n->had_dhcp) {
        /* Two that configure one interface would fight without end. */
        snprintf(n->state.error, sizeof(n->state.error),
                 "mode changed from dhcp: start this NetVM again");
    } else if (is_static && !n->state.conf.error[0] && name[0]) {
        apply_static(n, &n->state.conf);
        n->applied = true;
    }
    publish(n);
}

static void read_desired(struct netvmd *n)
{
    struct uplink_conf c;
    struct uplink_conf none;
    int r;

    uplink_conf_init(&c);
    r = qdb_multiread(n->qdb, UPLINK_CONF_PREFIX, take_key, &c);
    if (r < 0) {
        log_err("reading %s: %s", UPLINK_CONF_PREFIX, err_text(r));
        loop_stop(n->loop, 1);
        return;
    }
    uplink_conf_check(&c);
    if (n->applied && c.mode != UPLINK_STATIC) {
        uplink_conf_init(&none);
        apply_static(n, &none);
        n->applied = false;
        n->state.ifname[0] = '\0';
    }
    n->state.conf = c;
    converge(n);
}

/* ---- events ---- */

/* From the first event on, not from the last: a client that makes its link
 * flap must not put this off for ever. */
static void settle_soon(struct netvmd *n)
{
    if (n->settling)
        return;
    n->settling = loop_timer_start(n->settle, SETTLE_MS) == 0;
}

/* Watch events may be read together with any answer, so they are looked for
 * after every work with QubesDB. */
static void drain_keys(struct netvmd *n)
{
    char path[QDB_PATH_MAX];
    bool forwards;
    int r;

    do {
        forwards = false;
        while ((r = qdb_next_event(n->qdb, path)) > 0) {
            if (strcmp(path, UPLINK_FORWARD_KEY) == 0)
                forwards = true;
            else
                settle_soon(n);
        }
        if (r == 0 && forwards)
            r = table_apply_forwards(n->table);
    } while (r == 0 && forwards);
    if (r < 0) {
        log_err("QubesDB: %s", err_text(r));
        loop_stop(n->loop, 1);
    }
}

static void on_settled(void *arg)
{
    struct netvmd *n = arg;

    n->settling = false;
    read_desired(n);
    drain_keys(n);
}

static void on_qdb(int fd, unsigned events, void *arg)
{
    (void)fd;
    (void)events;
    drain_keys(arg);
}

static void on_link(int fd, unsigned events, void *arg)
{
    struct netvmd *n = arg;
    int r = uplink_link_drain(n->link);

    (void)fd;
    (void)events;
    if (r < 0) {
        log_err("link events: %s", err_text(r));
        loop_stop(n->loop, 1);
        return;
    }
    settle_soon(n);
}

/* One datagram of exactly one record, from root or from dhcpcd's id.
 * @return 1; 0 none there; -EBADMSG refused */
static int receive_record(int fd, struct dhcp_facts *ret)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec iov = {ret, sizeof(*ret)};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    struct cmsghdr *c;
    struct ucred who = {.uid = (uid_t)-1};
    ssize_t len = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (len < 0)
        return 0;
    c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS &&
        c->cmsg_len == CMSG_LEN(sizeof(who)))
        memcpy(&who, CMSG_DATA(c), sizeof(who));
    if (who.uid != 0 && who.uid != DHCPCD_UID)
        return -EBADMSG;
    if (len != (ssize_t)sizeof(*ret) || (m.msg_flags & MSG_TRUNC))
        return -EBADMSG;
    return dhcp_facts_check(ret) < 0 ? -EBADMSG : 1;
}

static void on_facts(int fd, unsigned events, void *arg)
{
    struct netvmd *n = arg;
    struct dhcp_facts f;
    bool changed = false;

    (void)events;
    for (unsigned i = 0; i < RECORDS_PER_TURN; i++) {
        int r = receive_record(fd, &f);

        if (r == 0)
            break;
        if (r < 0) {
            log_warn("a malformed DHCP record was refused");
            continue;
        }
        n->had_dhcp = true;
        changed |= uplink_state_take(&n->state, &f);
    }
    if (!changed)
        return;
    save_records(n);
    publish(n);
    drain_keys(n);
}

static void on_signal(int signo, void *arg)
{
    struct netvmd *n = arg;

    (void)signo;
    loop_stop(n->loop, 0);
}

static int start_loop(struct netvmd *n)
{
    struct loop_io *io;
    struct loop_sig *sig;
    int r = loop_new(&n->loop);

    if (r == 0)
        r = loop_timer_new(n->loop, on_settled, n, &n->settle);
    if (r == 0)
        r = loop_io_new(n->loop, qdb_fd(n->qdb), LOOP_READ, on_qdb, n, &io);
    if (r == 0)
        r = loop_io_new(n->loop, uplink_link_fd(n->link), LOOP_READ, on_link, n,
                        &io);
    if (r == 0)
        r = loop_io_new(n->loop, n->facts_fd, LOOP_READ, on_facts, n, &io);
    if (r == 0)
        r = loop_sig_new(n->loop, SIGTERM, on_signal, n, &sig);
    if (r == 0)
        r = loop_sig_new(n->loop, SIGINT, on_signal, n, &sig);
    return r;
}

static int confine(void)
{
    const struct sandbox s = {
        .uid = NETVMD_UID,
        .gid = NETVMD_GID,
        .keep_caps = 1ull << CAP_NET_ADMIN,
        .root = "/var/empty",
        .sys = SANDBOX_SYS_SOCKET | SANDBOX_SYS_FILE,
        .max_memory = MEMORY_MAX,
    };

    return sandbox_enter(&s);
}

int main(int argc, char **argv)
{
    static struct netvmd n = {
        .facts_fd = -1, .state_dir = -1, .resolv_dir = -1};
    int r;

    log_init("netvmd", LOG_LEVEL_INFO);
    uplink_state_init(&n.state);
    if (argc == 2 && strcmp(argv[1], "--prepare") == 0)
        return prepare(&n) < 0 ? 1 : 0;
    if (argc != 1) {
        log_err("usage: netvmd [--prepare]");
        return 2;
    }
    if (set_up(&n) < 0)
        return 1;
    r = step("event loop", start_loop(&n));
    if (r == 0)
        r = step("sandbox", confine());
    if (r < 0)
        return 1;
    umask(022);
    snprintf(n.resolv, sizeof(n.resolv), "?"); /* unlike any: write once */
    load_records(&n);
    read_desired(&n);
    if (step("port forwards", table_apply_forwards(n.table)) < 0)
        return 1;
    drain_keys(&n);
    return loop_run(n.loop);
}
