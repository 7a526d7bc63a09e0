/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A person at a qube's console. effect. The qube's bytes go to the terminal
 * as they are, as on any console: the administrator asked for them. */
#include "dom0/cli_console.h"

#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/io.h"

#define CONSOLE_LEAVE 0x1d /* Ctrl-] */
#define CONSOLE_TIMEOUT_MS 5000

/* @return 1 go on; 0 leave; -errno */
static int from_person(int fd, bool tty)
{
    char buf[1024];
    ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

    if (n < 0)
        return errno == EINTR ? 1 : err_last();
    if (n == 0)
        return 0;
    char *leave = tty ? memchr(buf, CONSOLE_LEAVE, (size_t)n) : NULL;
    size_t len = leave ? (size_t)(leave - buf) : (size_t)n;
    int r = io_write_all(fd, buf, len, CONSOLE_TIMEOUT_MS);
    if (r < 0)
        return r;
    return leave ? 0 : 1;
}

static int from_qube(int fd)
{
    char buf[4096];
    ssize_t n = read(fd, buf, sizeof(buf));

    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 1 : err_last();
    if (n == 0)
        return 0;
    int r = io_write_all(STDOUT_FILENO, buf, (size_t)n, CONSOLE_TIMEOUT_MS);
    return r < 0 ? r : 1;
}

static int pump(int fd, bool tty)
{
    struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                          {.fd = fd, .events = POLLIN}};
    int r = 1;

    while (r > 0) {
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return err_last();
        if (p[1].revents)
            r = from_qube(fd);
        if (r > 0 && p[0].revents)
            r = from_person(fd, tty);
    }
    return r;
}

int cli_console(int fd)
{
    struct termios old, raw;
    bool tty = tcgetattr(STDIN_FILENO, &old) == 0;

    if (isatty(fd)) { /* Xen: the console is a pty of dom0 */
        struct termios t;
        if (tcgetattr(fd, &t) == 0) {
            cfmakeraw(&t);
            tcsetattr(fd, TCSANOW, &t);
        }
    }
    if (tty) {
        raw = old;
        cfmakeraw(&raw);
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    }
    int r = pump(fd, tty);
    if (tty)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &old);
    return r;
}
