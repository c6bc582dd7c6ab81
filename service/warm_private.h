/* What the files of warming share. */
#ifndef PKGSYNC_WARM_PRIVATE_H
#define PKGSYNC_WARM_PRIVATE_H

#include "pkgsync/warm.h"

/* A list of strings that grows; NULL-terminated; in the arena. */
struct ps_words {
    const char **items;
    size_t count;
    size_t room;
};
void ps_words_add(struct ps_arena *arena, struct ps_words *words,
                  const char *text);

/* A package of an index. */
struct ps_want {
    struct ps_requirement requirement;
    struct ps_hash_list hashes;
};

struct ps_collect {
    struct ps_arena *arena;
    const struct ps_warm_options *o;
    struct ps_warm *out;
    size_t item_room;
    size_t failure_room;

    /* From requirements files. */
    struct ps_want *wanted; /* of an index */
    size_t wanted_count;
    size_t wanted_room;
    size_t constraint_room;
    struct ps_words pip_options; /* --pre and the like */
    struct ps_words extra_index_urls;
    struct ps_words find_links;
    const char *index_url;
    bool no_index;
    bool require_hashes;
    const char *no_hash; /* the first line without one: where it is */
};

/* Twice the room, when there is none left; in the arena. */
void *ps_grow(struct ps_arena *arena, void *items, size_t count, size_t *room,
              size_t size);

void ps_collect_item(struct ps_collect *c, struct ps_sync_item item);
void ps_collect_failure(struct ps_collect *c, const char *source,
                        const struct ps_error *err);

/* A file that is being read, and those that named it. */
struct ps_reader {
    struct ps_collect *c;
    const struct ps_reader *parent;
    const char *path; /* links resolved; of a URL, without secrets */
    const char *dir;  /* of it; of a URL the working directory */
    const char *url;  /* where it was fetched from; NULL */
    unsigned depth;
    unsigned line;
    bool constraints; /* lines say nothing of what is wanted */
};

bool ps_is_address(struct ps_str text);
/* Where a path of a line is; "./dir[extra]" is "./dir". */
const char *ps_local_source(struct ps_reader *r, struct ps_str text);
/* A line that is no option, and what -e names. */
PS_MUST_USE int ps_add_line(struct ps_reader *r, struct ps_str text,
                            struct ps_error *err);
PS_MUST_USE int ps_add_editable(struct ps_reader *r, struct ps_str text,
                                struct ps_error *err);

/*
 * The item of a source of which the hash is known, so that what is built is
 * what has it.  A mismatch is an error.
 */
PS_MUST_USE int ps_pin_source(struct ps_collect *c, struct ps_sync_item *item,
                              struct ps_error *err);

/* A requirement with its constraints; PS_EINTEGRITY when their hashes leave
 * nothing. */
PS_MUST_USE int ps_constrain(struct ps_collect *c, struct ps_want *want,
                             struct ps_error *err);

/* What an index has of all that is wanted. */
PS_MUST_USE int ps_take_wanted(struct ps_collect *c, struct ps_error *err);
/* NULL-terminated; never NULL. */
const char *const *ps_words_list(struct ps_arena *arena,
                                 const struct ps_words *words);

/* A requirements file and those that it names. */
PS_MUST_USE int ps_collect_file(struct ps_collect *c, const char *path,
                                struct ps_error *err);
/* What a spec needs built. */
PS_MUST_USE int ps_collect_spec(struct ps_collect *c, const char *location,
                                struct ps_error *err);

#endif
