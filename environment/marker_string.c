/*
 * Markers as text.
 *
 * A quoted string means what Python's literal of the same text means, escapes
 * included.  It is written as packaging writes it, that is, as it is; only
 * where that would be read as another string, or not at all (a backslash
 * before a letter of meaning, line ends, both kinds of quotes), is an escape
 * put in.
 */
#include <string.h>

#include "requirement_private.h"

#include "pkgsync/util.h"

/* ---- reading ----------------------------------------------------------------
 */

struct unquote {
    const struct ps_cursor *s;
    size_t at; /* where the inside begins in the text */
    struct ps_str inside;
    size_t i; /* in the inside */
    char *out;
    size_t len;
};

/* As UTF-8: never longer than the escape that named it, but for \ooo and \xhh
 * from U+0080 on, which are no shorter than two bytes either. */
static void put_code_point(struct unquote *u, uint32_t c)
{
    if (c < 0x80) {
        u->out[u->len++] = (char)c;
    } else if (c < 0x800) {
        u->out[u->len++] = (char)(0xc0 | (c >> 6));
        u->out[u->len++] = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        u->out[u->len++] = (char)(0xe0 | (c >> 12));
        u->out[u->len++] = (char)(0x80 | ((c >> 6) & 0x3f));
        u->out[u->len++] = (char)(0x80 | (c & 0x3f));
    } else {
        u->out[u->len++] = (char)(0xf0 | (c >> 18));
        u->out[u->len++] = (char)(0x80 | ((c >> 12) & 0x3f));
        u->out[u->len++] = (char)(0x80 | ((c >> 6) & 0x3f));
        u->out[u->len++] = (char)(0x80 | (c & 0x3f));
    }
}

/* `begin` is where the backslash stands. */
static int read_hex(struct unquote *u, size_t begin, size_t digits)
{
    uint32_t value = 0;

    for (size_t n = 0; n < digits; n++) {
        int d = u->i < u->inside.len ? ps_hex_digit(u->inside.data[u->i]) : -1;

        if (d < 0)
            return ps_cursor_fail(u->s, u->at + begin,
                                  "expected %zu hexadecimal digits in this "
                                  "escape",
                                  digits);
        value = (value << 4) | (uint32_t)d;
        u->i++;
    }
    if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return ps_cursor_fail(u->s, u->at + begin,
                              "expected the number of a character in this "
                              "escape");
    put_code_point(u, value);
    return PS_OK;
}

static void read_octal(struct unquote *u)
{
    uint32_t value = 0;

    for (int n = 0; n < 3 && u->i < u->inside.len; n++, u->i++) {
        char c = u->inside.data[u->i];

        if (c < '0' || c > '7')
            break;
        value = value * 8 + (uint32_t)(c - '0');
    }
    put_code_point(u, value);
}

/* What stands for one character, and for which; 0 ends the list. */
static const char simple_escapes[][2] = {
    { '\\', '\\' }, { '\'', '\'' }, { '"', '"' },  { 'a', '\a' },
    { 'b', '\b' },  { 'f', '\f' },  { 'n', '\n' }, { 'r', '\r' },
    { 't', '\t' },  { 'v', '\v' },  { 0, 0 },
};

static char simple_escape(char c)
{
    size_t i = 0;

    while (simple_escapes[i][0] && simple_escapes[i][0] != c)
        i++;
    return simple_escapes[i][1];
}

