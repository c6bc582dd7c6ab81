/*
 * One record of conda-meta.
 *
 * Records are up to megabytes long and there are hundreds of them; nearly all
 * of each is the list of its files, twice.  So this reads the text once, keeps
 * a handful of members, and passes over the rest by brackets and quotes.
 */
#include <string.h>

#include "conda_private.h"
#include "pkgsync/json.h"

#define DEPTH_MAX 64
#define WORD_MAX 255
#define CHANNEL_MAX 4096

struct walk {
    const char *p;
    const char *end;
};

static void skip_blanks(struct walk *w)
{
    while (w->p < w->end &&
           (*w->p == ' ' || *w->p == '\n' || *w->p == '\r' || *w->p == '\t'))
        w->p++;
}

static bool take(struct walk *w, char c)
{
    skip_blanks(w);
    if (w->p == w->end || *w->p != c)
        return false;
    w->p++;
    return true;
}

/* What is between the quotes, escapes and all. */
static bool take_string(struct walk *w, struct ps_str *raw)
{
    const char *from = NULL;

    if (!take(w, '"'))
        return false;
    from = w->p;
    while (w->p < w->end) {
        const char *quote = memchr(w->p, '"', (size_t)(w->end - w->p));
        size_t slashes = 0;

        if (!quote)
            break;
        while (quote - slashes > from && quote[-1 - (ptrdiff_t)slashes] == '\\')
            slashes++;
        w->p = quote + 1;
        if (slashes % 2 == 0) {
            *raw =
                (struct ps_str){ .data = from, .len = (size_t)(quote - from) };
            return true;
        }
    }
    return false;
}

/* The inside of a list or object whose first bracket is taken: most of every
 * record, so only brackets and quotes are looked for. */
static bool skip_inside(struct walk *w)
{
    static const char stops[256] = {
        ['"'] = 1, ['{'] = 1, ['['] = 1, ['}'] = 1, [']'] = 1
    };
    size_t depth = 1;
    struct ps_str ignored;

    while (depth > 0) {
        while (w->p < w->end && !stops[(unsigned char)*w->p])
            w->p++;
        if (w->p == w->end)
            return false;
        if (*w->p == '"') {
            if (!take_string(w, &ignored))
                return false;
            continue;
        }
        if (*w->p == '{' || *w->p == '[')
            depth++;
        else
            depth--;
        if (depth > DEPTH_MAX)
            return false;
        w->p++;
    }
    return true;
}

/* Any value, without a look at what is in it. */
static bool skip_value(struct walk *w)
{
    const char *from = NULL;
    struct ps_str ignored;

    skip_blanks(w);
    if (w->p == w->end)
        return false;
    if (*w->p == '"')
        return take_string(w, &ignored);
    if (take(w, '{') || take(w, '['))
        return skip_inside(w);
    /* A number, true, false, null. */
    from = w->p;
    while (w->p < w->end &&
           (ps_hex_digit(*w->p) >= 0 || strchr("+-.Etrulsn", *w->p)) &&
           *w->p != '\0')
        w->p++;
    return w->p > from;
}

