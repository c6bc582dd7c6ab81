#include <inttypes.h>
#include <string.h>

#include "pack_private.h"
#include "pkgsync/buf.h"
#include "pkgsync/name.h"
#include "pkgsync/util.h"
#include "wheel_private.h"

char *ps_pack_escaped_name(struct ps_arena *arena, const char *name)
{
    char *out = ps_normalize_name(arena, ps_str_from(name));

    for (char *c = out; *c; c++)
        if (*c == '-')
            *c = '_';
    return out;
}

/* A field of RECORD, quoted as Python's csv module does it. */
static void add_field(struct ps_buf *b, struct ps_str field)
{
    bool quote = field.len > 0 && strpbrk(field.data, ",\"") != NULL;

    if (quote)
        ps_buf_addc(b, '"');
    for (size_t i = 0; i < field.len; i++) {
        if (field.data[i] == '"')
            ps_buf_addc(b, '"');
        ps_buf_addc(b, field.data[i]);
    }
    if (quote)
        ps_buf_addc(b, '"');
}

static void add_row(struct ps_buf *record, struct ps_str name,
                    const struct ps_sha256 *sha256, uint64_t size)
{
    PS_AUTO_FREE char *hash = ps_base64_url(sha256->bytes, PS_SHA256_SIZE);

    add_field(record, name);
    ps_buf_addf(record, ",sha256=%s,%" PRIu64 "\n", hash, size);
}

static int add_text(struct ps_pack *p, struct ps_zip_writer *zip,
                    const char *file_name, const struct ps_buf *text,
                    struct ps_str *name, struct ps_error *err)
{
    struct ps_zip_new member = { .size_hint = text->len };

    member.name = ps_str_from(ps_arena_format(
        p->arena, "%s-%s.dist-info/%s", ps_pack_escaped_name(p->arena, p->name),
        p->plan.version, file_name));
    *name = member.name;
    if (ps_buf_check(text, file_name, err) < 0 ||
        ps_zip_begin(zip, &member, err) < 0 ||
        ps_zip_add(zip, text->data, text->len, err) < 0 ||
        ps_zip_end(zip, err) < 0)
        return ps_context(err, "write %s", file_name);
    return PS_OK;
}

static void write_metadata(const struct ps_pack *p, struct ps_buf *b)
{
    ps_buf_addf(b,
                "Metadata-Version: 2.1\n"
                "Name: %s\n"
                "Version: %s\n"
                "Summary: Modules that belonged to no distribution\n",
                p->name, p->plan.version);
    if (p->options->requires_python)
        ps_buf_addf(b, "Requires-Python: %s\n", p->options->requires_python);
}

static int write_wheel(const struct ps_pack *p, struct ps_buf *b,
                       struct ps_error *err)
{
    struct ps_wheel_tags tags = { 0 };

    ps_buf_addf(b,
                "Wheel-Version: 1.0\n"
                "Generator: pkgsync\n"
                "Root-Is-Purelib: %s\n",
                p->native ? "false" : "true");
    if (ps_wheel_tags_add(p->arena, &tags, ps_str_from(p->tag), err) < 0)
        return ps_context(err, "tag '%s'", p->tag);
    ps_wheel_tags_sort(&tags);
    for (size_t i = 0; i < tags.count; i++)
        ps_buf_addf(b, "Tag: %s\n", tags.items[i]);
    return PS_OK;
}

int ps_pack_add_info(struct ps_pack *p, struct ps_zip_writer *zip,
                     struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf metadata = PS_BUF_INIT(PS_WHEEL_METADATA_MAX);
    PS_AUTO_BUF struct ps_buf wheel = PS_BUF_INIT(PS_WHEEL_WHEEL_MAX);
    PS_AUTO_BUF struct ps_buf record = PS_BUF_INIT(PS_WHEEL_RECORD_MAX);
    struct ps_buf *const texts[] = { &metadata, &wheel };
    static const char *const names[] = { "METADATA", "WHEEL" };
    struct ps_str name = { 0 };

    write_metadata(p, &metadata);
    if (write_wheel(p, &wheel, err) < 0)
        return err->code;
    for (size_t i = 0; i < p->count; i++)
        add_row(&record, p->items[i].name, &p->items[i].content.sha256,
                p->items[i].content.size);
    for (size_t i = 0; i < PS_ARRAY_SIZE(texts); i++) {
        struct ps_sha256 sha = ps_sha256_of(texts[i]->data, texts[i]->len);

        if (add_text(p, zip, names[i], texts[i], &name, err) < 0)
            return err->code;
        add_row(&record, name, &sha, texts[i]->len);
    }
    add_field(&record,
              ps_str_from(ps_arena_format(
                  p->arena, "%s-%s.dist-info/RECORD",
                  ps_pack_escaped_name(p->arena, p->name), p->plan.version)));
    ps_buf_adds(&record, ",,\n");
    return add_text(p, zip, "RECORD", &record, &name, err);
}
