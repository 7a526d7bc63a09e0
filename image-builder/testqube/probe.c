/* SPDX-License-Identifier: GPL-2.0-or-later */
/* probe: one try at reaching an address, with a time limit and an answer in
 * one word, for the lab's checks. effect (one socket). Test tool of the
 * testqube image only. Fed by the lab's tester (trusted); what comes from the
 * network is only compared and printed. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MAX_MS 600000
#define REPLY_MAX 512

struct target {
    struct sockaddr_storage addr;
    socklen_t len;
    int timeout_ms;
};

static const char usage[] =
    "usage: probe tcp ADDR PORT TIMEOUT_MS\n"
    "       probe udp ADDR PORT TIMEOUT_MS TEXT\n"
    "       probe ping ADDR TIMEOUT_MS\n"
    "Prints open|closed|reply|none|error, then milliseconds; exit 0 for open\n"
    "and reply, 1 for the others, 2 for a wrong call.\n";

static long long now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Wait for an event until the deadline. Returns 1, 0 at the deadline. */
static int wait_for(int fd, short events, long long end_ms)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = events};
        long long left = end_ms - now_ms();
        int r = poll(&p, 1, left > 0 ? (int)left : 0);

        if (r > 0)
            return 1;
        if (r == 0)
            return 0;
        if (errno != EINTR)
            return 0;
    }
}

static int number(const char *text, int max)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end || value < 1 || value > max)
        return -1;
    return (int)value;
}

static int target_parse(const char *addr, const char *port, const char *timeout,
                        struct target *ret)
{
    struct sockaddr_in *v4 = (void *)&ret->addr;
    struct sockaddr_in6 *v6 = (void *)&ret->addr;
    int n = port ? number(port, 65535) : 0;

    memset(ret, 0, sizeof(*ret));
    ret->timeout_ms = number(timeout, TIMEOUT_MAX_MS);
    if (n < 0 || ret->timeout_ms < 0)
        return -EINVAL;
    if (inet_pton(AF_INET, addr, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)n);
        ret->len = sizeof(*v4);
        return 0;
    }
    if (inet_pton(AF_INET6, addr, &v6->sin6_addr) != 1)
        return -EINVAL;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)n);
    ret->len = sizeof(*v6);
    return 0;
}

static int connected(const struct target *t, int type, int protocol)
{
    int fd = socket(t->addr.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    protocol);

    if (fd < 0)
        return -errno;
    if (connect(fd, (const void *)&t->addr, t->len) < 0 &&
        errno != EINPROGRESS) {
        int r = -errno;

        close(fd);
        return r;
    }
    return fd;
}

static const char *probe_tcp(const struct target *t, long long end_ms)
{
    int error = 0;
    socklen_t len = sizeof(error);
    int fd = connected(t, SOCK_STREAM, 0);

    if (fd < 0)
        return fd == -ECONNREFUSED ? "closed" : "error";
    if (!wait_for(fd, POLLOUT, end_ms)) {
        close(fd);
        return "none";
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    close(fd);
    if (!error)
        return "open";
    return error == ECONNREFUSED ? "closed" : "error";
}

static const char *probe_udp(const struct target *t, long long end_ms,
                             const char *text)
{
    char reply[REPLY_MAX];
    const char *answer = "none";
    int fd = connected(t, SOCK_DGRAM, 0);

    if (fd < 0 || send(fd, text, strlen(text), 0) < 0) {
        answer = "error";
    } else if (wait_for(fd, POLLIN, end_ms)) {
        if (recv(fd, reply, sizeof(reply), 0) >= 0)
            answer = "reply";
        else
            answer = errno == ECONNREFUSED ? "closed" : "error";
    }
    if (fd >= 0)
        close(fd);
    return answer;
}

/* True for the reply to our echo request. */
static int is_our_reply(const struct target *t, const uint8_t *data, size_t len,
                        uint16_t id)
{
    struct icmphdr h;
    size_t skip = 0;
    int want = ICMP6_ECHO_REPLY;

    if (t->addr.ss_family == AF_INET) {
        /* A raw IPv4 socket gives the IP header too. */
        skip = len ? (size_t)(data[0] & 15) * 4 : 0;
        want = ICMP_ECHOREPLY;
    }
    if (len < skip + sizeof(h))
        return 0;
    memcpy(&h, data + skip, sizeof(h));
    return h.type == want && h.un.echo.id == id;
}

static const char *probe_ping(const struct target *t, long long end_ms)
{
    int v4 = t->addr.ss_family == AF_INET;
    uint16_t id = (uint16_t)getpid();
    /* ICMPv6 checksums are the kernel's work, ICMP's are not. */
    struct icmphdr h = {.type = v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST};
    uint8_t data[REPLY_MAX];
    int fd = connected(t, SOCK_RAW, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);

    h.un.echo.id = id;
    if (v4) {
        uint32_t sum = (uint32_t)htons(ICMP_ECHO << 8) + id;

        h.checksum = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
    }
    if (fd < 0)
        return "error";
    if (send(fd, &h, sizeof(h), 0) < 0) {
        close(fd);
        return "error";
    }
    while (wait_for(fd, POLLIN, end_ms)) {
        ssize_t n = recv(fd, data, sizeof(data), 0);

        if (n > 0 && is_our_reply(t, data, (size_t)n, id)) {
            close(fd);
            return "reply";
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            break;
    }
    close(fd);
    return "none";
}

int main(int argc, char **argv)
{
    struct target t;
    const char *answer = NULL;
    long long start_ms = now_ms();
    int r = -EINVAL;

    if (argc == 5 && strcmp(argv[1], "tcp") == 0)
        r = target_parse(argv[2], argv[3], argv[4], &t);
    else if (argc == 6 && strcmp(argv[1], "udp") == 0)
        r = target_parse(argv[2], argv[3], argv[4], &t);
    else if (argc == 4 && strcmp(argv[1], "ping") == 0)
        r = target_parse(argv[2], NULL, argv[3], &t);
    if (r < 0) {
        fputs(usage, stderr);
        return 2;
    }
    if (argv[1][0] == 't')
        answer = probe_tcp(&t, start_ms + t.timeout_ms);
    else if (argv[1][0] == 'u')
        answer = probe_udp(&t, start_ms + t.timeout_ms, argv[5]);
    else
        answer = probe_ping(&t, start_ms + t.timeout_ms);
    printf("%s %lld\n", answer, now_ms() - start_ms);
    return strcmp(answer, "open") == 0 || strcmp(answer, "reply") == 0 ? 0 : 1;
}
