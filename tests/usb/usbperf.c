/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usbperf: time transfers of one endpoint through usbfs. glue, a test tool
 * that runs in the USB guest; fed by the test script (trusted) and by a
 * device of the test. Prints microseconds, no opinion:
 *   one    requests one after the other: `p50 P99 total`
 *   queue  DEPTH requests in flight: `total failed` (iso: failed packets)
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX 100000u
#define DEPTH_MAX 64u
#define PACKETS_MAX 128u
#define SIZE_MAX_BYTES (1u << 20)

struct job {
    int fd;
    unsigned ep, size, count, depth;
    unsigned packets; /* 0: bulk or interrupt */
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct usbdevfs_urb *new_urb(const struct job *j)
{
    size_t desc = j->packets * sizeof(struct usbdevfs_iso_packet_desc);
    struct usbdevfs_urb *urb = calloc(1, sizeof(*urb) + desc);
    unsigned bytes = j->packets ? j->packets * j->size : j->size;

    if (!urb)
        die("memory");
    urb->type = j->packets ? USBDEVFS_URB_TYPE_ISO : USBDEVFS_URB_TYPE_BULK;
    urb->flags = j->packets ? USBDEVFS_URB_ISO_ASAP : 0;
    urb->endpoint = (unsigned char)j->ep;
    urb->buffer = calloc(1, bytes);
    urb->buffer_length = (int)bytes;
    urb->number_of_packets = (int)j->packets;
    if (!urb->buffer)
        die("memory");
    for (unsigned i = 0; i < j->packets; i++)
        urb->iso_frame_desc[i].length = j->size;
    return urb;
}

static void submit(const struct job *j, struct usbdevfs_urb *urb)
{
    if (ioctl(j->fd, USBDEVFS_SUBMITURB, urb) != 0)
        die("submit");
}

static struct usbdevfs_urb *reap(const struct job *j)
{
    void *urb = NULL;

    if (ioctl(j->fd, USBDEVFS_REAPURB, &urb) != 0)
        die("reap");
    return urb;
}

static unsigned failures(const struct usbdevfs_urb *urb)
{
    unsigned n = urb->status != 0;

    for (int i = 0; i < urb->number_of_packets; i++)
        n += urb->iso_frame_desc[i].status != 0;
    return n;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static int one_by_one(const struct job *j)
{
    struct usbdevfs_urb *urb = new_urb(j);
    uint64_t *took = calloc(j->count, sizeof(*took)), total = 0;

    if (!took)
        die("memory");
    for (unsigned i = 0; i < j->count; i++) {
        uint64_t start = now_ns();
        submit(j, urb);
        if (failures(reap(j)) != 0) {
            fprintf(stderr, "usbperf: status %d\n", urb->status);
            return 1;
        }
        took[i] = now_ns() - start;
        total += took[i];
    }
    qsort(took, j->count, sizeof(*took), by_value);
    printf("%.1f %.1f %.0f\n", (double)took[j->count / 2] / 1e3,
           (double)took[j->count - 1 - j->count / 100] / 1e3,
           (double)total / 1e3);
    return 0;
}

static int queued(const struct job *j)
{
    unsigned sent = 0, failed = 0;
    uint64_t start = now_ns();

    for (; sent < j->depth && sent < j->count; sent++)
        submit(j, new_urb(j));
    for (unsigned done = 0; done < j->count; done++) {
        struct usbdevfs_urb *urb = reap(j);
        failed += failures(urb);
        if (sent < j->count) {
            submit(j, urb);
            sent++;
        }
    }
    printf("%.0f %u\n", (double)(now_ns() - start) / 1e3, failed);
    return 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: usbperf NODE INTERFACE ALT one|queue ENDPOINT "
                    "SIZE COUNT [DEPTH [PACKETS]]\n");
    return 2;
}

int main(int argc, char **argv)
{
    unsigned long n[10] = {0};
    struct job j = {.depth = 1};

    if (argc < 8 || argc > 10)
        return usage();
    for (int i = 2; i < argc; i++)
        n[i] = strtoul(argv[i], NULL, 0);
    j.ep = (unsigned)n[5];
    j.size = (unsigned)n[6];
    j.count = (unsigned)n[7];
    if (argc > 8)
        j.depth = (unsigned)n[8];
    j.packets = (unsigned)n[9];
    if (j.size > SIZE_MAX_BYTES || j.count == 0 || j.count > COUNT_MAX ||
        j.depth == 0 || j.depth > DEPTH_MAX || j.packets > PACKETS_MAX)
        return usage();
    j.fd = open(argv[1], O_RDWR | O_CLOEXEC);
    if (j.fd < 0)
        die(argv[1]);
    unsigned interface = (unsigned)n[2];
    struct usbdevfs_setinterface alt = {.interface = interface,
                                        .altsetting = (unsigned)n[3]};
    struct usbdevfs_disconnect_claim claim = {.interface = interface};
    if (ioctl(j.fd, USBDEVFS_DISCONNECT_CLAIM, &claim) != 0)
        die("claim");
    if (alt.altsetting != 0 && ioctl(j.fd, USBDEVFS_SETINTERFACE, &alt) != 0)
        die("set interface");
    return strcmp(argv[4], "one") == 0 ? one_by_one(&j) : queued(&j);
}
