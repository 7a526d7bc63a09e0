/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: the service table and the console line cutter. The first
 * byte chooses the platform. glue of libFuzzer. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "init/svc_log.h"
#include "init/svc_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_line(const char *line, size_t len, void *arg)
{
    (void)arg;
    assert(len > 0 && len <= SVC_LOG_OUT_MAX && line[len - 1] == '\n');
    for (size_t i = 0; i + 1 < len; i++)
        assert(line[i] >= 0x20 && line[i] <= 0x7e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct svc_table t;
    struct svc_log log = {.len = 0};
    const char *why = NULL;
    unsigned line = 0;

    if (size == 0)
        return 0;
    if (svc_table_parse((const char *)data + 1, size - 1,
                        (data[0] & 1) != 0 ? SVC_XEN : SVC_NETNS, &t, &line,
                        &why) == 0) {
        assert(t.n >= 1 && t.n <= SVC_MAX);
        for (unsigned i = 0; i < t.n; i++) {
            assert(t.e[i].name[0] != '\0');
            assert(svc_table_arg(&t.e[i], 0)[0] == '/');
        }
    } else {
        assert(why != NULL);
    }
    svc_log_feed(&log, "x", (const char *)data, size, one_line, NULL);
    svc_log_flush(&log, "x", one_line, NULL);
    return 0;
}
