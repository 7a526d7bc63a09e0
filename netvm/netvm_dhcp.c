/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netvm-dhcp: waits until the uplink shall be configured by DHCP and an
 * interface is there, then becomes dhcpcd (exec, same process). glue. Fed by
 * dom0's keys and the kernel's links (trusted). Speaks no DHCP itself; dhcpcd
 * separates its own privileges (user "dhcpcd", see docs/privsep.md). */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "netvm/dhcp_facts.h"
#include "netvm/uplink_conf.h"
#include "netvm/uplink_link.h"
#include "qubesdb/qdb_client.h"

#define DHCPCD "/usr/sbin/dhcpcd"
#define DHCPCD_CONF "/etc/dhcpcd.conf"
#define HOOK "/usr/bin/netvm-dhcp-hook"
/* dhcpcd's database (DUID, secret, leases); the image links
 * /var/lib/dhcpcd to it, so that the root can be read-only. */
#define DHCPCD_DB "/run/dhcpcd-lib"
#define QDB_WAIT_MS 60000
#define LOOK_AGAIN_MS 200

static int read_mode(struct qdb *q, enum uplink_mode *ret)
{
    char value[QDB_VALUE_MAX + 1];
    struct uplink_conf c;
    int n = qdb_read(q, UPLINK_CONF_PREFIX "mode", value, sizeof(value));

    if (n < 0 && n != -ENOENT)
        return n;
    uplink_conf_init(&c);
    if (n > 0)
        uplink_conf_set(&c, "mode", (struct text){value, (size_t)n});
    /* netvmd reports a wrong value; nothing is configured meanwhile. */
    *ret = c.error[0] ? UPLINK_STATIC : c.mode;
    return 0;
}

/* netvmd must listen before the first fact is told. */
static bool netvmd_listens(void)
{
    struct stat st;

    return stat(DHCP_FACTS_SOCKET, &st) == 0 && S_ISSOCK(st.st_mode);
}

static int next_events(struct qdb *q, struct uplink_link *l, bool tick)
{
    struct pollfd p[] = {{.fd = qdb_fd(q), .events = POLLIN},
                         {.fd = uplink_link_fd(l), .events = POLLIN}};
    char path[QDB_PATH_MAX];
    int r;

    if (poll(p, ARRAY_LEN(p), tick ? LOOK_AGAIN_MS : -1) < 0 && errno != EINTR)
        return err_last();
    do {
        r = qdb_next_event(q, path);
    } while (r > 0);
    return r < 0 ? r : uplink_link_drain(l);
}

static int wait_for_uplink(struct qdb *q, struct uplink_link *l,
                           char ret_name[UPLINK_NAME_MAX])
{
    enum uplink_mode mode;
    bool told = false;
    int r;

    for (;;) {
        r = read_mode(q, &mode);
        if (r < 0)
            return r;
        r = -EAGAIN;
        if (mode == UPLINK_DHCP)
            r = uplink_link_find(l, ret_name);
        if (r == 0 && netvmd_listens())
            return 0;
        if (r < 0 && r != -ENODEV && r != -EAGAIN)
            return r;
        if (!told)
            log_info(r == -EAGAIN ? "mode is static: nothing to do"
                                  : "waiting for an interface and netvmd");
        told = true;
        r = next_events(q, l, r == 0);
        if (r < 0)
            return r;
    }
}

static int become_dhcpcd(char *ifname)
{
    char name[] = "dhcpcd", fg[] = "--nobackground", conf[] = "--config",
         conf_path[] = DHCPCD_CONF, script[] = "--script", script_path[] = HOOK;
    char *const argv[] = {name,   fg,          conf,   conf_path,
                          script, script_path, ifname, NULL};
    char path[] = "PATH=/usr/sbin:/usr/bin";
    char *const envp[] = {path, NULL};

    execve(DHCPCD, argv, envp);
    return err_last();
}

static int run(char ifname[UPLINK_NAME_MAX])
{
    struct qdb *q = NULL;
    struct uplink_link *l = NULL;
    int r = io_mkdirs(DHCPCD_DB, 0700);

    if (r < 0)
        return r;
    r = qdb_open(QDB_SOCKET_RO, QDB_WAIT_MS, &q);
    if (r == 0)
        r = qdb_watch(q, UPLINK_CONF_PREFIX);
    if (r == 0)
        r = uplink_link_new(&l);
    if (r == 0)
        r = wait_for_uplink(q, l, ifname);
    uplink_link_free(l);
    qdb_close(q);
    return r;
}

int main(void)
{
    char ifname[UPLINK_NAME_MAX];
    int r;

    log_init("netvm-dhcp", LOG_LEVEL_INFO);
    r = run(ifname);
    if (r == 0) {
        log_info("starting dhcpcd on %s", ifname);
        r = become_dhcpcd(ifname);
    }
    log_err("%s", err_text(r));
    return 1;
}
