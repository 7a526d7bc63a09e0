/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usbreset NODE: reset the device of a usbfs node, as a driver that lost it
 * would. Test tool of the USB guest. */
#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

int main(int argc, char **argv)
{
    int fd = argc == 2 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;

    if (fd >= 0 && ioctl(fd, USBDEVFS_RESET, 0) == 0)
        return 0;
    fprintf(stderr, "usbreset: %s\n", strerror(errno));
    return 1;
}
