/*
 * What the parts of requirement.h's implementation share.
 *
 *   requirement_scan   the tokens of PEP 508, each at the cursor
 *   requirement        name, extras, specifiers, URL; the printed form
 *   marker             the expression's tree
 *   marker_literal     quoted strings: what Python makes of them, and back
 *   marker_string      the printed form
 *   marker_eval        whether it holds
 *
 * The text is valid UTF-8 from ps_cursor_init() on.
 */
#ifndef PKGSYNC_REQUIREMENT_PRIVATE_H
#define PKGSYNC_REQUIREMENT_PRIVATE_H

#include "pkgsync/buf.h"
#include "pkgsync/requirement.h"

/* Parentheses within parentheses: the tree is walked by recursion. */
#define PS_MARKER_DEPTH_MAX 500

/* ---- requirement_scan.c ----------------------------------------------- */

struct ps_cursor {
    const char *what; /* "requirement", "marker" */
    struct ps_str text;
    size_t pos;
    struct ps_error *err;
};

PS_MUST_USE int ps_cursor_init(struct ps_cursor *s, const char *what,
                               struct ps_str text, struct ps_error *err);

/* PS_EINVALID: the text, the column of `at`, and what was expected. */
int ps_cursor_fail(const struct ps_cursor *s, size_t at, const char *fmt, ...)
    PS_PRINTF(3, 4);

/* '?' for every control byte in the error: it ends on a terminal. */
int ps_cursor_clean_error(const struct ps_cursor *s);

/* Counted in characters, from 1. */
size_t ps_cursor_column(const struct ps_cursor *s, size_t at);

bool ps_cursor_at_end(const struct ps_cursor *s);
bool ps_cursor_sees(const struct ps_cursor *s, char c);
void ps_cursor_blanks(struct ps_cursor *s); /* blanks and tabs */
bool ps_cursor_char(struct ps_cursor *s, char c);
bool ps_cursor_text(struct ps_cursor *s, const char *z);

/* As ps_cursor_text(), if no letter, digit or '_' touches it on either side. */
bool ps_cursor_word(struct ps_cursor *s, const char *word);

/* A name of a distribution or extra; false: there is none. */
bool ps_cursor_identifier(struct ps_cursor *s, struct ps_str *out);

/* One version specifier without what follows; false: there is none. */
bool ps_cursor_specifier(struct ps_cursor *s, struct ps_str *out);

/* Up to the next blank or tab; may be empty. */
struct ps_str ps_cursor_until_blank(struct ps_cursor *s);

/* ---- marker*.c ---------------------------------------------------------- */

enum ps_marker_op {
    PS_MARKER_LT,
    PS_MARKER_LE,
    PS_MARKER_EQ,
    PS_MARKER_NE,
    PS_MARKER_GE,
    PS_MARKER_GT,
    PS_MARKER_COMPATIBLE,
    PS_MARKER_ARBITRARY,
    PS_MARKER_IN,
    PS_MARKER_NOT_IN,
};
const char *ps_marker_op_text(enum ps_marker_op op);

struct ps_marker_operand {
    bool is_variable;
    struct ps_str value; /* the variable's name, or the string */
};

struct ps_marker_node {
    const struct ps_marker *marker;
    bool is_or; /* joined to the one before by `or`; else by `and` */
};

struct ps_marker {
    /* A comparison, when there are no nodes. */
    struct ps_marker_operand left;
    enum ps_marker_op op;
    struct ps_marker_operand right;
    /* An expression of two or more, in the order written. */
    const struct ps_marker_node *nodes;
    size_t count;
};

/* An expression, from the cursor to what is no part of it. */
PS_MUST_USE int ps_marker_scan(struct ps_arena *arena, struct ps_cursor *s,
                               const struct ps_marker **out);

/* The string of a literal's inside, written between `quote` characters;
 * `at` is where it begins, for errors. */
PS_MUST_USE int ps_marker_unquote(struct ps_arena *arena,
                                  const struct ps_cursor *s, size_t at,
                                  struct ps_str inside, struct ps_str *out);
void ps_marker_quote(struct ps_buf *out, struct ps_str value);

void ps_marker_write(struct ps_buf *out, const struct ps_marker *m);

#endif
