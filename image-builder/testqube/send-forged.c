/* SPDX-License-Identifier: GPL-2.0-or-later */
/* send-forged: send packets whose source address is not ours, or whose IPv6
 * extension headers no program sends, to see what becomes of them. effect
 * (one raw socket). Test tool of the testqube image
 * only. Fed by the lab's tester (trusted). Answers are not awaited. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT_MAX 1000
#define PAYLOAD "forged"
#define SOURCE_PORT 4000
#define HOP_LIMIT 64
#define PACKET_MAX 256
/* Each extension header here is one unit of 8 bytes. */
#define EXT_BYTES 8
#define EXTS_MAX 8

struct packet {
    int family;
    int protocol;
    union {
        struct in_addr v4;
        struct in6_addr v6;
    } src, dst;
    unsigned port;
    uint8_t exts[EXTS_MAX]; /* protocol numbers, outermost first */
    size_t n_exts;
};

static const struct {
    const char *name;
    uint8_t protocol;
} ext_names[] = {
    {"hop", IPPROTO_HOPOPTS},
    {"dst", IPPROTO_DSTOPTS},
    {"routing", IPPROTO_ROUTING},
    {"fragment", IPPROTO_FRAGMENT},
};

static const char usage[] =
    "usage: send-forged SRC DST udp PORT [COUNT [EXT,...]]\n"
    "       send-forged SRC DST icmp [COUNT [EXT,...]]\n"
    "SRC and DST are both IPv4 or both IPv6 addresses; EXT is an IPv6\n"
    "extension header: hop, dst, routing, fragment (the only one).\n";

/* Internet checksum (RFC 1071) over pieces of even length but the last. */
static uint32_t sum_add(uint32_t sum, const void *data, size_t len)
{
    const uint8_t *p = data;

    for (size_t i = 0; i < len; i++)
        sum += (i & 1) ? p[i] : (uint32_t)p[i] << 8;
    return sum;
}

static uint16_t sum_end(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

static size_t address_len(const struct packet *p)
{
    return p->family == AF_INET ? 4 : 16;
}

/* Sum of the pseudo header of UDP and ICMPv6. */
static uint32_t pseudo_sum(const struct packet *p, size_t len)
{
    uint32_t sum = (uint32_t)p->protocol + (uint32_t)len;

    sum = sum_add(sum, &p->src, address_len(p));
    return sum_add(sum, &p->dst, address_len(p));
}

/* The part above IP; returns its length. */
static size_t put_upper(const struct packet *p, uint8_t *out)
{
    if (p->protocol == IPPROTO_UDP) {
        size_t len = sizeof(struct udphdr) + sizeof(PAYLOAD) - 1;
        struct udphdr h = {.source = htons(SOURCE_PORT),
                           .dest = htons((uint16_t)p->port),
                           .len = htons((uint16_t)len)};

        memcpy(out + sizeof(h), PAYLOAD, sizeof(PAYLOAD) - 1);
        memcpy(out, &h, sizeof(h));
        h.check = sum_end(sum_add(pseudo_sum(p, len), out, len));
        memcpy(out, &h, sizeof(h));
        return len;
    }
    /* An echo request is laid out alike in ICMP and ICMPv6. */
    struct icmphdr h = {.type = p->family == AF_INET ? ICMP_ECHO
                                                     : ICMP6_ECHO_REQUEST};
    uint32_t sum = p->family == AF_INET ? 0 : pseudo_sum(p, sizeof(h));

    h.un.echo.id = htons(SOURCE_PORT);
    h.checksum = sum_end(sum_add(sum, &h, sizeof(h)));
    memcpy(out, &h, sizeof(h));
    return sizeof(h);
}

/* The extension headers, each of 8 bytes; returns their length. The padding
 * option (type 1, length 4) fills hop-by-hop and destination options; zeros
 * are a routing header without segments and a fragment that is whole. */
static size_t put_exts(const struct packet *p, uint8_t *out)
{
    for (size_t i = 0; i < p->n_exts; i++) {
        uint8_t *ext = out + i * EXT_BYTES;

        memset(ext, 0, EXT_BYTES);
        ext[0] = i + 1 < p->n_exts ? p->exts[i + 1] : (uint8_t)p->protocol;
        if (p->exts[i] == IPPROTO_HOPOPTS || p->exts[i] == IPPROTO_DSTOPTS) {
            ext[2] = 1;
            ext[3] = 4;
        }
    }
    return p->n_exts * EXT_BYTES;
}

/* The whole packet; returns its length. The kernel fills in the checksum of
 * an IPv4 header. */
static size_t put_packet(const struct packet *p, uint8_t *out)
{
    if (p->family == AF_INET) {
        size_t upper = put_upper(p, out + sizeof(struct iphdr));
        size_t len = sizeof(struct iphdr) + upper;
        struct iphdr h = {.version = 4,
                          .ihl = 5,
                          .ttl = HOP_LIMIT,
                          .tot_len = htons((uint16_t)len),
                          .protocol = (uint8_t)p->protocol,
                          .saddr = p->src.v4.s_addr,
                          .daddr = p->dst.v4.s_addr};

        memcpy(out, &h, sizeof(h));
        return len;
    }
    size_t exts = put_exts(p, out + sizeof(struct ip6_hdr));
    size_t upper = exts + put_upper(p, out + sizeof(struct ip6_hdr) + exts);
    struct ip6_hdr h = {.ip6_src = p->src.v6, .ip6_dst = p->dst.v6};

    h.ip6_flow = htonl(6u << 28);
    h.ip6_plen = htons((uint16_t)upper);
    h.ip6_nxt = p->n_exts ? p->exts[0] : (uint8_t)p->protocol;
    h.ip6_hlim = HOP_LIMIT;
    memcpy(out, &h, sizeof(h));
    return sizeof(h) + upper;
}

static int send_packets(const struct packet *p, unsigned count)
{
    struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_addr = p->dst.v4};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6};
    const void *to = p->family == AF_INET ? (void *)&to4 : (void *)&to6;
    socklen_t to_len = p->family == AF_INET ? sizeof(to4) : sizeof(to6);
    uint8_t data[PACKET_MAX];
    size_t len = put_packet(p, data);
    /* IPPROTO_RAW: the header is ours, in both families. */
    int fd = socket(p->family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

    if (fd < 0)
        return -errno;
    if (p->family == AF_INET6)
        to6.sin6_addr = p->dst.v6;
    for (unsigned i = 0; i < count; i++) {
        if (sendto(fd, data, len, 0, to, to_len) < 0) {
            int r = -errno;

            close(fd);
            return r;
        }
    }
    close(fd);
    return 0;
}

