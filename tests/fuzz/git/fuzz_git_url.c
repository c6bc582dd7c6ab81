/* Git URLs from requirement files: any bytes. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "git_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was accepted must keep the promises that its users rely on. */
static void promise(bool holds)
{
    if (!holds)
        abort();
}

static void check_address(const struct ps_git_address *a)
{
    promise(a->host[0] != '-');
    promise(a->scheme == PS_GIT_FILE || a->host[0] != '\0');
    promise(a->scheme != PS_GIT_FILE || a->path[0] == '/');
    promise(!strpbrk(a->path, "\r\n"));
}

static void check_subdirectory(const char *s)
{
    promise(s[0] != '/' && s[0] != '\0');
    promise(strncmp(s, "../", 3) != 0 && strcmp(s, "..") != 0);
    promise(!strstr(s, "/../"));
}

static void check(struct ps_arena *arena, const struct ps_git_url *url)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_git_address a = { 0 };

    promise(ps_git_address_parse(arena, url->url, &a, &err) == PS_OK);
    check_address(&a);
    promise(!url->rev || (url->rev[0] != '\0' && url->rev[0] != '-'));
    if (url->subdirectory)
        check_subdirectory(url->subdirectory);
    /* What is shown parses to the same place, without a password. */
    promise(ps_git_address_parse(arena, url->display, &a, &err) == PS_OK);
    promise(!a.password);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_git_url url = { 0 };
    struct ps_str text = { (const char *)data, size };
    char *joined = NULL;

    if (ps_git_url_parse(&arena, text, &url, &err) < 0)
        return 0;
    check(&arena, &url);
    if (ps_git_url_join(&arena, url.url, "../x", &joined, &err) == PS_OK)
        promise(joined[0] != '\0');
    return 0;
}
