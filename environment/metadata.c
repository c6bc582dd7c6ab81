#include "metadata_private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pkgsync/mem.h"
#include "pkgsync/name.h"

struct ps_str ps_skip_bom(struct ps_str text)
{
    return ps_str_starts(text, "\xef\xbb\xbf") ? ps_str_skip(text, 3) : text;
}

bool ps_line_next(struct ps_str *rest, struct ps_str *line)
{
    const char *data = rest->data;
    size_t len = rest->len;
    const char *lf = len > 0 ? memchr(data, '\n', len) : NULL;
    size_t end = lf ? (size_t)(lf - data) : len;
    const char *cr = end > 0 ? memchr(data, '\r', end) : NULL;
    size_t used = 0;

    if (len == 0)
        return false;
    if (cr)
        end = (size_t)(cr - data);
    used = end + (end < len);
    if (cr && used < len && data[used] == '\n')
        used++;
    *line = ps_str_first(*rest, end);
    *rest = ps_str_skip(*rest, used);
    return true;
}

static bool ends_line(char c)
{
    return c == '\n' || c == '\r';
}

size_t ps_metadata_end(struct ps_str text, size_t from)
{
    const char *data = text.data;
    size_t i = from;

    if (i == 0 && text.len > 0 && ends_line(data[0]))
        return 0;
    while (i < text.len) {
        const char *lf = memchr(data + i, '\n', text.len - i);
        size_t stop = lf ? (size_t)(lf - data) : text.len;
        const char *cr = memchr(data + i, '\r', stop - i);

        i = cr ? (size_t)(cr - data) : stop;
        if (i >= text.len)
            break;
        if (data[i] == '\r' && i + 1 < text.len && data[i + 1] == '\n')
            i++;
        i++;
        if (i < text.len && ends_line(data[i]))
            return i;
    }
    return text.len;
}

/* A growing list of strings, on the heap until it is done. */
struct strings {
    const char **items;
    size_t count;
    size_t room;
};

static void add_string(struct strings *s, const char *z)
{
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 16;
        s->items = ps_realloc(s->items, s->room, sizeof(*s->items));
    }
    s->items[s->count++] = z;
}

static const char *const *take_strings(struct ps_arena *arena,
                                       struct strings *s)
{
    const char **list = ps_arena_alloc(arena, s->count + 1, sizeof(*list));

    if (s->count > 0)
        memcpy(list, s->items, s->count * sizeof(*list));
    free(s->items);
    *s = (struct strings){ .items = NULL };
    return list;
}

/* A value without the line ends of folding: each with the blanks around it
 * becomes one space.  NULs end a string and would hide what follows. */
static char *unfold(struct ps_arena *arena, struct ps_str value, bool folded)
{
    char *out = NULL;
    size_t n = 0;

    value = ps_str_trim(value);
    out = ps_arena_dup(arena, value);
    if (value.len == 0 || (!folded && !memchr(value.data, '\0', value.len)))
        return out;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.data[i];

        if (c == '\0')
            c = '?';
        if (!ends_line(c)) {
            out[n++] = c;
            continue;
        }
        while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '\t'))
            n--;
        while (i + 1 < value.len && strchr(" \t\r\n", value.data[i + 1]) &&
               value.data[i + 1] != '\0')
            i++;
        out[n++] = ' ';
    }
    out[n] = '\0';
    return out;
}

struct header {
    struct ps_metadata *out;
    bool folded; /* the present header has more than one line */
    struct strings requires;
    struct strings extras;
};

static void take_header(struct ps_arena *arena, struct header *h,
                        struct ps_str key, struct ps_str value)
{
    const struct {
        const char *key;
        const char **to; /* the first one counts */
        struct strings *list;
    } wanted[] = {
        { "Name", &h->out->name, NULL },
        { "Version", &h->out->version, NULL },
        { "Requires-Python", &h->out->requires_python, NULL },
        { "Requires-Dist", NULL, &h->requires },
        { "Provides-Extra", NULL, &h->extras },
    };

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (strlen(wanted[i].key) != key.len ||
            strncasecmp(wanted[i].key, key.data, key.len) != 0)
            continue;
        if (wanted[i].list)
            add_string(wanted[i].list, unfold(arena, value, h->folded));
        else if (!*wanted[i].to)
            *wanted[i].to = unfold(arena, value, h->folded);
        return;
    }
}

