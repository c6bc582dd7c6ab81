/* Which files an index would give, without fetching them. */
#include <stdlib.h>
#include <string.h>

#include "build_private.h"
#include "fetch_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/mem.h"

#define FIND_LIMIT_MS ((uint64_t)30 * 60 * 1000)
#define ANSWER_MAX ((size_t)64 << 20)
#define QUESTION_MAX ((size_t)16 << 20)

extern const char ps_find_files_py[]; /* scripts/find_files.py */

bool ps_hash_list_has(const struct ps_hash_list *list,
                      const struct ps_sha256 *sha256)
{
    for (size_t i = 0; i < list->count; i++) {
        if (ps_sha256_equal(&list->items[i], sha256))
            return true;
    }
    return list->count == 0;
}

void ps_add_question(struct ps_buf *out, const char *requirement,
                     const struct ps_hash_list *hashes)
{
    ps_buf_addf(out, "%s\t", requirement);
    for (size_t i = 0; hashes && i < hashes->count; i++) {
        char hex[PS_SHA256_HEX_SIZE];

        ps_sha256_hex(&hashes->items[i], hex);
        ps_buf_addf(out, "%s%s", i > 0 ? "," : "", hex);
    }
}

void ps_args_add_all(struct ps_args *a, const char *const *list)
{
    for (size_t i = 0; list && list[i]; i++)
        ps_args_add(a, list[i]);
}

static int question(const struct ps_fetch *f, struct ps_buf *out,
                    struct ps_error *err)
{
    for (size_t i = 0; f->requirements[i]; i++) {
        int rc = ps_check_requirement(f->requirements[i], err);

        if (rc < 0)
            return rc;
        ps_add_question(out, f->requirements[i],
                        f->hashes ? &f->hashes[i] : NULL);
        ps_buf_addc(out, '\n');
    }
    return ps_buf_check(out, "the list of requirements", err);
}

static int ask(struct ps_arena *arena, const struct ps_fetch *f,
               bool wheels_only, struct ps_buf *answer, struct ps_error *err)
{
    static const char *const only_wheels[] = { "--only-binary", ":all:", NULL };
    PS_AUTO_BUF struct ps_buf input = PS_BUF_INIT(QUESTION_MAX);
    struct ps_pip_script script = { .code = ps_find_files_py,
                                    .args = wheels_only ? only_wheels : NULL,
                                    .cwd = "/",
                                    .limit_ms = FIND_LIMIT_MS,
                                    .what = "ask the index" };
    int status = 0;
    int rc = question(f, &input, err);

    script.input = ps_buf_str(&input);
    return rc < 0 ? rc : ps_pip_script(arena, f, &script, answer, &status, err);
}

/* Why there is no answer: the index, not the requirement. */
static void read_failure(struct ps_arena *arena, const json_t *failed,
                         struct ps_found_file *out)
{
    PS_AUTO_FREE char *url =
        ps_url_redact(ps_json_string_or(failed, "url", ""));
    PS_AUTO_FREE char *why =
        ps_url_redact(ps_json_string_or(failed, "reason", ""));

    out->code = json_is_true(json_object_get(failed, "refused"))
                    ? PS_EAUTH
                    : PS_EUNREACHABLE;
    out->why = ps_arena_format(
        arena, "'%s' %s: %s", url,
        out->code == PS_EAUTH ? "refuses to answer" : "does not answer", why);
}

static int read_line(struct ps_arena *arena, struct ps_str line,
                     struct ps_found_file *out, struct ps_error *err)
{
    PS_AUTO_JSON json_t *doc = NULL;
    PS_AUTO_FREE char *url = NULL;
    const char *sha256 = NULL;

