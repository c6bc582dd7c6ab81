/* What a line of a requirements file asks for. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "warm_private.h"

/* ---- options of one requirement ---- */

static int add_hash(struct ps_reader *r, struct ps_str value,
                    struct ps_sha256 *items, size_t *count,
                    struct ps_error *err)
{
    struct ps_str hex = value;
    struct ps_str algorithm;

    (void)r;
    if (!ps_str_cut(&hex, ':', &algorithm))
        return ps_fail(err, PS_EINVALID,
                       "--hash is written --hash=sha256:<64 digits>");
    if (!ps_str_is(algorithm, "sha256"))
        return ps_fail(err, PS_EUNSUPPORTED,
                       "--hash=%.*s: only sha256 can be checked; `pip hash` "
                       "gives it",
                       PS_STR_FMT(algorithm));
    return ps_sha256_parse(hex, &items[(*count)++], err) < 0
               ? ps_context(err, "--hash")
               : PS_OK;
}

static struct ps_str next_word(struct ps_str *rest)
{
    size_t len = 0;
    struct ps_str word;

    *rest = ps_str_trim(*rest);
    while (len < rest->len && !strchr(" \t", rest->data[len]))
        len++;
    word = ps_str_first(*rest, len);
    *rest = ps_str_skip(*rest, len);
    return word;
}

/* "x==1 --hash=sha256:.. --hash ..": what belongs to the requirement stays in
 * *line. */
static int take_hashes(struct ps_reader *r, struct ps_str *line,
                       struct ps_hash_list *out, struct ps_error *err)
{
    struct ps_sha256 *items = NULL;
    struct ps_str rest = { .len = 0 };
    size_t count = 0;
    int rc = PS_OK;

    for (size_t i = 0; i + 1 < line->len; i++) {
        if (strchr(" \t", line->data[i]) && line->data[i + 1] == '-') {
            rest = ps_str_skip(*line, i);
            *line = ps_str_trim(ps_str_first(*line, i));
            break;
        }
    }
    items = ps_arena_alloc(r->c->arena, rest.len / 8 + 1, sizeof(*items));
    for (rest = ps_str_trim(rest); rc == PS_OK && rest.len > 0;
         rest = ps_str_trim(rest)) {
        struct ps_str word = next_word(&rest);

        if (ps_str_is(word, "--hash"))
            rc = add_hash(r, next_word(&rest), items, &count, err);
        else if (ps_str_starts(word, "--hash="))
            rc = add_hash(r, ps_str_skip(word, 7), items, &count, err);
        else
            rc = ps_fail(err, PS_EUNSUPPORTED,
                         "'%.*s' is an option of one requirement that is not "
                         "honoured here",
                         PS_STR_FMT(word));
    }
    *out = (struct ps_hash_list){ .items = items, .count = count };
    if (count == 0 && !r->constraints && !r->c->no_hash) {
        PS_AUTO_FREE char *shown =
            ps_url_redact(ps_arena_dup(r->c->arena, *line));

        r->c->no_hash = ps_arena_format(r->c->arena, "'%s': line %u: '%s'",
                                        r->path, r->line, shown);
    }
    return rc;
}

/* ---- sources ---- */

bool ps_is_address(struct ps_str text)
{
    return memmem(text.data, text.len, "://", 3) != NULL;
}

static bool is_path(struct ps_str text)
{
    return text.data[0] == '.' || text.data[0] == '/' ||
           memchr(text.data, '/', text.len) || ps_str_ends(text, ".whl") ||
           ps_str_ends(text, ".zip") || ps_str_ends(text, ".tar.gz");
}

/* Absolute: from the working directory as pip has it, else from the file's
 * own. */
const char *ps_local_source(struct ps_reader *r, struct ps_str text)
{
    struct ps_arena *arena = r->c->arena;
    struct ps_str rest = text;
    struct ps_str path = text;
    const char *full = NULL;

    if (ps_str_ends(text, "]"))
        (void)ps_str_cut_last(&rest, '[', &path);
    if (path.len > 0 && path.data[0] == '/')
        return ps_arena_dup(arena, path);
    full = ps_arena_format(arena, "%s/%.*s", r->c->o->pipeline->cwd,
                           PS_STR_FMT(path));
    if (access(full, F_OK) == 0)
        return full;
    return ps_arena_format(arena, "%s/%.*s", r->dir, PS_STR_FMT(path));
}

static int add_source(struct ps_reader *r, struct ps_str text,
                      struct ps_str name, const struct ps_hash_list *hashes,
                      struct ps_error *err)
{
    struct ps_sync_item item = {
        .source = ps_is_address(text) ? ps_arena_dup(r->c->arena, text)
                                      : ps_local_source(r, text),
        .name = name.len > 0 ? ps_arena_dup(r->c->arena, name) : NULL,
        .hashes = *hashes,
    };
    struct ps_error mismatch = PS_ERROR_INIT;
    int rc = PS_OK;

