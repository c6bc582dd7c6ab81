#include "table.h"

#include <stdio.h>
#include <string.h>

#include "pkgsync/util.h"

#define WIDTH_MAX 60

void table_add(struct cli *cli, struct table *t, const char *const *cells)
{
    if (t->rows == t->room) {
        size_t room = PS_MAX(t->room * 2, (size_t)64);
        const char **grown =
            ps_arena_alloc(&cli->arena, room * t->columns, sizeof(*grown));

        if (t->rows > 0)
            memcpy(grown, t->cells, t->rows * t->columns * sizeof(*grown));
        t->cells = grown;
        t->room = room;
    }
    for (size_t i = 0; i < t->columns; i++)
        t->cells[t->rows * t->columns + i] =
            cli_clean(cli, cells[i] ? cells[i] : "");
    t->rows++;
}

/* Characters, not bytes: each that is no continuation of UTF-8. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (const char *p = text; *p; p++)
        width += ((unsigned char)*p & 0xc0) != 0x80;
    return width;
}

static void print_row(const struct table *t, const char *const *cells,
                      const size_t *widths)
{
    for (size_t i = 0; i < t->columns; i++) {
        size_t width = width_of(cells[i]);

        (void)fputs(cells[i], stdout);
        if (i + 1 < t->columns)
            (void)printf("%*s",
                         (int)(widths[i] > width ? widths[i] - width : 0) + 2,
                         "");
    }
    (void)putchar('\n');
}

void table_print(const struct table *t)
{
    size_t widths[TABLE_COLUMNS_MAX] = { 0 };

    for (size_t i = 0; i < t->columns; i++) {
        widths[i] = width_of(t->heads[i]);
        for (size_t r = 0; r < t->rows; r++) {
            size_t width = width_of(t->cells[r * t->columns + i]);

            /* One cell that is huge does not push all others aside. */
            if (width <= WIDTH_MAX)
                widths[i] = PS_MAX(widths[i], width);
        }
    }
    print_row(t, t->heads, widths);
    for (size_t r = 0; r < t->rows; r++)
        print_row(t, &t->cells[r * t->columns], widths);
}
