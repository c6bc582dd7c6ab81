#include "pkgsync/requirement.h"

#include <stdlib.h>
#include <string.h>

#include "requirement_private.h"

#include "pkgsync/util.h"

static int compare_names(const void *a, const void *b)
{
    const struct ps_str *x = a;
    const struct ps_str *y = b;
    size_t n = PS_MIN(x->len, y->len);
    int order = n > 0 ? memcmp(x->data, y->data, n) : 0;

    return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* Sorted, each once. */
static void settle_extras(struct ps_requirement *r, struct ps_str *extras,
                          size_t count)
{
    size_t kept = 0;

    if (count > 0)
        qsort(extras, count, sizeof(*extras), compare_names);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !ps_str_equal(extras[kept - 1], extras[i]))
            extras[kept++] = extras[i];
    }
    r->extras = extras;
    r->extra_count = kept;
}

/* How many there can be at most: one more than the commas in the brackets. */
static size_t extras_limit(const struct ps_cursor *s)
{
    size_t n = 1;

    for (size_t i = s->pos; i < s->text.len && s->text.data[i] != ']'; i++)
        n += s->text.data[i] == ',';
    return n;
}

/* What stands between the brackets; the cursor is behind the first. */
static int scan_extras(struct ps_arena *arena, struct ps_cursor *s,
                       struct ps_requirement *r)
{
    struct ps_str *extras =
        ps_arena_alloc(arena, extras_limit(s), sizeof(*extras));
    struct ps_str next = { 0 };
    size_t open = s->pos - 1;
    size_t count = 0;

    ps_cursor_blanks(s);
    if (ps_cursor_identifier(s, &extras[0])) {
        count = 1;
        ps_cursor_blanks(s);
        while (ps_cursor_char(s, ',')) {
            ps_cursor_blanks(s);
            if (!ps_cursor_identifier(s, &extras[count]))
                return ps_cursor_fail(
                    s, s->pos, "expected the name of an extra after ','");
            count++;
            ps_cursor_blanks(s);
        }
        if (ps_cursor_identifier(s, &next))
            return ps_cursor_fail(s, s->pos - next.len,
                                  "expected a comma between the extras");
    }
    if (!ps_cursor_char(s, ']'))
        return ps_cursor_fail(s, s->pos,
                              "expected ']' for the '[' of column %zu, after "
                              "the extras",
                              ps_cursor_column(s, open));
    settle_extras(r, extras, count);
    return PS_OK;
}

/* What may not stand behind a specifier that has been read. */
static int check_trail(const struct ps_cursor *s, struct ps_str specifier)
{
    struct ps_str rest = ps_str_skip(s->text, s->pos);
    bool equality =
        ps_str_starts(specifier, "!=") ||
        (ps_str_starts(specifier, "==") && !ps_str_starts(specifier, "==="));

    if (ps_str_starts(rest, ".*"))
        return ps_cursor_fail(
            s, s->pos, "%s",
            equality ? "expected no '.*' after a pre-, post-, dev- or local "
                       "version"
                     : "expected no '.*': only == and != take it");
    if (ps_str_starts(rest, "+"))
        return ps_cursor_fail(
            s, s->pos, "%s",
            equality ? "expected a local label after '+'"
                     : "expected no local label: only == and != take it");
    return PS_OK;
}

/* Comma-separated; what they span goes to *out.  A comma at the end is
 * forgiven, as packaging does. */
static int scan_specifiers(struct ps_cursor *s, struct ps_str *out)
{
    size_t begin = s->pos;
    size_t end = s->pos;
    struct ps_str one = { 0 };

    while (ps_cursor_specifier(s, &one)) {
        if (check_trail(s, one) < 0)
            return s->err->code;
        end = s->pos;
        ps_cursor_blanks(s);
        if (!ps_cursor_char(s, ','))
            break;
        ps_cursor_blanks(s);
    }
    *out = ps_str_first(ps_str_skip(s->text, begin), end - begin);
    return PS_OK;
}

/* "expected ...": the reason why text that begins with an operator is no
 * specifier is worth more than what else might have stood there. */
static int fail_after_specifiers(const struct ps_cursor *s, bool any)
{
    struct ps_str rest = ps_str_skip(s->text, s->pos);

    if (ps_str_starts(rest, "~="))
        return ps_cursor_fail(s, s->pos,
                              "expected a version of two or more parts after "
                              "'~=', as in '~=1.0'");
    if (ps_str_starts(rest, "==") || ps_str_starts(rest, "!=") ||
        ps_str_starts(rest, "<") || ps_str_starts(rest, ">"))
        return ps_cursor_fail(s, s->pos,
                              "expected a version after the operator");
    if (ps_str_starts(rest, "="))
        return ps_cursor_fail(s, s->pos, "expected '==' instead of '='");
    return ps_cursor_fail(
        s, s->pos, "%s",
        any ? "expected a comma, a ';' or the end after the "
              "version specifiers"
            : "expected a version specifier, '@', '[', ';' or "
              "the end after the name");
}

