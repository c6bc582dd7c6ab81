/*
 * `.pkgsync.json`: what an environment was brought to last.
 *
 *   {"schema":1,"digest":"<of the spec>","time":"2026-01-31T12:00:00Z",
 *    "created_by":"pkgsync 0.1.0","installer":"uv",
 *    "wheels":{"<normal name>":{"sha256":"...","record":"..."}}}
 *
 * `record` is the SHA-256 of the RECORD that the installer wrote: a package
 * that was installed anew by somebody else has another one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "install_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/clock.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

#define MARKER_MAX PS_MIB(16)
#define RECORD_MAX PS_MIB(256)

static bool exists_below(const char *dir, const char *name)
{
    PS_AUTO_FREE char *path = ps_format("%s/%s", dir, name);

    return access(path, F_OK) == 0;
}

/* Of "3.11" in "3.11.7". */
static size_t minor_length(const char *version)
{
    size_t major = strcspn(version, ".");

    return version[major] ? major + 1 + strcspn(version + major + 1, ".")
                          : major;
}

/* A virtual or conda environment keeps its own notes; /usr does not. */
static void places_of(struct ps_arena *arena, const struct ps_site *site,
                      const struct ps_dirs *dirs, const char **control,
                      const char **marker)
{
    const char *prefix = site->prefix;
    PS_AUTO_FREE char *real = NULL;
    PS_AUTO_FREE char *key = NULL;
    struct ps_sha256 digest;
    char hex[PS_SHA256_HEX_SIZE];

    if (exists_below(prefix, "pyvenv.cfg") ||
        exists_below(prefix, "conda-meta")) {
        *control = ps_arena_format(arena, "%s/.pkgsync", prefix);
        *marker = ps_arena_format(arena, "%s/.pkgsync.json", prefix);
        return;
    }
    /* An interpreter has many names; several may share a prefix. */
    real = realpath(prefix, NULL);
    key = ps_format("%s\n%s\n%.*s", real ? real : prefix, site->implementation,
                    (int)minor_length(site->version), site->version);
    digest = ps_sha256_of(key, strlen(key));
    ps_sha256_hex(&digest, hex);
    *control = ps_arena_format(arena, "%s/installs/%.32s", dirs->state, hex);
    *marker = ps_arena_format(arena, "%s/.pkgsync.json", *control);
}

void ps_install_find_places(struct ps_install *in)
{
    places_of(in->arena, in->o->site, in->o->dirs, &in->control, &in->marker);
}

bool ps_install_is_interrupted(const struct ps_site *site,
                               const struct ps_dirs *dirs)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    const char *control = NULL;
    const char *marker = NULL;

    places_of(&arena, site, dirs, &control, &marker);
    return ps_install_has_journal(control);
}

void ps_install_read_marks(struct ps_install *in)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(MARKER_MAX);
    PS_AUTO_JSON json_t *doc = NULL;
    struct ps_error ignored = PS_ERROR_INIT;

    json_decref(in->marks);
    in->marks = NULL;
    if (ps_read_file_at(AT_FDCWD, in->marker, &text, &ignored) == PS_OK &&
        ps_json_parse(ps_buf_str(&text), in->marker, &doc, &ignored) == PS_OK)
        in->marks = json_incref(json_object_get(doc, "wheels"));
    if (!json_is_object(in->marks)) {
        json_decref(in->marks);
        in->marks = json_object();
    }
}

static bool record_hex(const struct ps_dist *dist, char out[PS_SHA256_HEX_SIZE])
{
    PS_AUTO_FREE char *path = ps_format("%s/RECORD", dist->location);
    struct ps_sha256 digest;
    struct ps_error ignored = PS_ERROR_INIT;

    if (ps_sha256_file(path, RECORD_MAX, &digest, NULL, &ignored) < 0)
        return false;
    ps_sha256_hex(&digest, out);
    return true;
}

bool ps_install_is_marked(const struct ps_install *in,
                          const struct ps_dist *dist,
                          const struct ps_sha256 *wheel)
{
    const json_t *mark = json_object_get(in->marks, dist->normal);
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(wheel, hex);
    return mark && strcmp(ps_json_string_or(mark, "sha256", ""), hex) == 0 &&
           record_hex(dist, hex) &&
           strcmp(ps_json_string_or(mark, "record", ""), hex) == 0;
}

static bool was_installed_now(const struct ps_install *in,
                              const struct ps_spec_package *p)
{
    for (size_t i = 0; i < in->count; i++) {
        if (in->targets[i].package == p)
            return true;
    }
    return false;
}

/* What is known of the wheels, from now and from before; caller decrefs. */
static json_t *make_marks(const struct ps_install *in)
{
    json_t *marks = json_object();

    for (size_t i = 0; i < in->o->spec->count; i++) {
        const struct ps_spec_package *p = &in->o->spec->packages[i];
        const struct ps_dist *dist =
            ps_environment_find(&in->environment, p->name);
        char wheel[PS_SHA256_HEX_SIZE];
        char record[PS_SHA256_HEX_SIZE];

        if (!p->wheel || !dist || !record_hex(dist, record))
            continue;
        if (!was_installed_now(in, p) &&
            !ps_install_is_marked(in, dist, &p->wheel->sha256))
            continue;
        ps_sha256_hex(&p->wheel->sha256, wheel);
        json_object_set_new(
            marks, dist->normal,
            json_pack("{s:s, s:s}", "sha256", wheel, "record", record));
    }
    return marks;
}

int ps_install_write_marker(struct ps_install *in, struct ps_error *err)
{
    PS_AUTO_JSON json_t *doc = NULL;
    PS_AUTO_FREE char *text = NULL;
    char digest[PS_SHA256_HEX_SIZE];
    char now[PS_RFC3339_SIZE];

    ps_sha256_hex(&in->o->spec->digest, digest);
    ps_rfc3339((int64_t)(ps_now_ms() / 1000), now);
    doc = json_pack(
        "{s:i, s:s, s:s, s:s, s:o, s:o}", "schema", 1, "digest", digest, "time",
        now, "created_by", "pkgsync " PKGSYNC_VERSION, "installer",
        json_string(in->installer ? "uv" : "pip"), "wheels", make_marks(in));
    text = ps_json_pretty(doc);
    return ps_write_file_at(AT_FDCWD, in->marker, text, strlen(text), 0644,
                            err);
}