/* Decimal in 1..max, or 0 for anything else. */
static unsigned number(const char *text, unsigned max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end || value > max)
        return 0;
    return (unsigned)value;
}

/* A list of extension headers; it is changed. */
static int exts_parse(char *text, struct packet *ret)
{
    char *rest = text;

    for (char *word; (word = strsep(&rest, ","));) {
        size_t i = 0;

        while (i < sizeof(ext_names) / sizeof(ext_names[0]) &&
               strcmp(word, ext_names[i].name) != 0)
            i++;
        if (i == sizeof(ext_names) / sizeof(ext_names[0]) ||
            ret->n_exts == EXTS_MAX || ret->family != AF_INET6)
            return -EINVAL;
        ret->exts[ret->n_exts++] = ext_names[i].protocol;
    }
    return 0;
}

static int parse(int argc, char **argv, struct packet *ret, unsigned *count)
{
    int next = 4;

    if (argc < 4)
        return -EINVAL;
    ret->family = strchr(argv[1], ':') ? AF_INET6 : AF_INET;
    if (inet_pton(ret->family, argv[1], &ret->src) != 1 ||
        inet_pton(ret->family, argv[2], &ret->dst) != 1)
        return -EINVAL;
    if (strcmp(argv[3], "udp") == 0) {
        ret->protocol = IPPROTO_UDP;
        ret->port = argc > 4 ? number(argv[4], 65535) : 0;
        if (!ret->port)
            return -EINVAL;
        next = 5;
    } else if (strcmp(argv[3], "icmp") == 0) {
        ret->protocol = ret->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    } else {
        return -EINVAL;
    }
    *count = argc > next ? number(argv[next], COUNT_MAX) : 1;
    if (argc > next + 1 && exts_parse(argv[next + 1], ret) < 0)
        return -EINVAL;
    return *count && argc <= next + 2 ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
    struct packet p = {0};
    unsigned count = 0;
    int r = parse(argc, argv, &p, &count);

    if (r < 0) {
        fputs(usage, stderr);
        return 2;
    }
    r = send_packets(&p, count);
    if (r < 0) {
        fprintf(stderr, "send-forged: %s\n", strerror(-r));
        return 1;
    }
    printf("sent %u from %s\n", count, argv[1]);
    return 0;
}
