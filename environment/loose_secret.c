/* Files that nobody means to give away. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "loose_private.h"

#include "pkgsync/cleanup.h"
#include "pkgsync/util.h"

#define HEAD_BYTES ((size_t)16 * 1024)

static bool holds_key(const char *path)
{
    char text[HEAD_BYTES];
    PS_AUTO_FD int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof(text)) : -1;

    return got > 0 && memmem(text, (size_t)got, "PRIVATE KEY", 11) != NULL;
}

static bool ends_as_one_of(struct ps_str name, const char *const *ends,
                           size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ps_str_ends(name, ends[i]))
            return true;
    return false;
}

/* By its name, and of what certificates are called as well, by its head. */
bool ps_loose_is_secret(const char *base, const char *path)
{
    static const char *const names[] = { "id_rsa",      "id_dsa",
                                         "id_ecdsa",    "id_ed25519",
                                         "id_ecdsa_sk", "id_ed25519_sk",
                                         "_netrc",      "kubeconfig" };
    static const char *const ends[] = { ".p12", ".pfx", ".jks", ".keystore" };
    static const char *const maybe[] = { ".pem", ".key" };
    static const char *const code[] = { ".py", ".pyi", ".so" };
    struct ps_str s = ps_str_from(base);

    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++)
        if (strcmp(base, names[i]) == 0)
            return true;
    if (ps_str_starts(s, "credentials") &&
        !ends_as_one_of(s, code, PS_ARRAY_SIZE(code)))
        return true;
    if (ends_as_one_of(s, ends, PS_ARRAY_SIZE(ends)))
        return true;
    return ends_as_one_of(s, maybe, PS_ARRAY_SIZE(maybe)) && holds_key(path);
}
