#include "pkgsync/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pkgsync/buf.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/str.h"

#define FILE_MAX ((size_t)1024 * 1024)

struct value {
    char **items; /* owned; NULL-terminated; one item unless a list */
    size_t count;
    enum ps_origin origin;
    char *origin_text; /* owned */
};

struct ps_config {
    const struct ps_setting *table; /* borrowed */
    size_t count;
    struct value *values; /* owned; one for each row */
};

static void value_clear(struct value *v)
{
    for (size_t i = 0; i < v->count; i++)
        free(v->items[i]);
    free(v->items);
    free(v->origin_text);
    *v = (struct value){ .items = NULL };
}

static void value_add(struct value *v, struct ps_str text)
{
    v->items = ps_realloc(v->items, v->count + 2, sizeof(*v->items));
    v->items[v->count++] = ps_str_dup(text);
    v->items[v->count] = NULL;
}

struct ps_config *ps_config_new(const struct ps_setting *table)
{
    struct ps_config *c = ps_calloc(1, sizeof(*c));

    c->table = table;
    while (table[c->count].name)
        c->count++;
    c->values = ps_calloc(c->count, sizeof(*c->values));
    for (size_t i = 0; i < c->count; i++) {
        c->values[i].origin_text = ps_strdup("default");
        if (table[i].fallback)
            value_add(&c->values[i], ps_str_from(table[i].fallback));
    }
    return c;
}

void ps_config_free(struct ps_config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        value_clear(&c->values[i]);
    free(c->values);
    free(c);
}

static const struct ps_setting *find_setting(const struct ps_config *c,
                                             struct ps_str name)
{
    for (size_t i = 0; i < c->count; i++) {
        if (ps_str_is(name, c->table[i].name))
            return &c->table[i];
    }
    return NULL;
}

static const struct value *value_of(const struct ps_config *c, const char *name)
{
    const struct ps_setting *s = find_setting(c, ps_str_from(name));

    if (!s) {
        (void)fprintf(stderr, "pkgsync: no setting '%s'\n", name);
        abort();
    }
    return &c->values[s - c->table];
}

static int parse_bool(struct ps_str s, bool *out)
{
    static const char *const words[] = { "false", "true", "no", "yes",
                                         "off",   "on",   "0",  "1" };

    for (size_t i = 0; i < 8; i++) {
        if (s.len == strlen(words[i]) &&
            strncasecmp(s.data, words[i], s.len) == 0) {
            *out = i % 2 == 1;
            return 0;
        }
    }
    return -1;
}

static int check_value(const struct ps_setting *s, struct ps_str text,
                       struct ps_error *err)
{
    uint64_t number = 0;
    bool flag = false;
    int rc = 0;

    if (s->type == PS_SETTING_BOOL && parse_bool(text, &flag) < 0)
        return ps_fail(err, PS_ECONFIG, "'%.*s' is neither true nor false",
                       PS_STR_FMT(text));
    if (s->type != PS_SETTING_NUMBER)
        return PS_OK;
    rc = ps_str_to_u64(text, s->max, &number, err);
    if (rc < 0)
        err->code = PS_ECONFIG;
    else if (number < s->min)
        rc = ps_fail(err, PS_ECONFIG, "%llu is less than %llu",
                     (unsigned long long)number, (unsigned long long)s->min);
    return rc < 0 ? PS_ECONFIG : PS_OK;
}

/*
 * A list grows within one source; the next source up replaces it, and an
 * empty value only does that.  A source that ranks below the one that has
 * spoken says nothing, in whatever order they are loaded.
 */
static int set_value(struct ps_config *c, const struct ps_setting *s,
                     struct ps_str text, enum ps_origin origin,
                     const char *origin_text, struct ps_error *err)
{
    struct value *v = &c->values[s - c->table];

    if (check_value(s, text, err) < 0)
        return ps_context(err, "%s: setting '%s'", origin_text, s->name);
    if (origin < v->origin)
        return PS_OK;
    if (s->type != PS_SETTING_LIST || v->origin != origin)
        value_clear(v);
    if (s->type != PS_SETTING_LIST || text.len > 0)
        value_add(v, text);
    v->origin = origin;
    free(v->origin_text);
    v->origin_text = ps_strdup(origin_text);
    return PS_OK;
}

static int load_line(struct ps_config *c, struct ps_str line,
                     const char *origin, struct ps_error *err)
{
    struct ps_str name;
    const struct ps_setting *s = NULL;

    line = ps_str_trim(line);
    if (line.len == 0 || line.data[0] == '#')
        return PS_OK;
    if (memchr(line.data, '\0', line.len))
        return ps_fail(err, PS_ECONFIG, "%s: a NUL byte", origin);
    if (!ps_str_cut(&line, '=', &name))
        return ps_fail(err, PS_ECONFIG, "%s: expected 'name = value'", origin);
    name = ps_str_trim(name);
    s = find_setting(c, name);
    if (!s)
        return ps_fail(err, PS_ECONFIG,
                       "%s: no setting is called '%.*s'; `pkgsync config` "
                       "lists them",
                       origin, PS_STR_FMT(name));
    return set_value(c, s, ps_str_trim(line), PS_ORIGIN_FILE, origin, err);
}

/*
 * The file is the person's own: a link to it is followed, and one that was
 * asked for may be a pipe of the shell's.  Nobody should wait for another one.
 */
