/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usbwire: join the kernel's own ends of USB/IP, usbip-host and vhci_hcd, in
 * one guest. glue, a test tool; fed by the test script (trusted). What ours
 * is compared with, in what it does and in how fast it is:
 *   pair    both ends hold one socket pair: no process between them
 *   relay   two processes between them, the shape of the existing proxy: each
 *           moves bytes, unseen, between its kernel's socket and a channel
 *           whose buffer has the size of that proxy's ring
 * spec: usbip.md, "sysfs interfaces". */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RING_BYTES 65536
#define PIECE_BYTES 65536
#define VHCI "/sys/devices/platform/vhci_hcd.0/"
#define SPEED_SUPER 5

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        die(path);
    close(fd);
}

static unsigned long read_number(const char *busid, const char *name)
{
    char path[128], text[32] = "";
    snprintf(path, sizeof(path), "/sys/bus/usb/devices/%s/%s", busid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
        die(path);
    close(fd);
    return strtoul(text, NULL, 10);
}

/* The kernel's enum usb_device_speed. */
static unsigned speed_of(const char *busid)
{
    unsigned long mbit = read_number(busid, "speed");

    return mbit >= 5000 ? SPEED_SUPER : mbit >= 480 ? 3 : mbit >= 12 ? 2 : 1;
}

/* First free port of the hub that takes this speed. */
static unsigned free_port(unsigned speed)
{
    FILE *f = fopen(VHCI "status", "re");
    char line[256], hub[8];
    unsigned port = 0, state = 0;

    if (!f)
        die(VHCI "status");
    while (fgets(line, sizeof(line), f))
        if (sscanf(line, "%7s %u %u", hub, &port, &state) == 3 && state == 4 &&
            (strcmp(hub, "ss") == 0) == (speed == SPEED_SUPER)) {
            fclose(f);
            return port;
        }
    fprintf(stderr, "usbwire: no free port\n");
    exit(1);
}

static void make_pair(int pair[2], int bytes)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        die("socketpair");
    for (int i = 0; bytes && i < 2; i++)
        if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) !=
            0)
            die("SO_SNDBUF");
}

/* Give each end its socket. The kernel keeps references of its own. */
static void join(const char *busid, int host_end, int vhci_end)
{
    char path[128], text[96];
    unsigned speed = speed_of(busid), port = free_port(speed);
    unsigned long devid =
        read_number(busid, "busnum") << 16 | read_number(busid, "devnum");

    snprintf(path, sizeof(path), "/sys/bus/usb/devices/%s/usbip_sockfd", busid);
    snprintf(text, sizeof(text), "%d", host_end);
    write_file(path, text);
    snprintf(text, sizeof(text), "%u %d %lu %u", port, vhci_end, devid, speed);
    write_file(VHCI "attach", text);
    close(host_end);
    close(vhci_end);
    printf("port %u\n", port);
    fflush(stdout);
}

/* Between the relays each piece is a message: its head and its data go by
 * writes of their own, as the existing proxy sends them. */
struct head {
    uint32_t kind, len;
};

/* One way of a relay: what was read and not yet written. */
struct half {
    int from, to;
    bool framed_in, framed_out;
    struct head head;
    size_t head_left; /* of it still to be read */
    size_t at, len;
    char bytes[PIECE_BYTES];
};

/* As much as is there. @return false when the end is gone */
static bool take(struct half *h, void *buf, size_t len, size_t *ret)
{
    ssize_t n = read(h->from, buf, len);

    *ret = n < 0 ? 0 : (size_t)n;
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool take_head(struct half *h)
{
    size_t n, got = sizeof(h->head) - h->head_left;
    bool good = take(h, (char *)&h->head + got, h->head_left, &n);

    h->head_left -= n;
    return good;
}

/* The rest of a message, or what an unframed end has. */
static bool take_data(struct half *h)
{
    size_t want = sizeof(h->bytes);

    if (h->framed_in && h->head.len < want)
        want = h->head.len;
    h->at = 0;
    bool good = take(h, h->bytes, want, &h->len);
    if (h->framed_in && h->len > 0) {
        h->head.len -= (uint32_t)h->len;
        h->head_left = h->head.len == 0 ? sizeof(h->head) : 0;
    }
    return good;
}

static bool give(struct half *h)
{
    const struct head head = {.kind = 1, .len = (uint32_t)h->len};

    if (h->framed_out && h->at == 0 &&
        send(h->to, &head, sizeof(head), MSG_NOSIGNAL) != sizeof(head))
        return false;
    while (h->len > 0) {
        ssize_t n = send(h->to, h->bytes + h->at, h->len, MSG_NOSIGNAL);
        if (n < 0)
            return false;
        h->at += (size_t)n;
        h->len -= (size_t)n;
    }
    return true;
}

/* @return false when an end is gone */
static bool move(struct half *h)
{
    if (h->framed_in && h->head_left > 0)
        return take_head(h);
    return take_data(h) && (h->len == 0 || give(h));
}

/* Writes wait: of the two ways only one carries much at a time. */
_Noreturn static void relay(int kernel, int ring)
{
    static struct half there, back;
    there = (struct half){.from = kernel, .to = ring, .framed_out = true};
    back = (struct half){.from = ring,
                         .to = kernel,
                         .framed_in = true,
                         .head_left = sizeof(struct head)};
    struct pollfd p[2] = {{.fd = kernel, .events = POLLIN},
                          {.fd = ring, .events = POLLIN}};

    while (poll(p, 2, -1) > 0) {
        if (p[0].revents && !move(&there))
            break;
        if (p[1].revents && !move(&back))
            break;
    }
    exit(0);
}

/* The child keeps its two ends alone, or it would not see them go. */
static pid_t start_relay(int a, int b)
{
    pid_t pid = fork();

    if (pid < 0)
        die("fork");
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int low = a < b ? a : b, high = a < b ? b : a;
    if (close_range(3, (unsigned)low - 1, 0) != 0 ||
        (high > low + 1 &&
         close_range((unsigned)low + 1, (unsigned)high - 1, 0) != 0) ||
        close_range((unsigned)high + 1, ~0u, 0) != 0)
        die("close_range");
    relay(a, b);
}

/* Stays until either end is gone. */
static int with_relays(const char *busid)
{
    int host[2], ring[2], vhci[2];

    make_pair(host, 0);
    make_pair(vhci, 0);
    make_pair(ring, RING_BYTES);
    join(busid, host[0], vhci[0]);
    pid_t one = start_relay(host[1], ring[0]);
    pid_t two = start_relay(vhci[1], ring[1]);
    close(host[1]);
    close(vhci[1]);
    close(ring[0]);
    close(ring[1]);
    return waitpid(one, NULL, 0) == one && waitpid(two, NULL, 0) == two ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "relay") == 0)
        return with_relays(argv[2]);
    if (argc == 3 && strcmp(argv[1], "pair") == 0) {
        int pair[2];
        make_pair(pair, 0);
        join(argv[2], pair[0], pair[1]);
        return 0;
    }
    fprintf(stderr, "usage: usbwire pair|relay BUSID\n"
                    "BUSID is bound to usbip-host; relay stays until an end "
                    "is gone.\n");
    return 2;
}
