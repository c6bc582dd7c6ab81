/*
 * environment.yml: conda's packages, and what pip adds to them.
 *
 * `name=version=build` where the build string was made for the same system
 * and level and record allow it, "name==version" where they do not, and
 * "name>=1.26.4,1.26.*" for what ~= means.
 */
#include <stdlib.h>
#include <string.h>

#include "levels_private.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "spec_private.h"

#define TEXT_MAX (PS_SPEC_MAX_BYTES * 2)
#define CHANNELS_MAX 64

/* Plain where YAML reads it as the same string, quoted elsewhere: always
 * quoting would be right and unusual. */
static bool is_plain(const char *z)
{
    static const char *const words[] = { "y",     "n",  "yes", "no",   "true",
                                         "false", "on", "off", "null", "~" };
    static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789_-./=+";

    for (size_t i = 0; i < PS_ARRAY_SIZE(words); i++)
        if (strcasecmp(z, words[i]) == 0)
            return false;
    /* A number or a date begins with neither. */
    return z[0] != '\0' && strchr("._-+=", z[0]) == NULL &&
           (z[0] < '0' || z[0] > '9') && z[strspn(z, safe)] == '\0';
}

/* In double quotes YAML reads '"' and '\' as JSON does, and a spec has no
 * control characters. */
static void write_scalar(struct ps_buf *b, const char *z)
{
    if (is_plain(z))
        ps_buf_adds(b, z);
    else
        ps_spec_add_quoted(b, z);
}

static void write_item(struct ps_buf *b, const char *indent, const char *z)
{
    ps_buf_addf(b, "%s- ", indent);
    write_scalar(b, z);
    ps_buf_addc(b, '\n');
}

struct channel {
    const char *name;
    size_t uses;
};

/* pkgs/main and pkgs/r are what "defaults" stands for. */
static const char *channel_name(const char *channel)
{
    if (ps_str_starts(ps_str_from(channel), "pkgs/") ||
        strstr(channel, "/pkgs/main") || strstr(channel, "/pkgs/r"))
        return "defaults";
    return channel;
}

static void count_channel(struct channel *channels, size_t *count,
                          const char *name)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(channels[i].name, name) == 0) {
            channels[i].uses++;
            return;
        }
    if (*count < CHANNELS_MAX)
        channels[(*count)++] = (struct channel){ name, 1 };
}

/* The one that gave most comes first: in conda the order is the priority. */
static int by_uses(const void *a, const void *b)
{
    const struct channel *x = a;
    const struct channel *y = b;

    if (x->uses != y->uses)
        return x->uses > y->uses ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void write_channels(struct ps_buf *b, const struct ps_spec *spec)
{
    struct channel channels[CHANNELS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < spec->count; i++) {
        const char *channel = spec->packages[i].conda.channel;

        if (channel && channel[0] != '\0' && !strstr(channel, "/t/") &&
            !ps_spec_url_has_secret(channel))
            count_channel(channels, &count, channel_name(channel));
    }
    if (count == 0)
        return;
    qsort(channels, count, sizeof(channels[0]), by_uses);
    ps_buf_adds(b, "channels:\n");
    for (size_t i = 0; i < count; i++)
        write_item(b, "  ", channels[i].name);
}

/* conda's build strings name the system and the interpreter. */
static bool has_usable_build(const struct ps_conda *c)
{
    return c->build && c->build[0] != '\0' && c->subdir &&
           (strcmp(c->subdir, "linux-64") == 0 ||
            strcmp(c->subdir, "noarch") == 0);
}

static void write_conda(struct ps_buf *b, const struct ps_spec_package *p)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    const struct ps_conda *c = &p->conda;
    const char *series = ps_conda_series(&arena, c->version);
    const char *spec = NULL;

    if (p->level == PS_LEVEL_COMPATIBLE && series)
        spec =
            ps_arena_format(&arena, "%s>=%s,%s", c->name, c->version, series);
    else if (p->level == PS_LEVEL_EXACT && has_usable_build(c))
        spec =
            ps_arena_format(&arena, "%s=%s=%s", c->name, c->version, c->build);
    else
        spec = ps_arena_format(&arena, "%s==%s", c->name, c->version);
    write_item(b, "  ", spec);
}

/* The interpreter, which every environment has. */
static void write_python(struct ps_buf *b, const struct ps_spec *spec)
{
    PS_AUTO_FREE char *item = ps_format("python=%s", spec->version);

    write_item(b, "  ", item);
}

static void write_pip_locations(struct ps_buf *b, const struct ps_spec *spec)
{
    const char *const *u = spec->extra_index_urls;
    char *line = NULL;

    if (spec->index_url) {
        line = ps_format("--index-url %s", spec->index_url);
        write_item(b, "      ", line);
        free(line);
    }
    for (; u && *u; u++) {
        line = ps_format("--extra-index-url %s", *u);
        write_item(b, "      ", line);
        free(line);
    }
    for (u = spec->find_links; u && *u; u++) {
        line = ps_format("--find-links %s", *u);
        write_item(b, "      ", line);
        free(line);
    }
}

static void write_pip_line(struct ps_buf *b, const struct ps_spec_package *p)
{
    PS_AUTO_FREE char *line = NULL;
    char hex[PS_SHA256_HEX_SIZE];

    if (!p->wheel) {
        write_item(b, "      ", p->requirement);
        return;
    }
    ps_sha256_hex(&p->wheel->sha256, hex);
    line = ps_format("%s @ %s#sha256=%s", p->name, p->wheel->url, hex);
    write_item(b, "      ", line);
}

static bool is_for_pip(const struct ps_spec_package *p)
{
    return p->level != PS_LEVEL_IGNORED && !p->conda.name;
}

/* conda wants pip named where it is used. */
static void write_pip_itself(struct ps_buf *b, const struct ps_spec *spec)
{
    for (size_t i = 0; i < spec->count; i++) {
        const struct ps_spec_package *p = &spec->packages[i];

        if (p->conda.name && p->level != PS_LEVEL_IGNORED &&
            strcmp(p->conda.name, "pip") == 0)
            return;
    }
    write_item(b, "  ", "pip");
}

static void write_pip(struct ps_buf *b, const struct ps_spec *spec)
{
    bool is_first = true;

    for (size_t i = 0; i < spec->count; i++) {
        const struct ps_spec_package *p = &spec->packages[i];

        if (!is_for_pip(p))
            continue;
        if (is_first) {
            write_pip_itself(b, spec);
            ps_buf_adds(b, "  - pip:\n");
            write_pip_locations(b, spec);
        }
        is_first = false;
        write_pip_line(b, p);
    }
}

char *ps_spec_conda_yaml(const struct ps_spec *spec, const char *name)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(TEXT_MAX);
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(&spec->digest, hex);
    ps_buf_addf(&b, "# Environment %s\n", hex);
    ps_buf_adds(&b, "name: ");
    write_scalar(&b, name);
    ps_buf_addc(&b, '\n');
    write_channels(&b, spec);
    ps_buf_adds(&b, "dependencies:\n");
    write_python(&b, spec);
    for (size_t i = 0; i < spec->count; i++) {
        const struct ps_spec_package *p = &spec->packages[i];

        if (p->conda.name && p->level != PS_LEVEL_IGNORED &&
            strcmp(p->conda.name, "python") != 0)
            write_conda(&b, p);
    }
    write_pip(&b, spec);
    return ps_buf_take(&b);
}
