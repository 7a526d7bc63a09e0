/* SPDX-License-Identifier: GPL-2.0-or-later */
/* testusb: run tests of the kernel's usbtest driver on one device. glue, a
 * test tool that runs in the USB guest; fed by the test script (trusted).
 * The driver does the transfers and the checks; this asks for them, through
 * usbfs, and prints one line a test. Numbers and fields of the request: the
 * kernel's drivers/usb/misc/usbtest.c and its testusb tool's manual. */
#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The request as a 64-bit kernel takes it. */
struct usbtest_request {
    uint32_t test;
    uint32_t iterations;
    uint32_t length;
    uint32_t vary;
    uint32_t sglen;
    int64_t took_s;
    int64_t took_us;
};
#define USBTEST_REQUEST _IOWR('U', 100, struct usbtest_request)

static int usage(void)
{
    fprintf(stderr, "usage: testusb NODE INTERFACE TEST ITERATIONS LENGTH "
                    "VARY SGLEN\n"
                    "Prints `TEST ok MICROSECONDS`, `TEST none` (the device "
                    "has no such endpoint) or `TEST failed ERROR`.\n");
    return 2;
}

int main(int argc, char **argv)
{
    if (argc != 8)
        return usage();
    unsigned long n[6];
    for (int i = 0; i < 6; i++)
        n[i] = strtoul(argv[2 + i], NULL, 10);
    struct usbtest_request request = {
        .test = (uint32_t)n[1],
        .iterations = (uint32_t)n[2],
        .length = (uint32_t)n[3],
        .vary = (uint32_t)n[4],
        .sglen = (uint32_t)n[5],
    };
    struct usbdevfs_ioctl wrap = {
        .ifno = (int)n[0],
        .ioctl_code = (int)USBTEST_REQUEST,
        .data = &request,
    };
    int fd = open(argv[1], O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        perror(argv[1]);
        return 2;
    }
    int r = ioctl(fd, USBDEVFS_IOCTL, &wrap);
    int error = errno;
    close(fd);
    if (r >= 0) {
        printf("%lu ok %lld\n", n[1],
               (long long)(request.took_s * 1000000 + request.took_us));
        return 0;
    }
    if (error == EOPNOTSUPP) {
        printf("%lu none\n", n[1]);
        return 0;
    }
    printf("%lu failed %s\n", n[1], strerror(error));
    return 1;
}
