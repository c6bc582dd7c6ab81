/*
 * JSON (RFC 8259) over jansson: parsing with limits and errors that name the
 * place, member access that says what is missing, and one canonical form.
 * A json_t belongs to one thread at a time.
 */
#ifndef PKGSYNC_JSON_H
#define PKGSYNC_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "pkgsync/arena.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/digest.h"
#include "pkgsync/error.h"
#include "pkgsync/str.h"

#define PS_AUTO_JSON PS_CLEANUP(ps_cleanup_json)

static inline void ps_cleanup_json(json_t **j)
{
    json_decref(*j);
}

/* Parse a whole document; caller decrefs *out.  `what` names it in errors. */
PS_MUST_USE int ps_json_parse(struct ps_str text, const char *what,
                              json_t **out, struct ps_error *err);

/*
 * Canonical form: UTF-8, keys sorted by code point, no blanks, no reals (a
 * real in the value ends the program: ours have none).  Caller frees.
 */
char *ps_json_canonical(const json_t *value);
struct ps_sha256 ps_json_digest(const json_t *value);
bool ps_json_has_real(const json_t *value); /* anywhere in it */

/* For people: indented, key order kept, newline at the end.  Caller frees. */
char *ps_json_pretty(const json_t *value);

/* A string that may hold any bytes: invalid UTF-8 becomes U+FFFD. */
json_t *ps_json_string(const char *z); /* NULL gives JSON null */

/* Members; PS_EINVALID naming the key when absent or of another type. */
PS_MUST_USE int ps_json_get_string(const json_t *object, const char *key,
                                   const char **out, struct ps_error *err);
PS_MUST_USE int ps_json_get_u64(const json_t *object, const char *key,
                                uint64_t *out, struct ps_error *err);

/* Lists of strings: NULL-terminated, in the arena, without what is no string;
 * and back, where NULL is the empty list; caller decrefs. */
const char *const *ps_json_to_strings(struct ps_arena *arena,
                                      const json_t *array);
json_t *ps_json_from_strings(const char *const *list);

/* A string member, or `otherwise`; borrowed from the object. */
const char *ps_json_string_or(const json_t *object, const char *key,
                              const char *otherwise);

#endif
