/* What the files of the fetch phase share. */
#ifndef PKGSYNC_FETCH_PRIVATE_H
#define PKGSYNC_FETCH_PRIVATE_H

#include "pkgsync/fetch.h"

/* PS_EINVALID, saying why, for a string that must not reach pip. */
PS_MUST_USE int ps_check_requirement(const char *text, struct ps_error *err);

/* A growing argument vector; NULL-terminated; strings borrowed. */
struct ps_args {
    const char **items; /* owned */
    size_t count;
};
void ps_args_release(struct ps_args *a);
void ps_args_add(struct ps_args *a, const char *text);
void ps_args_add_all(struct ps_args *a, const char *const *list);
/* "requirement<TAB>hash,hash", as the scripts that ask an index read it. */
void ps_add_question(struct ps_buf *out, const char *requirement,
                     const struct ps_hash_list *hashes);
/* The options by which pip is told where to look, beside the environment of
 * ps_pip_environment(). */
void ps_args_add_index(struct ps_args *a, const struct ps_index *index);

/* The person's environment with the addresses of the index in it, and one
 * variable more unless `further` is NULL; NULL-terminated, in the arena. */
const char **ps_pip_environment(struct ps_arena *arena,
                                const struct ps_index *index,
                                const char *further);

/* A script that asks an index with the modules of pip. */
struct ps_pip_script {
    const char *code;
    const char *const *args; /* before the index's options; NULL-terminated */
    const char *cwd;
    struct ps_str input; /* its standard input */
    uint64_t limit_ms;
    int expected;     /* an exit status beside 0 that is an answer; 0: none */
    const char *what; /* for the message: "ask the index" */
};

/* Run it in the interpreter, without anything of an environment; *answer gets
 * its output and *status its exit status.  PS_EIO with its last words. */
PS_MUST_USE int ps_pip_script(struct ps_arena *arena, const struct ps_fetch *f,
                              const struct ps_pip_script *script,
                              struct ps_buf *answer, int *status,
                              struct ps_error *err);

/* A document of the cache that is believed for keep_s seconds; false: there is
 * none, or it is too old.  Not being able to keep one costs time only. */
bool ps_note_read(const char *path, uint64_t keep_s, json_t **out);
void ps_note_write(const char *path, const json_t *note);

/* Run pip into the empty directory `dest`. */
PS_MUST_USE int ps_pip_download(struct ps_arena *arena,
                                const struct ps_fetch *f, const char *dest,
                                struct ps_error *err);

#endif
