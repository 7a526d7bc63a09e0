/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp-load: send numbered UDP datagrams to several targets at a steady rate,
 * to count at the other end which of them a firewall let through. effect
 * (UDP sockets). Test tool of the testqube image only. Fed by the lab's
 * tester (trusted). Answers are not read. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TARGETS_MAX 16
#define RATE_MAX 1000
#define SECONDS_MAX 3600
#define NS_PER_S 1000000000L

struct target {
    struct sockaddr_storage addr;
    socklen_t len;
    int steady_fd;        /* one flow for the whole run */
    unsigned long sent;   /* accepted by the kernel */
    unsigned long failed; /* refused by it, an ICMP error for one */
};

static const char usage[] =
    "usage: udp-load SECONDS RATE ADDR PORT [ADDR PORT]...\n"
    "At most RATE datagrams a second to each target, each other from a new\n"
    "socket, so that it is a new flow. Each holds its number in decimal.\n"
    "Prints for each target: ADDR PORT SENT FAILED.\n";

static long number(const char *text, long max)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end || value < 1 || value > max)
        return -1;
    return value;
}

static int target_parse(const char *addr, const char *port, struct target *ret)
{
    struct sockaddr_in *v4 = (void *)&ret->addr;
    struct sockaddr_in6 *v6 = (void *)&ret->addr;
    long n = number(port, 65535);

    if (n < 0)
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

static int open_socket(const struct target *t)
{
    return socket(t->addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

/* One datagram; odd numbers from a socket of their own. */
static void send_one(struct target *t, unsigned long n)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%lu", n);
    int fd = n & 1 ? open_socket(t) : t->steady_fd;

    if (fd >= 0 &&
        sendto(fd, text, (size_t)len, 0, (const void *)&t->addr, t->len) == len)
        t->sent++;
    else
        t->failed++;
    if (fd >= 0 && fd != t->steady_fd)
        close(fd);
}

/* The rate is an upper bound: what a stall of the machine has cost is not
 * caught up with, as a burst would test the queues on the way instead. */
static void run(struct target *targets, int n, long seconds, long rate)
{
    const struct timespec gap = {.tv_sec = rate == 1,
                                 .tv_nsec = rate == 1 ? 0 : NS_PER_S / rate};
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    time_t end = now.tv_sec + seconds;
    for (long i = 0; i < seconds * rate && now.tv_sec < end; i++) {
        for (int k = 0; k < n; k++)
            send_one(&targets[k], (unsigned long)i);
        nanosleep(&gap, NULL);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
}

int main(int argc, char **argv)
{
    struct target targets[TARGETS_MAX] = {0};
    int n = (argc - 3) / 2;
    long seconds = argc > 1 ? number(argv[1], SECONDS_MAX) : -1;
    long rate = argc > 2 ? number(argv[2], RATE_MAX) : -1;

    if (argc < 5 || argc % 2 == 0 || n > TARGETS_MAX || seconds < 0 ||
        rate < 0) {
        fputs(usage, stderr);
        return 2;
    }
    for (int i = 0; i < n; i++) {
        if (target_parse(argv[3 + 2 * i], argv[4 + 2 * i], &targets[i]) < 0) {
            fputs(usage, stderr);
            return 2;
        }
        targets[i].steady_fd = open_socket(&targets[i]);
        if (targets[i].steady_fd < 0) {
            fprintf(stderr, "udp-load: %s\n", strerror(errno));
            return 1;
        }
    }
    run(targets, n, seconds, rate);
    for (int i = 0; i < n; i++)
        printf("%s %s %lu %lu\n", argv[3 + 2 * i], argv[4 + 2 * i],
               targets[i].sent, targets[i].failed);
    return 0;
}
