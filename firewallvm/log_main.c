/* SPDX-License-Identifier: GPL-2.0-or-later */
/* firewallvmd's log process: what nflog tells of blocked packets to records
 * for the worker. glue. Fed by qubes, whose packets it reads (hostile); that
 * is why it is a process of its own: it binds the log's group first, then it
 * has an empty root, no capability, and two descriptors, from one of which it
 * only reads. A kernel without nflog costs the log and nothing else. */
#include "firewallvm/log_main.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include "firewallvm/log_packet.h"
#include "firewallvm/log_record.h"
#include "firewallvm/table_compile.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/nl.h"
#include "lib/privsep.h"
#include "lib/sandbox.h"

#define LOG_UID 110
#define LOG_MEMORY (32ull << 20)
#define LOG_RCVBUF 65536 /* what does not fit is lost, and that is fine */
#define LOG_NLBUF 4096   /* the kernel's buffer for one datagram */
#define LOG_TIMEOUT 10   /* hundredths of a second it may wait */
#define LOG_WAIT_MS 5000
#define MSG_BYTES 512 /* of one configuration message */
#define DATAGRAM_BYTES 16384

static struct nlmsghdr *config_msg(uint8_t *buf, struct nl *nl)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    struct nfgenmsg *g;

    h->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    h->nlmsg_seq = nl_next_seq(nl);
    g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
    g->nfgen_family = AF_UNSPEC;
    g->version = NFNETLINK_V0;
    g->res_id = htons(FW_LOG_GROUP);
    return h;
}

/* Become the one listener of the group.
 * @return 0; -EPERM another process is it; -errno */
static int bind_group(struct nl *nl)
{
    struct nfulnl_msg_config_cmd cmd = {.command = NFULNL_CFG_CMD_BIND};
    struct nfulnl_msg_config_mode mode = {.copy_range = htonl(FW_LOG_SNAPLEN),
                                          .copy_mode = NFULNL_COPY_PACKET};
    uint8_t buf[MSG_BYTES];
    struct nlmsghdr *h = config_msg(buf, nl);
    int r;

    mnl_attr_put(h, NFULA_CFG_CMD, sizeof(cmd), &cmd);
    r = nl_talk(nl, buf, h->nlmsg_len, NULL, NULL);
    if (r < 0)
        return r;
    h = config_msg(buf, nl);
    mnl_attr_put(h, NFULA_CFG_MODE, sizeof(mode), &mode);
    mnl_attr_put_u32(h, NFULA_CFG_NLBUFSIZ, htonl(LOG_NLBUF));
    mnl_attr_put_u32(h, NFULA_CFG_TIMEOUT, htonl(LOG_TIMEOUT));
    return nl_talk(nl, buf, h->nlmsg_len, NULL, NULL);
}

/* The log process of an earlier run may just be ending and holds the group:
 * later this one has no right to ask again. */
static int wait_for_group(struct nl *nl)
{
    const uint64_t end_ms = io_now_ms() + LOG_WAIT_MS;
    int r;

    while ((r = bind_group(nl)) == -EPERM && io_now_ms() < end_ms)
        poll(NULL, 0, 10);
    return r;
}

static int set_up(struct nl **ret)
{
    static const struct sandbox SANDBOX = {
        .uid = LOG_UID,
        .gid = LOG_UID,
        .root = "/var/empty",
        .sys = SANDBOX_SYS_SOCKET,
        .max_memory = LOG_MEMORY,
        .max_files = 8,
    };
    int r = nl_new(NETLINK_NETFILTER, 0, ret);
    int size = LOG_RCVBUF;

    if (r == 0)
        r = wait_for_group(*ret);
    if (r < 0) {
        log_err("no log of blocked packets: nflog: %s", err_text(r));
        nl_free(*ret);
        *ret = NULL;
    } else if (setsockopt(nl_fd(*ret), SOL_SOCKET, SO_RCVBUFFORCE, &size,
                          sizeof(size)) != 0) {
        return err_last();
    }
    return sandbox_enter(&SANDBOX);
}

/* One packet for the worker; one that it has no room for is lost. */
static int tell(const struct nlmsghdr *h)
{
    uint8_t rec[LOG_RECORD_BYTES];
    struct fw_event e;
    int r;

    if (log_packet_parse(h, &e) < 0)
        return 0;
    log_record_encode(&e, rec);
    r = privsep_send(PRIVSEP_CHILD_FD, rec, sizeof(rec));
    return r == -EAGAIN ? 0 : r;
}

/* @return bytes; 0 nothing to read now; -errno */
static int next_datagram(int fd, uint8_t *buf, size_t cap)
{
    struct sockaddr_nl from = {0};
    socklen_t len = sizeof(from);
    ssize_t n = recvfrom(fd, buf, cap, 0, (struct sockaddr *)&from, &len);

    if (n < 0 && (errno == EINTR || errno == ENOBUFS || errno == EAGAIN))
        return 0;
    if (n < 0)
        return err_last();
    return len == sizeof(from) && from.nl_pid == 0 ? (int)n : 0;
}

/* Until there is something to read. @param fd  -1: there never will be
 * @return 0; -ECONNRESET the worker is gone; -errno */
static int wait_for(int fd)
{
    struct pollfd p[] = {{.fd = PRIVSEP_CHILD_FD},
                         {.fd = fd, .events = POLLIN}};

    if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
        return err_last();
    return p[0].revents ? -ECONNRESET : 0;
}

static int serve(int fd)
{
    static uint8_t buf[DATAGRAM_BYTES] __attribute__((aligned(8)));
    int r = 0;

    while (r == 0) {
        const struct nlmsghdr *h;
        size_t left;

        r = wait_for(fd);
        if (r == 0 && fd >= 0)
            r = next_datagram(fd, buf, sizeof(buf));
        if (r < 0)
            return r;
        left = (size_t)r;
        r = 0;
        for (h = log_packet_message(buf, left); h && r == 0;
             h = log_packet_next(h, &left))
            r = tell(h);
    }
    return r;
}

int log_main(void)
{
    struct nl *nl = NULL;
    int r = set_up(&nl);

    if (r < 0) {
        log_err("set-up: %s", err_text(r));
        return 1;
    }
    r = serve(nl ? nl_fd(nl) : -1);
    log_info("ends: %s", err_text(r));
    return 1;
}
