/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netvm-dhcp-hook: what dhcpcd runs after each event, with the facts in the
 * environment. glue. Fed by the network (hostile values): the socket is
 * opened first, then the process is confined, only then a value is read.
 * Sends one record to netvmd and ends; no shell, no file. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sandbox.h"
#include "netvm/dhcp_facts.h"

#define HOOK_UID 104 /* dhcpcd's own */
#define HOOK_GID 104
#define TRIES 15 /* netvmd may just be restarting */
#define TRY_MS 100
#define MEMORY_MAX (32ull << 20)

static int connect_netvmd(int *ret_fd)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    const struct timespec pause = {0, TRY_MS * 1000000L};
    CLEANUP_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int r = -ENOENT;

    if (fd < 0)
        return err_last();
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", DHCP_FACTS_SOCKET);
    for (unsigned i = 0; i < TRIES; i++) {
        if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0) {
            *ret_fd = STEAL_FD(fd);
            return 0;
        }
        r = err_last();
        if (r != -ENOENT && r != -ECONNREFUSED)
            return r;
        nanosleep(&pause, NULL);
    }
    return r;
}

static int confine(void)
{
    const struct sandbox s = {
        .uid = HOOK_UID,
        .gid = HOOK_GID,
        .root = "/var/empty",
        .sys = SANDBOX_SYS_SOCKET,
        .max_memory = MEMORY_MAX,
    };

    return sandbox_enter(&s);
}

static int tell(int fd, char *const envp[])
{
    struct dhcp_facts f;
    int r = dhcp_facts_from_env(envp, &f);

    if (r == -ENODATA)
        return 0;
    if (r == -EBADMSG)
        log_warn("%s: the network's answer is malformed, refused", f.ifname);
    else if (r < 0)
        return r;
    if (send(fd, &f, sizeof(f), MSG_NOSIGNAL) != (ssize_t)sizeof(f))
        return err_last();
    return 0;
}

int main(int argc, char **argv, char **envp)
{
    CLEANUP_FD int fd = -1;
    int r;

    (void)argc;
    (void)argv;
    log_init("netvm-dhcp-hook", LOG_LEVEL_INFO);
    r = connect_netvmd(&fd);
    if (r == 0)
        r = confine();
    if (r == 0)
        r = tell(fd, envp);
    if (r < 0)
        log_err("%s", err_text(r));
    return r < 0 ? 1 : 0;
}
