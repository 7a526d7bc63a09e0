/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nfnetlink_queue by libmnl. effect. See answer_queue.h. */
#include "firewallvm/answer_queue.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include "lib/err.h"
#include "lib/mem.h"

#define MESSAGE_BYTES 512
#define READ_BYTES (ANSWER_BYTES + 1024)

static struct nlmsghdr *message(uint8_t *buf, uint16_t type, uint16_t flags)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));

    h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type);
    h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    g->nfgen_family = AF_UNSPEC;
    g->version = NFNETLINK_V0;
    g->res_id = htons(ANSWER_QUEUE);
    return h;
}

static int send_message(int fd, const struct nlmsghdr *h)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    ssize_t n;

    do {
        n = sendto(fd, h, h->nlmsg_len, 0, (const struct sockaddr *)&kernel,
                   sizeof(kernel));
    } while (n < 0 && errno == EINTR);
    return n < 0 ? err_last() : 0;
}

/* The answer of the kernel to one message with NLM_F_ACK. The socket is not
 * bound to packets yet when this is used, so nothing else comes. */
static int hear_ack(int fd)
{
    uint8_t buf[1024];
    ssize_t n = recv(fd, buf, sizeof(buf), 0);
    const struct nlmsghdr *h = (const void *)buf;
    const struct nlmsgerr *e;

    if (n < 0)
        return err_last();
    if (!mnl_nlmsg_ok(h, (int)n) || h->nlmsg_type != NLMSG_ERROR ||
        mnl_nlmsg_get_payload_len(h) < sizeof(*e))
        return -EBADMSG;
    e = mnl_nlmsg_get_payload(h);
    return e->error;
}

static int configure(int fd)
{
    const struct nfqnl_msg_config_cmd bind_cmd = {.command =
                                                      NFQNL_CFG_CMD_BIND};
    const struct nfqnl_msg_config_params params = {
        .copy_range = htonl(ANSWER_BYTES), .copy_mode = NFQNL_COPY_PACKET};
    uint8_t buf[MESSAGE_BYTES];
    struct nlmsghdr *h = message(buf, NFQNL_MSG_CONFIG, NLM_F_ACK);
    int r;

    mnl_attr_put(h, NFQA_CFG_CMD, sizeof(bind_cmd), &bind_cmd);
    r = send_message(fd, h);
    if (r == 0)
        r = hear_ack(fd);
    if (r < 0)
        return r;
    h = message(buf, NFQNL_MSG_CONFIG, NLM_F_ACK);
    mnl_attr_put(h, NFQA_CFG_PARAMS, sizeof(params), &params);
    mnl_attr_put_u32(h, NFQA_CFG_QUEUE_MAXLEN, htonl(ANSWER_QUEUE_MAX));
    /* What finds no room passes: it opens nothing by that. */
    mnl_attr_put_u32(h, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_FAIL_OPEN));
    mnl_attr_put_u32(h, NFQA_CFG_MASK, htonl(NFQA_CFG_F_FAIL_OPEN));
    r = send_message(fd, h);
    return r == 0 ? hear_ack(fd) : r;
}

int answer_queue_open(int *ret_fd)
{
    const struct sockaddr_nl local = {.nl_family = AF_NETLINK};
    CLEANUP_FD int fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    int r, flags;

    if (fd < 0 || bind(fd, (const struct sockaddr *)&local, sizeof(local)) != 0)
        return err_last();
    r = configure(fd);
    if (r < 0)
        return r;
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return err_last();
    *ret_fd = STEAL_FD(fd);
    return 0;
}

static int verdict(int fd, uint16_t type, uint32_t id)
{
    const struct nfqnl_msg_verdict_hdr v = {.verdict = htonl(NF_ACCEPT),
                                            .id = htonl(id)};
    uint8_t buf[MESSAGE_BYTES];
    struct nlmsghdr *h = message(buf, type, 0);

    mnl_attr_put(h, NFQA_VERDICT_HDR, sizeof(v), &v);
    return send_message(fd, h);
}

int answer_queue_pass(int fd, uint32_t id)
{
    return verdict(fd, NFQNL_MSG_VERDICT, id);
}

int answer_queue_pass_all(int fd, uint32_t id)
{
    return verdict(fd, NFQNL_MSG_VERDICT_BATCH, id);
}

/* ---- reading ---- */
static int each_attr(const struct nlattr *a, void *arg)
{
    const struct nlattr **tb = arg;
    uint16_t type = mnl_attr_get_type(a);

    if (type == NFQA_PACKET_HDR || type == NFQA_PAYLOAD)
        tb[type] = a;
    return MNL_CB_OK;
}

static int take_packet(const struct nlmsghdr *h, struct answer_waiting *ret)
{
    const struct nlattr *tb[NFQA_MAX + 1] = {NULL};
    const struct nfqnl_msg_packet_hdr *packet;
    uint16_t len = 0;

    if (h->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) ||
        mnl_attr_parse(h, sizeof(struct nfgenmsg), each_attr, tb) < 0 ||
        !tb[NFQA_PACKET_HDR] ||
        mnl_attr_get_payload_len(tb[NFQA_PACKET_HDR]) < sizeof(*packet))
        return 0;
    packet = mnl_attr_get_payload(tb[NFQA_PACKET_HDR]);
    ret->id = ntohl(packet->packet_id);
    if (tb[NFQA_PAYLOAD])
        len = mnl_attr_get_payload_len(tb[NFQA_PAYLOAD]);
    ret->len = len < ANSWER_BYTES ? len : 0;
    if (ret->len > 0)
        memcpy(ret->untrusted_packet, mnl_attr_get_payload(tb[NFQA_PAYLOAD]),
               ret->len);
    return 1;
}

int answer_queue_read(int fd, struct answer_waiting *ret)
{
    static _Alignas(struct nlmsghdr) uint8_t buf[READ_BYTES];
    ssize_t n;

    do {
        n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : err_last();
    if (!mnl_nlmsg_ok((const void *)buf, (int)n))
        return 0;
    return take_packet((const void *)buf, ret);
}
