/* Versions in their normal form (PEP 440, appendix B). */
#include "pkgsync/buf.h"
#include "pkgsync/util.h"
#include "version_private.h"

/* Far more than the longest text that parses has in its normal form. */
#define TEXT_MAX ((size_t)PS_MIB(1))

static void add(struct ps_buf *out, struct ps_str s)
{
    ps_buf_add(out, s.data, s.len);
}

static void add_list(struct ps_buf *out, const struct ps_str *parts,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            ps_buf_addc(out, '.');
        add(out, parts[i]);
    }
}

/* Epoch 0 is the one that is not written. */
static void add_base(struct ps_buf *out, const struct ps_version *v,
                     size_t release_count)
{
    if (!ps_str_is(v->epoch, "0")) {
        add(out, v->epoch);
        ps_buf_addc(out, '!');
    }
    add_list(out, v->release, release_count);
}

static void add_suffixes(struct ps_buf *out, const struct ps_version *v)
{
    add(out, v->pre_kind);
    add(out, v->pre);
    if (v->has_post) {
        ps_buf_adds(out, ".post");
        add(out, v->post);
    }
    if (v->has_dev) {
        ps_buf_adds(out, ".dev");
        add(out, v->dev);
    }
}

static char *public_text(struct ps_arena *arena, const struct ps_version *v,
                         size_t release_count, bool local)
{
    PS_AUTO_BUF struct ps_buf buf = PS_BUF_INIT(TEXT_MAX);

    add_base(&buf, v, release_count);
    add_suffixes(&buf, v);
    if (local && v->local_count > 0) {
        ps_buf_addc(&buf, '+');
        add_list(&buf, v->local, v->local_count);
    }
    return ps_arena_dup(arena, ps_buf_str(&buf));
}

char *ps_version_string(struct ps_arena *arena, const struct ps_version *v)
{
    return public_text(arena, v, v->release_count, true);
}

char *ps_version_public(struct ps_arena *arena, const struct ps_version *v)
{
    return public_text(arena, v, v->release_count, false);
}

char *ps_version_base(struct ps_arena *arena, const struct ps_version *v)
{
    PS_AUTO_BUF struct ps_buf buf = PS_BUF_INIT(TEXT_MAX);

    add_base(&buf, v, v->release_count);
    return ps_arena_dup(arena, ps_buf_str(&buf));
}

char *ps_version_canonical(struct ps_arena *arena, struct ps_str text,
                           bool strip)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_version v;

    if (ps_version_parse(arena, text, &v, &err) < 0)
        return ps_arena_dup(arena, text);
    return public_text(arena, &v,
                       strip ? ps_version_trimmed(&v) : v.release_count, true);
}

int ps_version_normalize(struct ps_arena *arena, struct ps_str version,
                         char **out, struct ps_error *err)
{
    struct ps_version v;

    if (ps_version_parse(arena, version, &v, err) < 0)
        return err->code;
    *out = ps_version_string(arena, &v);
    return PS_OK;
}