static int scan_marker(struct ps_arena *arena, struct ps_cursor *s,
                       struct ps_requirement *r)
{
    if (ps_marker_scan(arena, s, &r->marker) < 0)
        return s->err->code;
    if (!ps_cursor_at_end(s))
        return ps_cursor_fail(s, s->pos,
                              "expected 'and', 'or' or the end after the "
                              "marker");
    return PS_OK;
}

static int scan_url(struct ps_arena *arena, struct ps_cursor *s,
                    struct ps_requirement *r)
{
    size_t begin = 0;
    size_t blank = 0;

    ps_cursor_blanks(s);
    begin = s->pos;
    r->url = ps_cursor_until_blank(s);
    if (r->url.len == 0)
        return ps_cursor_fail(s, begin, "expected a URL after '@'");
    for (size_t i = 0; i < r->url.len; i++) {
        unsigned char c = (unsigned char)r->url.data[i];

        if (c < 0x20 || c == 0x7f)
            return ps_cursor_fail(s, begin + i,
                                  "expected no control character in the URL");
    }
    blank = s->pos;
    ps_cursor_blanks(s);
    if (ps_cursor_at_end(s))
        return PS_OK;
    if (!ps_cursor_char(s, ';'))
        return ps_cursor_fail(s, s->pos,
                              "expected ';' or the end after the URL, which "
                              "ends at column %zu",
                              ps_cursor_column(s, blank));
    return scan_marker(arena, s, r);
}

static int scan_versions(struct ps_arena *arena, struct ps_cursor *s,
                         struct ps_requirement *r)
{
    struct ps_str specifiers = { 0 };
    size_t begin = s->pos;
    bool paren = ps_cursor_char(s, '(');

    if (paren)
        ps_cursor_blanks(s);
    if (scan_specifiers(s, &specifiers) < 0)
        return s->err->code;
    ps_cursor_blanks(s);
    if (paren && !ps_cursor_char(s, ')')) {
        if (ps_cursor_at_end(s) || specifiers.len > 0)
            return ps_cursor_fail(s, s->pos,
                                  "expected ')' for the '(' of column %zu, "
                                  "after the version specifiers",
                                  ps_cursor_column(s, begin));
        return fail_after_specifiers(s, true);
    }
    ps_cursor_blanks(s);
    if (!ps_cursor_at_end(s) && !ps_cursor_sees(s, ';'))
        return fail_after_specifiers(s, specifiers.len > 0 || paren);
    if (ps_specifiers_parse(arena, specifiers, &r->specifiers, s->err) < 0) {
        (void)ps_context(s->err, "%s '%.*s'", s->what,
                         PS_STR_FMT(ps_str_first(s->text, 120)));
        return ps_cursor_clean_error(s);
    }
    return ps_cursor_char(s, ';') ? scan_marker(arena, s, r) : PS_OK;
}

int ps_requirement_parse(struct ps_arena *arena, struct ps_str text,
                         struct ps_requirement *out, struct ps_error *err)
{
    struct ps_requirement r = { 0 };
    struct ps_cursor s = { 0 };
    int rc = ps_cursor_init(&s, "requirement", text, err);

    if (rc < 0)
        return rc;
    ps_cursor_blanks(&s);
    if (!ps_cursor_identifier(&s, &r.name))
        return ps_cursor_fail(&s, s.pos,
                              "expected the name of a package, which begins "
                              "with a letter or digit");
    ps_cursor_blanks(&s);
    if (ps_cursor_char(&s, '[')) {
        rc = scan_extras(arena, &s, &r);
        if (rc < 0)
            return rc;
        ps_cursor_blanks(&s);
    }
    rc = ps_cursor_char(&s, '@') ? scan_url(arena, &s, &r)
                                 : scan_versions(arena, &s, &r);
    if (rc < 0)
        return rc;
    *out = r;
    return PS_OK;
}

char *ps_requirement_string(struct ps_arena *arena,
                            const struct ps_requirement *r)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(SIZE_MAX / 4);

    ps_buf_add(&b, r->name.data, r->name.len);
    for (size_t i = 0; i < r->extra_count; i++) {
        ps_buf_addc(&b, i == 0 ? '[' : ',');
        ps_buf_add(&b, r->extras[i].data, r->extras[i].len);
    }
    if (r->extra_count > 0)
        ps_buf_addc(&b, ']');
    if (r->specifiers.count > 0)
        ps_buf_adds(&b, ps_specifiers_string(arena, &r->specifiers));
    if (r->url.len > 0) {
        ps_buf_adds(&b, " @ ");
        ps_buf_add(&b, r->url.data, r->url.len);
        ps_buf_adds(&b, r->marker ? " " : "");
    }
    if (r->marker) {
        ps_buf_adds(&b, "; ");
        ps_marker_write(&b, r->marker);
    }
    return ps_arena_dup(arena, ps_buf_str(&b));
}
