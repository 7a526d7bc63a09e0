/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lab-hostile: what a qube that has gone bad may do to dom0's QubesDB side.
 * Takes qdbd's place on the vchan to dom0 and misbehaves in one of four
 * ways. effect (one vchan). Test tool of the lab only; the lab test puts it
 * into a qube. It knows the header's layout by itself (spec/qubesdb.md,
 * "QubesDB wire format"), so that it can break it. */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vchan/vchan.h"

#define CONNECT_LIMIT_MS 20000
#define PAUSE_MS 20
#define HDR_BYTES 72
#define CMD_WRITE 1
#define CMD_MULTIREAD 2
#define BLOCK_BYTES 4096

enum mode { GARBAGE, OVERSIZE, ENDLESS, SILENT, MODES };

static const char *const mode_names[MODES] = { "garbage", "oversize",
                                               "endless", "silent" };

static long long now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static struct vchan *connect_dom0(void)
{
    struct vchan_addr addr = { .body = VCHAN_XEN, .peer = 0,
                               .port = VCHAN_PORT_QUBESDB };
    long long end_ms = now_ms() + CONNECT_LIMIT_MS;
    struct vchan *v = NULL;

    while (vchan_client_new(&addr, &v) < 0 && now_ms() < end_ms)
        poll(NULL, 0, PAUSE_MS);
    return v;
}

/* Take and forget what dom0 sent. @return 0; negative: the vchan ended */
static int drain(struct vchan *v)
{
    uint8_t buf[BLOCK_BYTES];
    ssize_t n;

    do {
        n = vchan_read(v, buf, sizeof(buf));
    } while (n > 0);
    return n < 0 ? (int)n : 0;
}

/* @return bytes sent before the limit; the vchan may have ended earlier */
static size_t send_all(struct vchan *v, const uint8_t *data, size_t len,
                       long long end_ms, int *ret_error)
{
    size_t done = 0;

    while (done < len && now_ms() < end_ms) {
        ssize_t n = vchan_write(v, data + done, len - done);

        *ret_error = n < 0 ? (int)n : drain(v);
        if (*ret_error < 0)
            return done;
        done += (size_t)n;
        if (n == 0) {
            struct pollfd p = { .fd = vchan_fd(v), .events = POLLIN };

            poll(&p, 1, PAUSE_MS);
            (void)vchan_ready(v);
        }
    }
    return done;
}

static void put_header(uint8_t hdr[HDR_BYTES], uint8_t type,
                       const char *path, uint32_t len)
{
    memset(hdr, 0, HDR_BYTES);
    hdr[0] = type;
    snprintf((char *)hdr + 1, 64, "%s", path);
    memcpy(hdr + 68, &len, sizeof(len));
}

/* One more block of the mode's bytes; what it looks like never repeats. */
static size_t make_block(enum mode mode, unsigned long round,
                         uint8_t block[BLOCK_BYTES])
{
    char path[64];

    switch (mode) {
    case GARBAGE:
        for (size_t i = 0; i < BLOCK_BYTES; i++)
            block[i] = (uint8_t)random();
        return BLOCK_BYTES;
    case OVERSIZE:
        put_header(block, CMD_WRITE, "/sysqube-status/agent", UINT32_MAX);
        memset(block + HDR_BYTES, 'x', BLOCK_BYTES - HDR_BYTES);
        return BLOCK_BYTES;
    case ENDLESS:
        snprintf(path, sizeof(path), "/sysqube-status/vif/%lu.0", round);
        put_header(block, CMD_WRITE, path, 16);
        memset(block + HDR_BYTES, 'x', 16);
        return HDR_BYTES + 16;
    case SILENT:
    case MODES:
    default:
        return 0;
    }
}

static int mode_of(const char *name)
{
    for (int i = 0; i < MODES; i++)
        if (strcmp(name, mode_names[i]) == 0)
            return i;
    return -1;
}

int main(int argc, char **argv)
{
    uint8_t block[BLOCK_BYTES];
    int mode = argc == 3 ? mode_of(argv[1]) : -1;
    long seconds = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    size_t sent = 0;
    int error = 0;

    if (mode < 0 || seconds < 1 || seconds > 600) {
        fputs("usage: lab-hostile garbage|oversize|endless|silent SECONDS\n",
              stderr);
        return 2;
    }
    struct vchan *v = connect_dom0();
    if (!v) {
        puts("no vchan");
        return 1;
    }
    long long end_ms = now_ms() + seconds * 1000;
    if (mode == ENDLESS) {
        /* first what an honest replica says: give me everything */
        put_header(block, CMD_MULTIREAD, "/", 0);
        sent = send_all(v, block, HDR_BYTES, end_ms, &error);
    }
    for (unsigned long round = 0; error == 0 && now_ms() < end_ms; round++) {
        size_t len = make_block((enum mode)mode, round, block);

        sent += send_all(v, block, len, end_ms, &error);
        if (len == 0)
            poll(NULL, 0, PAUSE_MS);
    }
    printf("sent %zu %s\n", sent, error < 0 ? "cut-off" : "time-up");
    vchan_free(v);
    return 0;
}
