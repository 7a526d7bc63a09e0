/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Used and total memory. pure. See qdb_meminfo.h. */
#include "qubesdb/qdb_meminfo.h"

#include <string.h>

#include "lib/err.h"
#include "lib/parse.h"

/* The number of a line "NAME:   123 kB". @return true when it is that line */
static bool line_value(struct text line, const char *name, uint64_t *ret)
{
    size_t len = strlen(name);

    if (line.len <= len || memcmp(line.p, name, len) != 0)
        return false;
    line.p += len;
    line.len -= len;
    while (line.len > 0 && *line.p == ' ') {
        line.p++;
        line.len--;
    }
    if (line.len < 4 || memcmp(line.p + line.len - 3, " kB", 3) != 0)
        return false;
    line.len -= 3;
    return parse_u64(line, 0, UINT64_MAX / 32, ret) == 0;
}

int qdb_meminfo_parse(const char *text, size_t len, struct qdb_meminfo *ret)
{
    struct text rest = {.p = text, .len = len}, line;
    uint64_t total = 0, avail = 0;
    bool have_total = false, have_avail = false;

    while (parse_split(&rest, '\n', &line)) {
        have_total |= line_value(line, "MemTotal:", &total);
        have_avail |= line_value(line, "MemAvailable:", &avail);
    }
    if (!have_total || !have_avail || avail > total)
        return -EBADMSG;
    *ret = (struct qdb_meminfo){.used_kib = total - avail, .total_kib = total};
    return 0;
}

bool qdb_meminfo_differs(const struct qdb_meminfo *last,
                         const struct qdb_meminfo *now)
{
    uint64_t a = last->used_kib, b = now->used_kib;

    return last->total_kib != now->total_kib ||
           (a > b ? a - b : b - a) * 20 > a;
}
