#include "aws_ini.h"

#include <string.h>
#include <strings.h>

static struct ps_str unquote(struct ps_str s)
{
    char quote = '\0';

    if (s.len < 2)
        return s;
    quote = s.data[0];
    if ((quote == '"' || quote == '\'') && s.data[s.len - 1] == quote)
        return (struct ps_str){ .data = s.data + 1, .len = s.len - 2 };
    return s;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Does "[...]", with the brackets gone, introduce this profile? */
static bool is_section_of(enum ps_aws_file kind, struct ps_str name,
                          const char *profile)
{
    const size_t word = strlen("profile");

    name = ps_str_trim(name);
    if (kind == PS_AWS_CREDENTIALS_FILE)
        return ps_str_is(unquote(name), profile);
    if (ps_str_is(name, "default"))
        return strcmp(profile, "default") == 0;
    if (!ps_str_starts(name, "profile") || name.len <= word ||
        !is_blank(name.data[word]))
        return false;
    return ps_str_is(unquote(ps_str_trim(ps_str_skip(name, word))), profile);
}

/* Where "key = value" or "key: value" is cut. */
static bool cut_setting(struct ps_str line, struct ps_str *key,
                        struct ps_str *value)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] == '=' || line.data[i] == ':') {
            *key = ps_str_trim(ps_str_first(line, i));
            *value = ps_str_trim(ps_str_skip(line, i + 1));
            return key->len > 0;
        }
    }
    return false;
}

static bool key_is(struct ps_str key, const char *z)
{
    return key.len == strlen(z) && strncasecmp(key.data, z, key.len) == 0;
}

/* With key NULL: is the section there at all? */
static bool look_up(const struct ps_aws_ini *ini, const char *profile,
                    const char *key, struct ps_str *value)
{
    struct ps_str rest = ini->text;
    struct ps_str line;
    bool inside = false;
    bool found = false;
    bool more = true;

    while (more) {
        struct ps_str name;
        struct ps_str found_value;

        more = ps_str_cut(&rest, '\n', &line);
        if (line.len == 0 || is_blank(line.data[0]) || line.data[0] == '#' ||
            line.data[0] == ';')
            continue;
        line = ps_str_trim(line);
        if (ps_str_starts(line, "[")) {
            (void)ps_str_cut(&line, ']', &name);
            inside = is_section_of(ini->kind, ps_str_skip(name, 1), profile);
            found = found || (inside && !key);
        } else if (inside && key && cut_setting(line, &name, &found_value) &&
                   key_is(name, key) && found_value.len > 0) {
            *value = found_value;
            found = true;
        }
    }
    return found;
}

bool ps_aws_ini_has_profile(const struct ps_aws_ini *ini, const char *profile)
{
    struct ps_str unused;

    return look_up(ini, profile, NULL, &unused);
}

bool ps_aws_ini_get(const struct ps_aws_ini *ini, const char *profile,
                    const char *key, struct ps_str *value)
{
    return look_up(ini, profile, key, value);
}