/* The text of a string token, decoded; in the arena; NULL. */
static char *decode(struct ps_arena *arena, struct ps_str raw)
{
    PS_AUTO_JSON json_t *value = NULL;

    if (raw.len == 0 || !memchr(raw.data, '\\', raw.len))
        return ps_arena_dup(arena, raw);
    /* With its quotes, which are beside it. */
    value = json_loadb(raw.data - 1, raw.len + 2,
                       JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    return value ? ps_arena_strdup(arena, json_string_value(value)) : NULL;
}

/*
 * "lib/python3.11/site-packages/x-1.0.dist-info/METADATA" -> "x-1.0.dist-info";
 * NULL for any other file.
 */
static const char *anchor_of(struct ps_arena *arena, struct ps_str raw)
{
    static const char *const endings[] = { "METADATA", "RECORD", "PKG-INFO",
                                           ".egg-info", ".egg-link" };
    char *path = NULL;
    char *slash = NULL;
    char *name = NULL;
    bool fits = false;

    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
        fits = fits || ps_str_ends(raw, endings[i]);
    if (!fits || raw.len > 4096)
        return NULL;
    path = decode(arena, raw);
    if (!path)
        return NULL;
    for (char *c = path; *c; c++) {
        if (*c == '\\')
            *c = '/';
    }
    name = strstr(path, "site-packages/");
    if (!name || (name > path && name[-1] != '/'))
        return NULL;
    name += strlen("site-packages/");
    slash = strchr(name, '/');
    if (slash) {
        if (strchr(slash + 1, '/'))
            return NULL; /* vendored inside a package */
        *slash = '\0';
    }
    return ps_str_ends(ps_str_from(name), ".dist-info") ||
                   ps_str_ends(ps_str_from(name), ".egg-info") ||
                   ps_str_ends(ps_str_from(name), ".egg-link")
               ? name
               : NULL;
}

/* The list `files`: only what tells who owns a distribution. */
static bool take_files(struct ps_arena *arena, struct walk *w,
                       struct ps_conda_record *out)
{
    const char **found = NULL;
    size_t count = 0;
    size_t room = 0;
    struct ps_str raw;

    if (!take(w, '['))
        return skip_value(w); /* null */
    if (take(w, ']'))
        return true;
    do {
        const char *anchor = NULL;

        if (!take_string(w, &raw))
            return false;
        anchor = anchor_of(arena, raw);
        if (!anchor || (count > 0 && strcmp(found[count - 1], anchor) == 0))
            continue;
        if (count == room) {
            const char **more = NULL;

            room = room ? 2 * room : 4;
            more = ps_arena_alloc(arena, room + 1, sizeof(*more));
            if (count > 0)
                memcpy(more, found, count * sizeof(*more));
            found = more;
        }
        found[count++] = anchor;
    } while (take(w, ','));
    if (found)
        out->anchors = found;
    return take(w, ']');
}

/* A channel as an object: {"name": ..., "url": ...}; the URL says more. */
static bool take_channel(struct ps_arena *arena, struct walk *w,
                         const char **out)
{
    struct ps_str key;
    struct ps_str raw;

    skip_blanks(w);
    if (w->p < w->end && *w->p == '"') {
        if (!take_string(w, &raw))
            return false;
        *out = decode(arena, raw);
        return true;
    }
    if (w->p == w->end || *w->p != '{')
        return skip_value(w);
    (void)take(w, '{');
    if (take(w, '}'))
        return true;
    do {
        bool wanted = false;

        if (!take_string(w, &key) || !take(w, ':'))
            return false;
        wanted = ps_str_is(key, "url") || ps_str_is(key, "base_url") ||
                 (ps_str_is(key, "name") && !*out);
        skip_blanks(w);
        if (!wanted || w->p == w->end || *w->p != '"') {
            if (!skip_value(w))
                return false;
            continue;
        }
        if (!take_string(w, &raw))
            return false;
        *out = decode(arena, raw);
    } while (take(w, ','));
    return take(w, '}');
}

/* Without "/t/TOKEN", user and password, and the platform at its end. */
static const char *clean_channel(struct ps_arena *arena, const char *channel,
                                 const char **subdir)
{
    PS_AUTO_FREE char *redacted = NULL;
    struct ps_str rest;
    struct ps_str head;
    char *text = NULL;
    char *token = NULL;

    if (!channel || !channel[0] || strcmp(channel, "<unknown>") == 0)
        return NULL;
    redacted = ps_url_redact(channel);
    text = ps_arena_strdup(arena, redacted);
    while ((token = strstr(text, "/t/")) != NULL) {
        char *after = strchr(token + 3, '/');

        if (!after)
            after = token + strlen(token);
        memmove(token, after, strlen(after) + 1);
    }
    rest = ps_str_from(text);
    while (ps_str_ends(rest, "/"))
        rest.len--;
    text[rest.len] = '\0';
    head = rest;
    if (!ps_str_cut_last(&rest, '/', &head))
        return text;
    /* What is left in `rest` is its last part. */
    if (*subdir
            ? ps_str_is(rest, *subdir)
            : ps_str_is(rest, "noarch") || ps_str_starts(rest, "linux-") ||
                  ps_str_starts(rest, "osx-") || ps_str_starts(rest, "win-")) {
        if (!*subdir)
            *subdir = ps_arena_dup(arena, rest);
        text[head.len] = '\0';
    }
    return text;
}

struct members {
    const char *channel;
    const char *spec;
};

static bool take_member(struct ps_arena *arena, struct walk *w,
                        struct ps_str key, struct ps_conda_record *out,
                        struct members *m)
{
    const struct {
        const char *key;
        const char **to;
    } wanted[] = {
        { "name", &out->conda.name },     { "version", &out->conda.version },
        { "build", &out->conda.build },   { "build_string", &out->conda.build },
        { "subdir", &out->conda.subdir }, { "requested_spec", &m->spec },
    };
    struct ps_str raw;

    if (ps_str_is(key, "files"))
        return take_files(arena, w, out);
    if (ps_str_is(key, "channel"))
        return take_channel(arena, w, &m->channel);
    skip_blanks(w);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (!ps_str_is(key, wanted[i].key) || w->p == w->end || *w->p != '"')
            continue;
        if (!take_string(w, &raw))
            return false;
        if (!*wanted[i].to)
            *wanted[i].to = decode(arena, raw);
        return true;
    }
    return skip_value(w);
}