static int read_file(const char *path, bool asked_for, struct ps_buf *text,
                     struct ps_error *err)
{
    PS_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY |
                                       (asked_for ? 0 : O_NONBLOCK));
    struct stat st;
    int rc = 0;

    if (fd < 0 || fstat(fd, &st) < 0)
        return ps_fail_errno(err, errno, "open '%s'", path);
    if (!asked_for && (S_ISFIFO(st.st_mode) || S_ISDIR(st.st_mode)))
        return ps_fail(err, PS_EINVALID, "'%s' is not a regular file", path);
    rc = ps_read_all(fd, text, err);
    return rc < 0 ? ps_context(err, "read '%s'", path) : PS_OK;
}

int ps_config_load_file(struct ps_config *c, const char *path, bool required,
                        struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(FILE_MAX);
    struct ps_str rest;
    struct ps_str line;
    bool more = true;
    struct ps_error why = PS_ERROR_INIT;
    int rc = read_file(path, required, &text, &why);

    if (rc == PS_ENOTFOUND && !required)
        return PS_OK;
    if (rc < 0) {
        *err = why;
        return ps_context(err, "configuration");
    }
    rest = ps_buf_str(&text);
    for (unsigned number = 1; more; number++) {
        PS_AUTO_FREE char *origin = ps_format("file %s:%u", path, number);

        more = ps_str_cut(&rest, '\n', &line);
        rc = load_line(c, line, origin, err);
        if (rc < 0)
            return rc;
    }
    return PS_OK;
}

/* "wheel-dir" -> "PKGSYNC_WHEEL_DIR"; caller frees. */
static char *variable_name(const char *name)
{
    char *variable = ps_format("PKGSYNC_%s", name);

    for (char *p = variable; *p; p++)
        *p = (char)(*p == '-' ? '_' : toupper((unsigned char)*p));
    return variable;
}

static size_t word_length(struct ps_str text)
{
    size_t len = 0;

    while (len < text.len && !isspace((unsigned char)text.data[len]))
        len++;
    return len;
}

static int set_from_env(struct ps_config *c, const struct ps_setting *s,
                        struct ps_str text, const char *origin,
                        struct ps_error *err)
{
    if (s->type != PS_SETTING_LIST)
        return set_value(c, s, text, PS_ORIGIN_ENVIRONMENT, origin, err);
    for (text = ps_str_trim(text); text.len > 0; text = ps_str_trim(text)) {
        struct ps_str item = ps_str_first(text, word_length(text));
        int rc = set_value(c, s, item, PS_ORIGIN_ENVIRONMENT, origin, err);

        if (rc < 0)
            return rc;
        text = ps_str_skip(text, item.len);
    }
    return PS_OK;
}

int ps_config_load_env(struct ps_config *c, char *const *envp,
                       struct ps_error *err)
{
    for (size_t i = 0; i < c->count; i++) {
        PS_AUTO_FREE char *variable = variable_name(c->table[i].name);
        PS_AUTO_FREE char *origin = ps_format("environment %s", variable);

        for (size_t k = 0; envp[k]; k++) {
            struct ps_str text = ps_str_from(envp[k]);
            struct ps_str name;
            int rc = 0;

            if (!ps_str_cut(&text, '=', &name) || !ps_str_is(name, variable) ||
                text.len == 0)
                continue;
            rc = set_from_env(c, &c->table[i], text, origin, err);
            if (rc < 0)
                return rc;
        }
    }
    return PS_OK;
}

int ps_config_set_flag(struct ps_config *c, const char *name, const char *value,
                       struct ps_error *err)
{
    const struct ps_setting *s = find_setting(c, ps_str_from(name));
    PS_AUTO_FREE char *origin = ps_format("flag --%s", name);

    if (!s)
        return ps_fail(err, PS_EUSAGE, "no flag is called '--%s'", name);
    if (set_value(c, s, ps_str_from(value), PS_ORIGIN_FLAG, origin, err) < 0) {
        err->code = PS_EUSAGE;
        return PS_EUSAGE;
    }
    return PS_OK;
}

const char *ps_config_text(const struct ps_config *c, const char *name)
{
    const struct value *v = value_of(c, name);

    return v->count > 0 ? v->items[v->count - 1] : NULL;
}

uint64_t ps_config_number(const struct ps_config *c, const char *name)
{
    struct ps_error ignored = PS_ERROR_INIT;
    const char *text = ps_config_text(c, name);
    uint64_t number = 0;

    /* What is in the table was checked when it was set. */
    if (text &&
        ps_str_to_u64(ps_str_from(text), UINT64_MAX, &number, &ignored) < 0)
        abort();
    return number;
}

bool ps_config_bool(const struct ps_config *c, const char *name)
{
    const char *text = ps_config_text(c, name);
    bool flag = false;

    if (text && parse_bool(ps_str_from(text), &flag) < 0)
        abort();
    return flag;
}

const char *const *ps_config_list(const struct ps_config *c, const char *name)
{
    static const char *const none[] = { NULL };
    const struct value *v = value_of(c, name);

    return v->count > 0 ? (const char *const *)v->items : none;
}

bool ps_config_is_set(const struct ps_config *c, const char *name)
{
    return value_of(c, name)->count > 0;
}

enum ps_origin ps_config_origin(const struct ps_config *c, const char *name)
{
    return value_of(c, name)->origin;
}

const char *ps_config_origin_text(const struct ps_config *c, const char *name)
{
    return value_of(c, name)->origin_text;
}
