/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An aligned text table. See cli_table.h. */
#include "dom0/cli_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

typedef char cell[CLI_CELL_MAX];

struct cli_table {
    const char *const *heads;
    size_t cols;
    cell *cells; /* rows x cols */
    size_t rows;
};

struct cli_table *cli_table_new(const char *const *heads, size_t n)
{
    struct cli_table *t = n <= CLI_COLUMNS_MAX ? calloc(1, sizeof(*t)) : NULL;

    if (t) {
        t->heads = heads;
        t->cols = n;
    }
    return t;
}

int cli_table_row(struct cli_table *t, const char *const *cells)
{
    cell *more = reallocarray(t->cells, (t->rows + 1) * t->cols, sizeof(cell));

    if (!more)
        return -ENOMEM;
    t->cells = more;
    for (size_t i = 0; i < t->cols; i++) {
        const char *s = cells[i] && cells[i][0] ? cells[i] : "-";
        log_clean(t->cells[t->rows * t->cols + i], CLI_CELL_MAX, s, strlen(s));
    }
    t->rows++;
    return 0;
}

void cli_table_print(const struct cli_table *t, FILE *out)
{
    for (size_t row = 0; row <= t->rows; row++) {
        for (size_t i = 0; i < t->cols; i++) {
            size_t width = strlen(t->heads[i]);
            for (size_t k = 0; k < t->rows; k++) {
                size_t len = strlen(t->cells[k * t->cols + i]);
                width = len > width ? len : width;
            }
            const char *s =
                row ? t->cells[(row - 1) * t->cols + i] : t->heads[i];
            if (i + 1 < t->cols)
                fprintf(out, "%-*s  ", (int)width, s);
            else
                fprintf(out, "%s\n", s);
        }
    }
}

void cli_table_free(struct cli_table *t)
{
    if (!t)
        return;
    free(t->cells);
    free(t);
}
