#include "s3_error.h"

#include <string.h>

#include "pkgsync/util.h"

struct field {
    const char *element;
    size_t offset;
    size_t size;
};

#define FIELD(name, member)                              \
    {                                                    \
        name, offsetof(struct ps_s3_error, member),      \
            sizeof(((struct ps_s3_error *)NULL)->member) \
    }

static const struct field fields[] = {
    FIELD("Code", code),
    FIELD("Message", message),
    FIELD("RequestTime", request_time),
    FIELD("ServerTime", server_time),
    FIELD("Region", region),
    FIELD("Endpoint", endpoint),
};

static const struct {
    const char *name;
    char value;
} entities[] = {
    { "&lt;", '<' },   { "&gt;", '>' },    { "&amp;", '&' },
    { "&quot;", '"' }, { "&apos;", '\'' },
};

/* "&#34;": printable ASCII in decimal, which is what servers write. */
static char numeric_entity(struct ps_str text, size_t *len)
{
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_str digits;
    uint64_t value = 0;

    if (!ps_str_starts(text, "&#"))
        return 0;
    text = ps_str_first(ps_str_skip(text, 2), 4);
    if (!ps_str_cut(&text, ';', &digits) ||
        ps_str_to_u64(digits, 0x7e, &value, &ignored) < 0 || value < 0x20)
        return 0;
    *len = digits.len + 3;
    return (char)value;
}

/* The byte that an entity at the start of `text` stands for; 0: none. */
static char entity(struct ps_str text, size_t *len)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(entities); i++) {
        if (ps_str_starts(text, entities[i].name)) {
            *len = strlen(entities[i].name);
            return entities[i].value;
        }
    }
    return numeric_entity(text, len);
}

/* Copy an element's text; one that does not fit counts as absent. */
static void copy_text(struct ps_str text, char *out, size_t size)
{
    size_t len = 0;

    while (text.len > 0) {
        size_t step = 1;
        char c = text.data[0];

        if (c == '&') {
            char meant = entity(text, &step);

            if (meant)
                c = meant;
        }
        if ((unsigned char)c < 0x20 || c == 0x7f)
            c = '?';
        if (len + 1 >= size) {
            out[0] = '\0';
            return;
        }
        out[len++] = c;
        text = ps_str_skip(text, step);
    }
    out[len] = '\0';
}

static size_t find(struct ps_str text, char c)
{
    const char *at = text.len ? memchr(text.data, c, text.len) : NULL;

    return at ? (size_t)(at - text.data) : text.len;
}

/* Is this what stands between '<' and '>' of the end of `name`? */
static bool closes(struct ps_str tag, struct ps_str name)
{
    return tag.len == name.len + 1 && tag.data[0] == '/' &&
           ps_str_equal(ps_str_skip(tag, 1), name);
}

static void take_field(struct ps_str name, struct ps_str text,
                       struct ps_s3_error *out)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(fields); i++) {
        char *to = (char *)out + fields[i].offset;

        /* The first one counts: a later one may be quoted from a request. */
        if (ps_str_is(name, fields[i].element) && !to[0])
            copy_text(ps_str_trim(text), to, fields[i].size);
    }
}

bool ps_s3_error_parse(struct ps_str body, struct ps_s3_error *out)
{
    struct ps_str rest = ps_str_first(body, PS_S3_ERROR_BODY_MAX);
    struct ps_str open = { .data = NULL };
    struct ps_str text = { .data = NULL };
    struct ps_s3_error found = { .code = "" };
    bool is_error = false;

    *out = found;
    while (rest.len > 0) {
        size_t lt = find(rest, '<');
        struct ps_str before = ps_str_first(rest, lt);
        struct ps_str tag = ps_str_skip(rest, lt + 1);
        size_t gt = find(tag, '>');

        if (lt == rest.len || gt == tag.len)
            break; /* cut off: what is whole counts */
        text = before;
        rest = ps_str_skip(tag, gt + 1);
        tag = ps_str_first(tag, gt);
        if (ps_str_is(tag, "Error") || ps_str_starts(tag, "Error "))
            is_error = true;
        else if (is_error && open.len > 0 && closes(tag, open))
            take_field(open, text, &found);
        open = tag;
    }
    if (!is_error || !found.code[0])
        return false;
    *out = found;
    return true;
}