    if (r->constraints)
        return ps_fail(err, PS_EUNSUPPORTED,
                       "a constraint is a name and versions, no address, no "
                       "path and nothing editable");
    if (hashes->count > 0)
        rc = ps_pin_source(r->c, &item, &mismatch);
    if (rc == PS_EINVALID) {
        *err = mismatch;
        return rc;
    }
    if (rc < 0)
        ps_collect_failure(r->c, item.source, &mismatch);
    else
        ps_collect_item(r->c, item);
    return PS_OK;
}

/* ---- names ---- */

static int add_constraint(struct ps_reader *r, const struct ps_requirement *q,
                          const struct ps_hash_list *hashes,
                          struct ps_error *err)
{
    struct ps_warm *out = r->c->out;

    if (q->url.len > 0 || q->extra_count > 0)
        return ps_fail(err, PS_EUNSUPPORTED,
                       "a constraint is a name and versions, without an "
                       "address and without extras");
    out->constraints =
        ps_grow(r->c->arena, out->constraints, out->constraint_count,
                &r->c->constraint_room, sizeof(*out->constraints));
    out->constraints[out->constraint_count++] = (struct ps_constraint){
        .name = q->name,
        .specifiers = q->specifiers,
        .hashes = *hashes,
        .text = ps_requirement_string(r->c->arena, q),
    };
    return PS_OK;
}

static int add_requirement(struct ps_reader *r, struct ps_str text,
                           const struct ps_hash_list *hashes,
                           struct ps_error *err)
{
    struct ps_collect *c = r->c;
    struct ps_requirement requirement;
    bool holds = true;
    int rc = ps_requirement_parse(
        c->arena, ps_str_from(ps_arena_dup(c->arena, text)), &requirement, err);

    if (rc == PS_OK)
        rc = ps_marker_holds(requirement.marker, &c->o->site->markers, NULL,
                             &holds, err);
    if (rc < 0 || !holds)
        return rc;
    /* The marker has been judged; what is left is for the index. */
    requirement.marker = NULL;
    if (r->constraints)
        return add_constraint(r, &requirement, hashes, err);
    if (requirement.url.len > 0)
        return add_source(r, requirement.url, requirement.name, hashes, err);
    c->wanted = ps_grow(c->arena, c->wanted, c->wanted_count, &c->wanted_room,
                        sizeof(*c->wanted));
    c->wanted[c->wanted_count++] =
        (struct ps_want){ .requirement = requirement, .hashes = *hashes };
    return PS_OK;
}

/* A URL or path may have a marker after " ;". */
static int add_unnamed(struct ps_reader *r, struct ps_str text,
                       const struct ps_hash_list *hashes, struct ps_error *err)
{
    const struct ps_marker *marker = NULL;
    const char *at = memmem(text.data, text.len, " ;", 2);
    struct ps_str none = { .len = 0 };
    bool holds = true;
    int rc = PS_OK;

    if (at) {
        size_t len = (size_t)(at - text.data);

        rc = ps_marker_parse(
            r->c->arena, ps_str_trim(ps_str_skip(text, len + 2)), &marker, err);
        text = ps_str_trim(ps_str_first(text, len));
    }
    if (rc == PS_OK)
        rc =
            ps_marker_holds(marker, &r->c->o->site->markers, NULL, &holds, err);
    if (rc == PS_OK && holds)
        rc = add_source(r, text, none, hashes, err);
    return rc;
}

int ps_add_line(struct ps_reader *r, struct ps_str text, struct ps_error *err)
{
    struct ps_hash_list hashes;
    struct ps_str rest;
    struct ps_str head;

    if (take_hashes(r, &text, &hashes, err) < 0)
        return err->code;
    /* "name @ URL" has a blank before its address; a URL has none. */
    rest = text;
    (void)ps_str_cut(&rest, '@', &head);
    if ((ps_is_address(text) && ps_is_address(head)) ||
        (!ps_is_address(text) && is_path(text)) ||
        (ps_is_address(text) && rest.len == 0))
        return add_unnamed(r, text, &hashes, err);
    return add_requirement(r, text, &hashes, err);
}

int ps_add_editable(struct ps_reader *r, struct ps_str text,
                    struct ps_error *err)
{
    struct ps_hash_list hashes;

    if (take_hashes(r, &text, &hashes, err) < 0)
        return err->code;
    return add_unnamed(r, text, &hashes, err);
}