    *out = (struct ps_found_file){ .name = NULL };
    if (ps_str_is(line, "null"))
        return PS_OK;
    if (ps_json_parse(line, "pip's answer", &doc, err) < 0)
        return err->code;
    if (json_object_get(doc, "failed")) {
        read_failure(arena, json_object_get(doc, "failed"), out);
        return PS_OK;
    }
    /* Links of an index that is asked with a password have it as well. */
    url = ps_url_redact(ps_json_string_or(doc, "url", ""));
    sha256 = ps_json_string_or(doc, "sha256", NULL);
    out->name = ps_arena_strdup(arena, ps_json_string_or(doc, "filename", ""));
    out->url = ps_arena_strdup(arena, url);
    out->is_wheel = json_is_true(json_object_get(doc, "wheel"));
    out->has_sha256 = sha256 != NULL;
    return sha256 ? ps_sha256_parse(ps_str_from(sha256), &out->sha256, err)
                  : PS_OK;
}

static int find_now(struct ps_arena *arena, const struct ps_fetch *f,
                    bool wheels_only, struct ps_found_file *out,
                    struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf answer = PS_BUF_INIT(ANSWER_MAX);
    struct ps_str rest;
    int rc = PS_OK;

    rc = ask(arena, f, wheels_only, &answer, err);
    rest = ps_buf_str(&answer);
    for (size_t i = 0; rc == PS_OK && f->requirements[i]; i++) {
        struct ps_str line;

        if (rest.len == 0)
            return ps_fail(err, PS_EIO, "pip answered for %zu requirements", i);
        (void)ps_str_cut(&rest, '\n', &line);
        rc = read_line(arena, line, &out[i], err);
    }
    return rc;
}

/* ---- what is kept ---- */

/* Only wheels: who asks for those wants the files of an index as it was, and
 * who builds wants to see an sdist that has just been uploaded. */
static char *note_path(const struct ps_fetch *f)
{
    PS_AUTO_JSON json_t *id = json_pack(
        "{s:o, s:o, s:o, s:o}", "find", ps_json_from_strings(f->requirements),
        "index", ps_index_identity(f->index), "python",
        ps_python_identity(f->python), "options",
        f->options ? ps_json_from_strings(f->options) : json_null());
    struct ps_sha256 digest = ps_json_digest(id);
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(&digest, hex);
    return ps_format("%s/resolved/%s.json", f->cache_dir, hex);
}

static json_t *found_json(const struct ps_found_file *found)
{
    char hex[PS_SHA256_HEX_SIZE];

    if (!found->name)
        return json_null();
    ps_sha256_hex(&found->sha256, hex);
    return json_pack(
        "{s:o, s:o, s:b, s:o}", "filename", ps_json_string(found->name), "url",
        ps_json_string(found->url), "wheel", found->is_wheel, "sha256",
        found->has_sha256 ? json_string(hex) : json_null());
}

/* Also that there is nothing: it is asked for again when the note is old.  An
 * index that did not answer may do so at once. */
static void note_write(const char *path, const struct ps_found_file *found,
                       size_t count)
{
    PS_AUTO_JSON json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        if (found[i].code)
            return;
        json_array_append_new(list, found_json(&found[i]));
    }
    ps_note_write(path, list);
}

static bool note_read(struct ps_arena *arena, const struct ps_fetch *f,
                      const char *path, size_t count, struct ps_found_file *out)
{
    PS_AUTO_JSON json_t *list = NULL;
    struct ps_error none = PS_ERROR_INIT;

    if (!ps_note_read(path, f->index->keep_s, &list) ||
        json_array_size(list) != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        PS_AUTO_FREE char *text = ps_json_canonical(json_array_get(list, i));

        if (read_line(arena, ps_str_from(text), &out[i], &none) < 0)
            return false;
    }
    return true;
}

int ps_fetch_find(struct ps_arena *arena, const struct ps_fetch *f,
                  bool wheels_only, struct ps_found_file *out,
                  struct ps_error *err)
{
    PS_AUTO_FREE char *note = NULL;
    size_t count = 0;
    int rc = PS_OK;

    while (f->requirements[count])
        count++;
    if (count == 0)
        return PS_OK;
    if (wheels_only && !f->hashes)
        note = note_path(f);
    if (note && note_read(arena, f, note, count, out))
        return PS_OK;
    rc = find_now(arena, f, wheels_only, out, err);
    if (rc == PS_OK && note)
        note_write(note, out, count);
    return rc;
}
