/* Real wheels: those that Debian's ensurepip packages keep.  Skipped (77)
 * where there is none. */
#include <dirent.h>
#include <fcntl.h>

#include "test_util.h"
#include "wheel_private.h"

#define DIRECTORY "/usr/share/python-wheels"

static int directory = -1;

static void accepts_every_wheel_of_the_system(void **state)
{
    DIR *dir = fdopendir(dup(directory));
    struct dirent *entry = NULL;
    size_t count = 0;

    (void)state;
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        struct ps_error err = PS_ERROR_INIT;
        struct ps_wheel_info info;

        if (!ps_str_ends(ps_str_from(entry->d_name), ".whl"))
            continue;
        assert_ok(ps_wheel_verify(&arena, directory, entry->d_name, NULL, &info,
                                  &err),
                  &err);
        print_message("  %s: %s %s\n", entry->d_name, info.name, info.version);
        count++;
    }
    (void)closedir(dir);
    assert_true(count > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_every_wheel_of_the_system),
    };

    directory = open(DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        print_message("skipped: no %s\n", DIRECTORY);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
