/* direct_url.json: what is accepted is harmless, and says the same when it is
 * written again. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/direct_url.h"
#include "pkgsync/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void promise(bool holds)
{
    if (!holds)
        abort();
}

static void check_subdirectory(const char *s)
{
    promise(s[0] != '/' && s[0] != '\0');
    promise(strncmp(s, "../", 3) != 0 && strcmp(s, "..") != 0);
    promise(!strstr(s, "/../"));
}

static void check_line(const char *z)
{
    for (; *z; z++)
        promise((unsigned char)*z >= 0x20 && *z != 0x7f);
}

static void check(const struct ps_direct_url *d)
{
    promise(d->kind != PS_DIRECT_NONE);
    promise(strchr(d->url, ':') && !strchr(d->url, ' '));
    check_line(d->url);
    promise(!d->path || d->path[0] == '/');
    promise(d->path || d->kind != PS_DIRECT_DIR);
    promise(!d->editable || d->kind == PS_DIRECT_DIR);
    promise((d->vcs != NULL) == (d->kind == PS_DIRECT_VCS));
    promise(!d->commit || d->commit[0] != '-');
    promise(!d->sha256 ||
            d->sha256[strspn(d->sha256, "0123456789abcdef")] == '\0');
    if (d->subdirectory)
        check_subdirectory(d->subdirectory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_JSON json_t *doc = NULL;
    PS_AUTO_FREE char *text = NULL;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_direct_url d = { 0 };
    struct ps_direct_url again = { 0 };
    struct ps_str json = { (const char *)data, size };

    if (ps_direct_url_parse(&arena, json, &d, &err) < 0) {
        promise(err.code == PS_EINVALID);
        return 0;
    }
    check(&d);
    check_line(ps_direct_url_requirement(&arena, &d));

    promise(ps_json_parse(json, "document", &doc, &err) == PS_OK);
    json_object_set_new(doc, "url", ps_json_string(d.url));
    text = json_dumps(doc, 0);
    promise(ps_direct_url_parse(&arena, ps_str_from(text), &again, &err) ==
            PS_OK);
    promise(strcmp(d.url, again.url) == 0);
    promise(!d.path == !again.path);
    promise(!d.path || strcmp(d.path, again.path) == 0);
    return 0;
}