/* Cheap, for the many headers that nobody asked for. */
static bool may_be_wanted(char c)
{
    c = (char)(c | 0x20);
    return c == 'n' || c == 'v' || c == 'r' || c == 'p';
}

void ps_metadata_parse(struct ps_arena *arena, struct ps_str text,
                       struct ps_metadata *out)
{
    struct header h = { .out = out };
    struct ps_str rest = ps_skip_bom(text);
    struct ps_str line;
    struct ps_str key = { .data = NULL };
    struct ps_str value = { .data = NULL };
    bool ended = false;

    *out = (struct ps_metadata){ .name = NULL };
    while (ps_line_next(&rest, &line)) {
        const char *colon = NULL;

        ended = line.len == 0;
        if (ended)
            break;
        if (line.data[0] == ' ' || line.data[0] == '\t') {
            /* Goes on: the value reaches to the end of this line. */
            h.folded = true;
            if (key.len > 0)
                value.len = (size_t)(line.data + line.len - value.data);
            continue;
        }
        if (key.len > 0)
            take_header(arena, &h, key, value);
        key.len = 0;
        h.folded = false;
        if (!may_be_wanted(line.data[0]))
            continue;
        colon = memchr(line.data, ':', line.len);
        if (!colon)
            continue;
        key = ps_str_first(line, (size_t)(colon - line.data));
        value = ps_str_skip(line, key.len + 1);
    }
    if (key.len > 0)
        take_header(arena, &h, key, value);
    out->cut = !ended && text.len > 0 && !ends_line(text.data[text.len - 1]);
    out->requires = take_strings(arena, &h.requires);
    out->provides_extra = take_strings(arena, &h.extras);
}

/* "name>=1" in section "extra:marker" as one requirement. */
static char *with_marker(struct ps_arena *arena, struct ps_str requirement,
                         struct ps_str section)
{
    struct ps_str extra;
    struct ps_str marker = section;
    char *name = ps_arena_dup(arena, requirement);
    char *wanted = NULL;
    char *when = NULL;

    (void)ps_str_cut(&marker, ':', &extra);
    wanted = ps_arena_dup(arena, extra);
    when = ps_arena_dup(arena, marker);
    if (extra.len > 0 && marker.len > 0)
        return ps_arena_format(arena, "%s; (%s) and extra == '%s'", name, when,
                               wanted);
    if (extra.len > 0)
        return ps_arena_format(arena, "%s; extra == '%s'", name, wanted);
    return marker.len > 0 ? ps_arena_format(arena, "%s; %s", name, when) : name;
}

void ps_requires_txt_parse(struct ps_arena *arena, struct ps_str text,
                           struct ps_metadata *out)
{
    struct strings requires = { .items = NULL };
    struct strings extras = { .items = NULL };
    struct ps_str section = { .data = NULL };
    struct ps_str rest = ps_skip_bom(text);
    struct ps_str line;

    while (ps_line_next(&rest, &line)) {
        line = ps_str_trim(line);
        if (line.len == 0 || line.data[0] == '#')
            continue;
        if (line.data[0] == '[' && line.data[line.len - 1] == ']') {
            struct ps_str extra;
            struct ps_str marker =
                ps_str_first(ps_str_skip(line, 1), line.len - 2);

            section = marker;
            (void)ps_str_cut(&marker, ':', &extra);
            if (extra.len > 0)
                add_string(&extras, ps_arena_dup(arena, extra));
            continue;
        }
        add_string(&requires, with_marker(arena, line, section));
    }
    out->requires = take_strings(arena, &requires);
    out->provides_extra = take_strings(arena, &extras);
}
