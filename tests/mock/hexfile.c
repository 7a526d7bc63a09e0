/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of hexadecimal bytes. effect; see hexfile.h. */
#include "tests/mock/hexfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t add_bytes(const char *line, uint8_t *raw, size_t at, size_t cap)
{
    const char *p = line;

    for (;;) {
        while (isspace((unsigned char)*p))
            p++;
        if (*p == '\0' || *p == '#')
            return at;
        char pair[3] = {p[0], p[1], 0};
        char *end;
        unsigned long v = strtoul(pair, &end, 16);
        if (end != pair + 2 || at == cap)
            fail_msg("bad bytes: %s", line);
        raw[at++] = (uint8_t)v;
        p += 2;
    }
}

size_t hexfile_read(const char *path, uint8_t *raw, size_t cap, char *text,
                    size_t text_cap)
{
    FILE *f = fopen(path, "re");
    char line[512];
    size_t n = 0, used = 0;

    if (!f)
        fail_msg("cannot open %s", path);
    while (fgets(line, sizeof(line), f)) {
        if (strncmp(line, "> ", 2) != 0) {
            n = add_bytes(line, raw, n, cap);
            continue;
        }
        size_t len = strlen(line + 2);
        if (!text)
            continue;
        assert_true(used + len < text_cap);
        memcpy(text + used, line + 2, len);
        used += len;
    }
    if (text)
        text[used] = '\0';
    fclose(f);
    return n;
}

size_t rawfile_read(const char *path, uint8_t *raw, size_t cap)
{
    FILE *f = fopen(path, "re");

    if (!f)
        return 0;
    size_t n = fread(raw, 1, cap, f);
    if (fgetc(f) != EOF)
        fail_msg("%s is too long", path);
    fclose(f);
    return n;
}
