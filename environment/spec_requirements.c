/*
 * requirements.txt: what pip and uv install as it is.
 *
 * A wheel of s3:// is written with that URL unless the caller has another one
 * for it: neither installer reads it, and failing at that line is better than
 * an environment without the package.
 */
#include <string.h>

#include "pkgsync/mem.h"
#include "spec_private.h"

/* As long as all that a spec may hold. */
#define TEXT_MAX (PS_SPEC_MAX_BYTES * 2)

static void write_head(struct ps_buf *b, const struct ps_spec *spec)
{
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(&spec->digest, hex);
    ps_buf_addf(b, "# Environment %s\n", hex);
    ps_buf_addf(b, "# written by %s from %s %s on %s\n", spec->created_by,
                spec->implementation, spec->version, spec->platform);
}

static void write_left_out(struct ps_buf *b, const struct ps_spec *spec)
{
    size_t ignored = 0;
    size_t conda = 0;

    for (size_t i = 0; i < spec->count; i++) {
        const struct ps_spec_package *p = &spec->packages[i];

        if (p->level == PS_LEVEL_IGNORED) {
            if (ignored++ == 0)
                ps_buf_adds(b, "#\n# Left out:\n");
            ps_buf_addf(b, "#   %s %s: %s\n", p->name, p->version, p->reason);
        } else if (p->conda.name) {
            conda++;
        }
    }
    if (conda > 0)
        ps_buf_addf(b, "#\n# %zu packages of conda are in environment.yml\n",
                    conda);
    ps_buf_adds(b, "\n");
}

/* Installers split the line at blanks: a path that has any is a URL. */
static void write_location(struct ps_buf *b, const char *option,
                           const char *location)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    if (location[0] == '/')
        location = ps_spec_file_url(&arena, location);
    ps_buf_addf(b, "%s %s\n", option, location);
}

static void write_indexes(struct ps_buf *b, const struct ps_spec *spec)
{
    size_t before = b->len;
    const char *const *u = spec->extra_index_urls;

    if (spec->index_url)
        write_location(b, "--index-url", spec->index_url);
    for (; u && *u; u++)
        write_location(b, "--extra-index-url", *u);
    for (u = spec->find_links; u && *u; u++)
        write_location(b, "--find-links", *u);
    if (b->len > before)
        ps_buf_adds(b, "\n");
}

static void write_wheel(struct ps_buf *b, const struct ps_spec_package *p,
                        const char *url)
{
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(&p->wheel->sha256, hex);
    ps_buf_addf(b, "%s @ %s#sha256=%s\n", p->name, url ? url : p->wheel->url,
                hex);
}

char *ps_spec_requirements(const struct ps_spec *spec, const char *const *urls)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(TEXT_MAX);

    write_head(&b, spec);
    write_left_out(&b, spec);
    write_indexes(&b, spec);
    for (size_t i = 0; i < spec->count; i++) {
        const struct ps_spec_package *p = &spec->packages[i];

        if (p->conda.name)
            continue;
        if (p->wheel)
            write_wheel(&b, p, urls ? urls[i] : NULL);
        else if (p->requirement)
            ps_buf_addf(&b, "%s\n", p->requirement);
    }
    return ps_buf_take(&b);
}
