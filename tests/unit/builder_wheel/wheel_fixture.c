#include "wheel_fixture.h"

#include <sys/mman.h>

#include "pkgsync/digest.h"

#define INFO "demo-1.0.dist-info/"

int fixture_init(void **state)
{
    static char large[200000];
    struct fixture *f = ps_calloc(1, sizeof(*f));

    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (char)('a' + i * i % 23);
    f->bytes = PS_BUF_INIT((size_t)64 << 20);
    f->file_name = "demo-1.0-py2.py3-none-any.whl";
    fixture_add(f, PS_STR_LIT("demo/__init__.py"), "value = 1\n");
    fixture_add(f, PS_STR_LIT("demo/table.txt"), "");
    f->archive.members[F_DATA].data =
        (struct ps_str){ .data = large, .len = sizeof(large) };
    f->archive.members[F_DATA].method = 8;
    fixture_add(f, PS_STR_LIT(INFO "METADATA"),
                "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
                "Requires-Python: >=3.8\n\nName: a line of the text\n");
    fixture_add(f, PS_STR_LIT(INFO "WHEEL"),
                "Wheel-Version: 1.0\nGenerator: test\n"
                "Root-Is-Purelib: true\nTag: py2-none-any\n"
                "Tag: py3-none-any\n");
    fixture_add(f, PS_STR_LIT(INFO "RECORD"), NULL);
    *state = f;
    return 0;
}

int fixture_release(void **state)
{
    struct fixture *f = *state;

    ps_buf_release(&f->bytes);
    ps_arena_release(&f->arena);
    free(f);
    return 0;
}

struct zw_member *fixture_add(struct fixture *f, struct ps_str name,
                              const char *data)
{
    struct zw_member *m = &f->archive.members[f->archive.count++];

    assert_true(f->archive.count <= ZW_MEMBERS_MAX);
    m->name = name;
    m->data = ps_str_from(data);
    m->attributes = 0100644u << 16;
    return m;
}

void fixture_set(struct fixture *f, size_t member, const char *data)
{
    f->archive.members[member].data = ps_str_from(data);
}

char *fixture_record(struct fixture *f)
{
    PS_AUTO_BUF struct ps_buf out = PS_BUF_INIT(1 << 20);

    for (size_t i = 0; i < f->archive.count; i++) {
        const struct zw_member *m = &f->archive.members[i];
        struct ps_sha256 digest = ps_sha256_of(m->data.data, m->data.len);
        PS_AUTO_FREE char *text = ps_base64_url(digest.bytes, 32);

        if (i == F_RECORD)
            ps_buf_adds(&out, INFO "RECORD,,\n");
        else if (!ps_str_ends(m->name, "/"))
            ps_buf_addf(&out, "%.*s,sha256=%s,%zu\n", PS_STR_FMT(m->name), text,
                        m->data.len);
    }
    return ps_arena_dup(&f->arena, ps_buf_str(&out));
}

void fixture_write(struct fixture *f)
{
    if (!f->archive.members[F_RECORD].data.data)
        fixture_set(f, F_RECORD, fixture_record(f));
    ps_buf_clear(&f->bytes);
    zw_write(&f->archive, &f->bytes, &f->layout);
}

int fixture_verify(struct fixture *f, struct ps_error *err)
{
    PS_AUTO_FD int fd = memfd_create("wheel", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_ok(ps_write_all(fd, f->bytes.data, f->bytes.len, err), err);
    return ps_wheel_verify_fd(&f->arena, fd, f->file_name, &f->expect, &f->info,
                              err);
}

void fixture_expect_bytes(struct fixture *f, int code, const char *text)
{
    struct ps_error err = PS_ERROR_INIT;

    assert_code(code, fixture_verify(f, &err), &err);
    if (!strstr(err.text, text))
        fail_msg("expected '%s' in: %s", text, err.text);
}

void fixture_expect(struct fixture *f, int code, const char *text)
{
    fixture_write(f);
    fixture_expect_bytes(f, code, text);
}
