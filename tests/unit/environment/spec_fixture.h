/* A spec of each kind of package, and documents made of it. */
#ifndef PKGSYNC_SPEC_FIXTURE_H
#define PKGSYNC_SPEC_FIXTURE_H

#include "environment_fixture.h"
#include "pkgsync/spec.h"

static inline const struct ps_spec_wheel *
fixture_wheel(struct fixture *f, const char *file_name, const char *url)
{
    struct ps_spec_wheel *w = ps_arena_alloc(&f->arena, 1, sizeof(*w));

    *w = (struct ps_spec_wheel){
        .file_name = file_name,
        .size = 1234,
        .sha256 = ps_sha256_of(file_name, strlen(file_name)),
        .url = url,
    };
    return w;
}

/* Decide and make, with `wheel` for whatever is built. */
static inline int fixture_make(struct fixture *f,
                               const struct ps_level_options *options,
                               const struct ps_spec_wheel *wheel,
                               struct ps_spec *out)
{
    static const char *const extra[] = { "https://me:secret@host/simple",
                                         "https://${USER}:${TOKEN}@other/",
                                         NULL };
    static const char *const links[] = { "/srv/my wheels", NULL };
    const struct ps_spec_wheel *wheels[FIXTURE_MAX] = { NULL };
    struct ps_decisions decisions;
    struct ps_spec_parts parts = {
        .environment = fixture_environment(f),
        .decisions = &decisions,
        .wheels = wheels,
        .index_url = "https://token@index/simple",
        .extra_index_urls = extra,
        .find_links = links,
    };

    assert_ok(ps_levels_decide(&f->arena, parts.environment, options,
                               &decisions, &f->err),
              &f->err);
    for (size_t i = 0; i < decisions.count; i++)
        if (decisions.items[i].level == PS_LEVEL_BUILD)
            wheels[i] = wheel;
    return ps_spec_make(&f->arena, &parts, out, &f->err);
}

/* dask and the like, numpy, an ignored one, an extra, and `edit`, built. */
static inline void fixture_fill(struct fixture *f)
{
    struct ps_dist *d = NULL;

    fixture_add_critical(f);
    (void)fixture_add(f, "NumPy", "1.26.4");
    (void)fixture_add(f, "appnope", "0.1.3");
    d = fixture_add(f, "edit", "0.9");
    d->source = PS_DIST_EDITABLE;
    d->project = "/home/me/my edit";
    d->editable = "pth";
}

static inline struct ps_spec fixture_spec(struct fixture *f, bool exact)
{
    static const char *const extras[] = { "s3fs[boto3]==2024.1.0", NULL };
    struct ps_spec spec;

    fixture_fill(f);
    assert_ok(fixture_make(f,
                           &(struct ps_level_options){ .match_exact = exact,
                                                       .extras = extras },
                           fixture_wheel(f, "Edit-1.0+l.1-py3-none-any.whl",
                                         "s3://bucket/w/"
                                         "Edit-1.0+l.1-py3-none-any.whl"),
                           &spec),
              &f->err);
    return spec;
}

/* As it is stored. */
static inline char *fixture_text(const struct ps_spec *spec)
{
    json_t *json = ps_spec_json(spec);
    char *text = ps_json_canonical(json);

    json_decref(json);
    return text;
}

#endif