/* The cursor stands on a backslash. */
static int read_escape(struct unquote *u)
{
    size_t begin = u->i++;
    char c = '\0';

    if (u->i == u->inside.len)
        return ps_cursor_fail(u->s, u->at + begin,
                              "expected a character after the backslash");
    c = u->inside.data[u->i];
    if (simple_escape(c)) {
        u->out[u->len++] = simple_escape(c);
        u->i++;
        return PS_OK;
    }
    if (c >= '0' && c <= '7') {
        read_octal(u);
        return PS_OK;
    }
    if (c == '\n' || c == '\r') { /* a line that goes on */
        u->i++;
        if (c == '\r' && u->i < u->inside.len && u->inside.data[u->i] == '\n')
            u->i++;
        return PS_OK;
    }
    if (c == 'x' || c == 'u' || c == 'U') {
        u->i++;
        return read_hex(u, begin, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    }
    if (c == 'N')
        return ps_cursor_fail(u->s, u->at + begin,
                              "expected no character by name: write it, or "
                              "its number as \\u....");
    u->out[u->len++] = '\\'; /* Python keeps what means nothing */
    return PS_OK;
}

int ps_marker_unquote(struct ps_arena *arena, const struct ps_cursor *s,
                      size_t at, struct ps_str inside, struct ps_str *out)
{
    struct unquote u = { .s = s, .at = at, .inside = inside };

    u.out = ps_arena_alloc(arena, inside.len + 1, 1);
    while (u.i < inside.len) {
        char c = inside.data[u.i];

        if (c == '\\') {
            if (read_escape(&u) < 0)
                return s->err->code;
            continue;
        }
        if (c == '\n' || c == '\r' || c == '\0')
            return ps_cursor_fail(s, at + u.i,
                                  "expected no line end or NUL in a string");
        u.out[u.len++] = c;
        u.i++;
    }
    *out = (struct ps_str){ .data = u.out, .len = u.len };
    return PS_OK;
}

/* ---- writing ----------------------------------------------------------------
 */

/* Whether a backslash before `next` would be read as an escape. */
static bool would_escape(char next)
{
    return simple_escape(next) != 0 || (next >= '0' && next <= '7') ||
           strchr("\n\rxuUN", next) != NULL; /* NUL counts: it is escaped */
}

void ps_marker_quote(struct ps_buf *out, struct ps_str value)
{
    bool has_double = value.len > 0 && memchr(value.data, '"', value.len);
    bool has_single = value.len > 0 && memchr(value.data, '\'', value.len);
    char quote = has_double && !has_single ? '\'' : '"';

    ps_buf_addc(out, quote);
    for (size_t i = 0; i < value.len; i++) {
        char c = value.data[i];

        if (c == quote)
            ps_buf_adds(out, "\\x22");
        else if (c == '\n')
            ps_buf_adds(out, "\\n");
        else if (c == '\r')
            ps_buf_adds(out, "\\r");
        else if (c == '\0')
            ps_buf_adds(out, "\\x00");
        else if (c == '\\' &&
                 (i + 1 == value.len || would_escape(value.data[i + 1])))
            ps_buf_adds(out, "\\\\");
        else
            ps_buf_addc(out, c);
    }
    ps_buf_addc(out, quote);
}

static void write_operand(struct ps_buf *out, const struct ps_marker_operand *o)
{
    if (o->is_variable)
        ps_buf_add(out, o->value.data, o->value.len);
    else
        ps_marker_quote(out, o->value);
}

static void write_marker(struct ps_buf *out, const struct ps_marker *m,
                         bool inner)
{
    if (m->count == 0) {
        write_operand(out, &m->left);
        ps_buf_addc(out, ' ');
        ps_buf_adds(out, ps_marker_op_text(m->op));
        ps_buf_addc(out, ' ');
        write_operand(out, &m->right);
        return;
    }
    ps_buf_adds(out, inner ? "(" : "");
    for (size_t i = 0; i < m->count; i++) {
        if (i > 0)
            ps_buf_adds(out, m->nodes[i].is_or ? " or " : " and ");
        write_marker(out, m->nodes[i].marker, true);
    }
    ps_buf_adds(out, inner ? ")" : "");
}

void ps_marker_write(struct ps_buf *out, const struct ps_marker *m)
{
    write_marker(out, m, false);
}

char *ps_marker_string(struct ps_arena *arena, const struct ps_marker *m)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(SIZE_MAX / 4);

    ps_marker_write(&b, m);
    return ps_arena_dup(arena, ps_buf_str(&b));
}
