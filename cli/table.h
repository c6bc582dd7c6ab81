/* Columns for people, as wide as what is in them. */
#ifndef PKGSYNC_TABLE_H
#define PKGSYNC_TABLE_H

#include "cli.h"

#define TABLE_COLUMNS_MAX 8

/* Set heads and columns, zero the rest.  Cells live in the cli's arena. */
struct table {
    const char *const *heads;
    size_t columns;
    const char **cells; /* in the arena */
    size_t rows;
    size_t room; /* in rows */
};

/* A row; control bytes are made harmless, NULL is an empty cell. */
void table_add(struct cli *cli, struct table *table, const char *const *cells);

/* On standard output.  The last column is not padded. */
void table_print(const struct table *table);

#endif
