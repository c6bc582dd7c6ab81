/*
 * Libraries that are loaded when they are first called.
 *
 * Libcurl and libarchive bring forty more libraries with them; loading those
 * is most of what a run costs that neither transfers nor unpacks.  So the
 * program is linked with functions of the same names and types, which load
 * the real library and pass the call on.  Callers see no difference.  A
 * function that has no such stand-in is an undefined reference: add it.
 *
 * A library that is missing ends the program, as it would without this.
 */
#ifndef PKGSYNC_BASE_DELAYED_H
#define PKGSYNC_BASE_DELAYED_H

/* The function `name` of the library; never NULL.  Any thread. */
void *ps_delayed_find(const char *library, const char *name);

/*
 * Define the stand-in of one function.  Which address it has is looked up
 * once; doing so twice at once does no harm.
 */
#define PS_DELAYED(library, type, name, params, args)                   \
    type name params                                                    \
    {                                                                   \
        static __typeof__(name) *real;                                  \
        __typeof__(name) *f = __atomic_load_n(&real, __ATOMIC_ACQUIRE); \
                                                                        \
        if (!f) {                                                       \
            f = (__typeof__(name) *)ps_delayed_find(library, #name);    \
            __atomic_store_n(&real, f, __ATOMIC_RELEASE);               \
        }                                                               \
        return f args;                                                  \
    }

#endif