static bool take_record(struct ps_arena *arena, struct walk *w,
                        struct ps_conda_record *out, struct members *m)
{
    struct ps_str key;

    if (!take(w, '{'))
        return false;
    if (take(w, '}'))
        return true;
    do {
        if (!take_string(w, &key) || !take(w, ':') ||
            !take_member(arena, w, key, out, m))
            return false;
    } while (take(w, ','));
    return take(w, '}');
}

static bool is_of(const char *z, const char *more)
{
    size_t len = z ? strlen(z) : 0;

    for (size_t i = 0; i < len; i++) {
        char c = ps_ascii_lower(z[i]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              strchr(more, c)))
            return false;
    }
    return len <= WORD_MAX;
}

static bool is_printable(const char *z)
{
    for (const char *c = z ? z : ""; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return false;
    return !z || (strlen(z) <= CHANNEL_MAX &&
                  ps_utf8_valid_prefix(ps_str_from(z)) == strlen(z));
}

/* What conda itself lets stand: the texts become parts of a MatchSpec. */
static int check_texts(const struct ps_conda *c, struct ps_error *err)
{
    const char *what = NULL;

    if (!is_of(c->name, "_-.") || strchr("-.", c->name[0]))
        what = "name";
    else if (!is_of(c->version, "._+!-~"))
        what = "version";
    else if (!is_of(c->build, "._+!-~"))
        what = "build";
    else if (!is_of(c->subdir, "_-"))
        what = "subdir";
    else if (!is_printable(c->channel))
        what = "channel";
    if (!what)
        return PS_OK;
    return ps_fail(err, PS_EINVALID,
                   "its %s has a character that none may have, or is too long",
                   what);
}

int ps_conda_record_parse(struct ps_arena *arena, struct ps_str text,
                          struct ps_conda_record *out, struct ps_error *err)
{
    static const char *const none[] = { NULL };
    struct walk w = { .p = text.data ? text.data : "",
                      .end = (text.data ? text.data : "") + text.len };
    struct ps_conda_record r = { .anchors = none };
    struct members m = { .channel = NULL };

    if (!take_record(arena, &w, &r, &m))
        return ps_fail(err, PS_EINVALID, "it is broken at byte %zu of %zu",
                       (size_t)(w.p - (w.end - text.len)), text.len);
    skip_blanks(&w);
    if (w.p != w.end)
        return ps_fail(err, PS_EINVALID, "something follows the record");
    if (!r.conda.name || !r.conda.name[0] || !r.conda.version ||
        !r.conda.version[0])
        return ps_fail(err, PS_EINVALID, "it has no %s",
                       r.conda.version && r.conda.version[0] ? "name"
                                                             : "version");
    r.requested = m.spec && m.spec[0] && strcmp(m.spec, "None") != 0;
    r.conda.channel = clean_channel(arena, m.channel, &r.conda.subdir);
    if (check_texts(&r.conda, err) < 0)
        return err->code;
    *out = r;
    return PS_OK;
}
