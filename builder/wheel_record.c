/*
 * RECORD: the list of all files of a wheel (PEP 376, 427), as CSV.
 *
 * What Python's csv module reads: fields between commas, in double quotes if
 * need be, a double quote in them doubled, one row a line.
 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>

#include "pkgsync/buf.h"
#include "pkgsync/digest.h"
#include "pkgsync/mem.h"
#include "wheel_private.h"

/* --- CSV ---------------------------------------------------------------- */

struct csv {
    struct ps_str rest;
    uint64_t line;
};

/* A quoted field; the text starts after its first quote. */
static int take_quoted(struct ps_arena *arena, struct csv *c,
                       struct ps_str *out, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf field = PS_BUF_INIT(PS_WHEEL_RECORD_MAX);
    struct ps_str part;

    for (;;) {
        if (!ps_str_cut(&c->rest, '"', &part))
            return ps_fail(err, PS_EINVALID,
                           "line %" PRIu64 ": a quote is not closed", c->line);
        ps_buf_add(&field, part.data, part.len);
        if (!ps_str_starts(c->rest, "\""))
            break;
        ps_buf_addc(&field, '"');
        c->rest = ps_str_skip(c->rest, 1);
    }
    if (ps_buf_check(&field, "a field", err) < 0)
        return err->code;
    out->data = ps_arena_dup(arena, ps_buf_str(&field));
    out->len = field.len;
    return PS_OK;
}

static bool is_special(char c)
{
    return c == ',' || c == '"' || c == '\r' || c == '\n';
}

static int take_field(struct ps_arena *arena, struct csv *c, struct ps_str *out,
                      struct ps_error *err)
{
    size_t n = 0;

    if (ps_str_starts(c->rest, "\"")) {
        c->rest = ps_str_skip(c->rest, 1);
        return take_quoted(arena, c, out, err);
    }
    while (n < c->rest.len && !is_special(c->rest.data[n]))
        n++;
    *out = ps_str_first(c->rest, n);
    c->rest = ps_str_skip(c->rest, n);
    return PS_OK;
}

static bool take_line_end(struct csv *c)
{
    bool cr = ps_str_starts(c->rest, "\r");
    struct ps_str after = ps_str_skip(c->rest, cr);
    bool lf = ps_str_starts(after, "\n");

    c->rest = ps_str_skip(after, lf);
    return cr || lf || c->rest.len == 0;
}

static int take_row(struct ps_arena *arena, struct csv *c,
                    struct ps_wheel_record_row *row, struct ps_error *err)
{
    struct ps_str *const fields[] = { &row->path, &row->hash, &row->size };

    for (size_t i = 0; i < PS_ARRAY_SIZE(fields); i++) {
        if (i > 0 && !ps_str_starts(c->rest, ","))
            return ps_fail(err, PS_EINVALID,
                           "line %" PRIu64 " is not 'path,hash,size'", c->line);
        if (i > 0)
            c->rest = ps_str_skip(c->rest, 1);
        if (take_field(arena, c, fields[i], err) < 0)
            return err->code;
    }
    if (!take_line_end(c))
        return ps_fail(err, PS_EINVALID,
                       "line %" PRIu64 " is not 'path,hash,size'", c->line);
    return PS_OK;
}

int ps_wheel_record_parse(struct ps_arena *arena, struct ps_str text,
                          ps_wheel_record_fn *row, void *user,
                          struct ps_error *err)
{
    struct csv c = { .rest = text };

    while (c.rest.len > 0) {
        struct ps_wheel_record_row r = { 0 };

        c.line++;
        if (take_row(arena, &c, &r, err) < 0)
            return err->code;
        if (row(&r, user, err) < 0)
            return ps_context(err, "line %" PRIu64, c.line);
    }
    return PS_OK;
}

/* --- Against the archive ------------------------------------------------ */

struct hash_kind {
    const char *prefix;
    const char *name; /* to OpenSSL */
    size_t length;    /* in Base64 without padding */
};

static const struct hash_kind hash_kinds[] = {
    { "sha256=", "SHA256", 43 },
    { "sha384=", "SHA384", 64 },
    { "sha512=", "SHA512", 86 },
};

/* What RECORD says about one member. */
struct listed {
    bool is_listed;
    const struct hash_kind *kind; /* NULL: no hash */
    struct ps_str digest;
};

struct check {
    struct ps_zip *zip;
    struct listed *listed; /* one a member, in their order */
    struct ps_str dist_info;
    EVP_MD_CTX *md; /* owned */
};

static void cleanup_check(struct check *c)
{
    EVP_MD_CTX_free(c->md);
}

/* Is it <dist_info>/<name>? */
static bool is_at(const struct check *c, struct ps_str path, const char *name)
{
    return path.len > c->dist_info.len && path.data[c->dist_info.len] == '/' &&
           ps_str_equal(ps_str_first(path, c->dist_info.len), c->dist_info) &&
           ps_str_is(ps_str_skip(path, c->dist_info.len + 1), name);
}

/* RECORD cannot hold its own hash; signatures come after it. */
static bool is_exempt(const struct check *c, struct ps_str path)
{
    return is_at(c, path, "RECORD") || is_at(c, path, "RECORD.jws") ||
           is_at(c, path, "RECORD.p7s");
}

