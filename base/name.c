/* Names of distributions and extras (PEP 503, PEP 508). */
#include "pkgsync/name.h"

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_separator(char c)
{
    return c == '-' || c == '_' || c == '.';
}

/* The next character of the normal form; -1 at the end. */
static int next(struct ps_str *rest)
{
    char c = '\0';

    if (rest->len == 0)
        return -1;
    c = rest->data[0];
    if (!is_separator(c)) {
        *rest = ps_str_skip(*rest, 1);
        return (unsigned char)ps_ascii_lower(c);
    }
    while (rest->len > 0 && is_separator(rest->data[0]))
        *rest = ps_str_skip(*rest, 1);
    return '-';
}

char *ps_normalize_name(struct ps_arena *arena, struct ps_str name)
{
    char *out = ps_arena_alloc(arena, name.len + 1, 1);
    char *end = out;
    int c = next(&name);

    while (c >= 0) {
        *end++ = (char)c;
        c = next(&name);
    }
    return out;
}

bool ps_name_equal(struct ps_str a, struct ps_str b)
{
    int x = 0;
    int y = 0;

    while (x == y && x >= 0) {
        x = next(&a);
        y = next(&b);
    }
    return x == y;
}

bool ps_name_is_valid(struct ps_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_lower_or_digit(ps_ascii_lower(name.data[i])) &&
            !is_separator(name.data[i]))
            return false;
    return name.len > 0 && !is_separator(name.data[0]) &&
           !is_separator(name.data[name.len - 1]);
}

bool ps_name_is_normal(struct ps_str name)
{
    if (!ps_name_is_valid(name))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_lower_or_digit(name.data[i]) &&
            (name.data[i] != '-' || name.data[i - 1] == '-'))
            return false;
    return true;
}
