/* What the files of the environment spec share.  Private to environment. */
#ifndef PKGSYNC_SPEC_PRIVATE_H
#define PKGSYNC_SPEC_PRIVATE_H

#include "pkgsync/buf.h"
#include "pkgsync/spec.h"
#include "pkgsync/util.h"

/* Of one document. */
#define PS_SPEC_MAX_BYTES PS_MIB(32)
#define PS_SPEC_MAX_PACKAGES 20000
#define PS_SPEC_MAX_STRING 8192
#define PS_SPEC_MAX_WHEEL_BYTES (PS_GIB(1) * 64)

/* Texts ------------------------------------------------------------------ */

/* Printable, of bounded length: nothing that could end a line or hide. */
bool ps_spec_text_is_clean(const char *z);

/* A copy with '?' for what is not printable, cut where it is too long. */
const char *ps_spec_clean_text(struct ps_arena *arena, const char *z);

/* In double quotes, as TOML's basic strings and YAML's flow scalars are; what a
 * spec holds is printable UTF-8. */
void ps_spec_add_quoted(struct ps_buf *b, const char *z);

/* Whether a URL has what ps_url_shown() leaves out. */
bool ps_spec_url_has_secret(const char *url);

/* Without it.  NULL gives NULL. */
const char *ps_spec_url_without_secret(struct ps_arena *arena, const char *url);

/* An absolute URL that an installer reads: no blanks, no fragment. */
bool ps_spec_url_is_valid(const char *url, const char *const *schemes);

/* "/a b" -> "file:///a%20b"; in the arena. */
const char *ps_spec_file_url(struct ps_arena *arena, const char *path);

/* The parts of a wheel's file name, the version in its normal form.
 * PS_EINVALID saying what is wrong with it. */
PS_MUST_USE int ps_spec_wheel_name(struct ps_arena *arena,
                                   const char *file_name, const char **name,
                                   const char **version, struct ps_error *err);

/* Whole ------------------------------------------------------------------ */

/* Everything that holds of every spec, made or parsed: one place, so that we
 * never write what we would refuse to read. */
PS_MUST_USE int ps_spec_check(const struct ps_spec *spec, struct ps_error *err);

/* Whether it is of conda and no Python distribution. */
bool ps_spec_is_conda(const struct ps_spec_package *package);

#endif