static int parse_hash(struct ps_str text, struct listed *out,
                      struct ps_error *err)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(hash_kinds); i++) {
        const struct hash_kind *k = &hash_kinds[i];

        if (!ps_str_starts(text, k->prefix))
            continue;
        out->kind = k;
        out->digest = ps_str_skip(text, strlen(k->prefix));
        if (out->digest.len != k->length)
            return ps_fail(err, PS_EINVALID,
                           "'%.*s' is not %zu characters of Base64 "
                           "without padding",
                           PS_STR_FMT(text), k->length);
        return PS_OK;
    }
    return ps_fail(err, PS_EINVALID,
                   "the hash '%.*s' is not sha256, sha384 or sha512",
                   PS_STR_FMT(text));
}

static int check_row(const struct check *c,
                     const struct ps_wheel_record_row *row,
                     const struct ps_zip_member *m, struct listed *l,
                     struct ps_error *err)
{
    uint64_t size = 0;

    if (is_exempt(c, row->path)) {
        if (row->hash.len || row->size.len)
            return ps_fail(err, PS_EINVALID, "it cannot have a hash or a size");
        return PS_OK;
    }
    if (row->hash.len == 0)
        return ps_fail(err, PS_EINVALID, "it has no hash");
    if (row->size.len == 0)
        return ps_fail(err, PS_EINVALID, "it has no size");
    if (ps_str_to_u64(row->size, UINT64_MAX, &size, err) < 0)
        return ps_context(err, "its size");
    if (size != m->unpacked)
        return ps_fail(err, PS_EINTEGRITY,
                       "it has %" PRIu64 " bytes and is listed with %" PRIu64,
                       m->unpacked, size);
    return parse_hash(row->hash, l, err);
}

static int on_row(const struct ps_wheel_record_row *row, void *user,
                  struct ps_error *err)
{
    struct check *c = user;
    struct ps_zip_member *m = ps_zip_find(c->zip, row->path);
    struct listed *l = NULL;

    if (!m || m->is_dir)
        return ps_fail(err, PS_EINVALID,
                       "'%.*s' is listed and is not a file of the archive",
                       PS_STR_FMT(row->path));
    l = &c->listed[m - c->zip->members];
    if (l->is_listed)
        return ps_fail(err, PS_EINVALID, "'%.*s' is listed twice",
                       PS_STR_FMT(row->path));
    l->is_listed = true;
    if (check_row(c, row, m, l, err) < 0)
        return ps_context(err, "'%.*s'", PS_STR_FMT(row->path));
    return PS_OK;
}

static void digest_piece(const void *data, size_t len, void *user)
{
    /* A failure shows in EVP_DigestFinal_ex() as well. */
    (void)EVP_DigestUpdate(user, data, len);
}

static int check_digest(struct check *c, const struct ps_zip_member *m,
                        const struct listed *l, struct ps_error *err)
{
    PS_AUTO_FREE char *found = NULL;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;

    if (!EVP_DigestInit_ex(c->md, EVP_get_digestbyname(l->kind->name), NULL))
        return ps_fail(err, PS_EINTERNAL, "cannot set up %s", l->kind->name);
    if (ps_zip_read(c->zip, m, digest_piece, c->md, err) < 0)
        return err->code;
    if (!EVP_DigestFinal_ex(c->md, digest, &len))
        return ps_fail(err, PS_EINTERNAL, "cannot compute %s", l->kind->name);
    found = ps_base64_url(digest, len);
    if (!ps_str_is(l->digest, found))
        return ps_fail(err, PS_EINTEGRITY,
                       "member '%.*s': its hash is %s%s, RECORD says %.*s",
                       PS_STR_FMT(m->name), l->kind->prefix, found,
                       PS_STR_FMT(l->digest));
    return PS_OK;
}

static void discard(const void *data, size_t len, void *user)
{
    (void)data;
    (void)len;
    (void)user;
}

static int check_member(struct check *c, const struct ps_zip_member *m,
                        struct ps_error *err)
{
    const struct listed *l = &c->listed[m - c->zip->members];

    if (l->kind)
        return check_digest(c, m, l, err);
    if (!m->is_dir && !is_exempt(c, m->name))
        return ps_fail(err, PS_EINVALID,
                       "member '%.*s' is not listed in RECORD",
                       PS_STR_FMT(m->name));
    return ps_zip_read(c->zip, m, discard, NULL, err);
}

int ps_wheel_record_check(struct ps_arena *arena, struct ps_zip *zip,
                          struct ps_str dist_info, struct ps_error *err)
{
    PS_CLEANUP(cleanup_check) struct check c = { .zip = zip };
    const struct ps_zip_member *m = NULL;
    char *path = ps_arena_format(arena, "%.*s/RECORD", PS_STR_FMT(dist_info));
    struct ps_str text = { 0 };

    m = ps_zip_find(zip, ps_str_from(path));
    if (!m)
        return ps_fail(err, PS_EINVALID, "no '%s'", path);
    if (ps_zip_read_text(arena, zip, m, PS_WHEEL_RECORD_MAX, &text, err) < 0)
        return err->code;
    c.dist_info = dist_info;
    c.md = EVP_MD_CTX_new();
    if (!c.md)
        return ps_fail(err, PS_EINTERNAL, "cannot set up hashing");
    c.listed = ps_arena_alloc(arena, zip->count, sizeof(*c.listed));
    if (ps_wheel_record_parse(arena, text, on_row, &c, err) < 0)
        return ps_context(err, "RECORD");
    for (size_t i = 0; i < zip->count; i++)
        if (check_member(&c, &zip->members[i], err) < 0)
            return err->code;
    return PS_OK;
}
