#include "test_util.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/digest.h"

#define EMPTY_SHA256 \
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void assert_hex(struct ps_sha256 d, const char *expected)
{
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(&d, hex);
    assert_string_equal(hex, expected);
}

/* FIPS 180-4 examples (NIST, "SHA256.pdf" and "SHA2_Additional.pdf"). */
static void sha256_agrees_with_the_published_examples(void **state)
{
    static const struct {
        const char *text;
        const char *hex;
    } cases[] = {
        { "", EMPTY_SHA256 },
        { "abc", "ba7816bf8f01cfea414140de5dae2223"
                 "b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039"
          "a33ce45964ff2167f6ecedd419db06c1" },
        { "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
          "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
          "cf5b16a778af8380036ce59e7b049237"
          "0b249b11e8f07a51afac45037afee9d1" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++)
        assert_hex(ps_sha256_of(cases[i].text, strlen(cases[i].text)),
                   cases[i].hex);
    assert_hex(ps_sha256_of(NULL, 0), EMPTY_SHA256);
}

static void a_million_bytes_in_pieces_are_one_digest(void **state)
{
    PS_AUTO_SHA256 struct ps_sha256_ctx ctx = { .md = NULL };
    struct ps_sha256 d;
    size_t left = 1000000;
    char piece[977];

    (void)state;
    memset(piece, 'a', sizeof(piece));
    ps_sha256_init(&ctx);
    while (left > 0) {
        size_t n = PS_MIN(left, sizeof(piece));

        ps_sha256_update(&ctx, piece, n);
        left -= n;
    }
    ps_sha256_final(&ctx, &d);
    assert_hex(d, "cdc76e5c9914fb9281a1c7e284d73e67"
                  "f1809a48a497200e046d39ccc7112cd0");
}

static void a_half_used_hash_can_be_released_twice(void **state)
{
    struct ps_sha256_ctx ctx;

    (void)state;
    ps_sha256_init(&ctx);
    ps_sha256_update(&ctx, "x", 1);
    ps_sha256_release(&ctx);
    ps_sha256_release(&ctx);
    assert_null(ctx.md);
}

static void hex_is_parsed_in_either_case(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_sha256 abc = ps_sha256_of("abc", 3);
    struct ps_sha256 d;

    (void)state;
    assert_ok(ps_sha256_parse(PS_STR_LIT("BA7816bf8f01cfea414140de5dae2223"
                                         "b00361a396177a9cb410ff61f20015AD"),
                              &d, &err),
              &err);
    assert_true(ps_sha256_equal(&d, &abc));
    d.bytes[31] ^= 1;
    assert_false(ps_sha256_equal(&d, &abc));
}

static void what_is_not_64_hexadecimal_digits_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "ba78",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f2",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015add",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ag",
        "/a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ":a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "@a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "`a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        struct ps_error err = PS_ERROR_INIT;
        struct ps_sha256 d;

        print_message("case: '%s'\n", cases[i]);
        assert_code(PS_EINVALID,
                    ps_sha256_parse(ps_str_from(cases[i]), &d, &err), &err);
    }
}

struct rfc4231 {
    const char *key;
    size_t key_len;
    const char *data;
    size_t data_len;
    char key_byte; /* when key is NULL, key_len of these */
    char data_byte;
    const char *hex;
};

static void hmac_agrees_with_rfc_4231(void **state)
{
    static const struct rfc4231 cases[] = {
        { .key_byte = '\x0b',
          .key_len = 20,
          .data = "Hi There",
          .data_len = 8,
          .hex = "b0344c61d8db38535ca8afceaf0bf12b"
                 "881dc200c9833da726e9376c2e32cff7" },
        { .key = "Jefe",
          .key_len = 4,
          .data = "what do ya want for nothing?",
          .data_len = 28,
          .hex = "5bdcc146bf60754e6a042426089575c7"
                 "5a003f089d2739839dec58b964ec3843" },
        { .key_byte = '\xaa',
          .key_len = 20,
          .data_byte = '\xdd',
          .data_len = 50,
          .hex = "773ea91e36800e46854db8ebd09181a7"
                 "2959098b3ef8c122d9635514ced565fe" },
        { .key = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d"
                 "\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19",
          .key_len = 25,
          .data_byte = '\xcd',
          .data_len = 50,
          .hex = "82558a389a443c0ea4cc819899f2083a"
                 "85f0faa3e578f8077a2e3ff46729665b" },
        { .key_byte = '\xaa',
          .key_len = 131,
          .data = "Test Using Larger Than Block-Size Key - Hash Key First",
          .data_len = 54,
          .hex = "60e431591ee0b67f0d8a26aacbf5b77f"
                 "8e0bc6213728c5140546040f0ee37f54" },
        { .key_byte = '\xaa',
          .key_len = 131,
          .data = "This is a test using a larger than block-size key and a "
                  "larger than block-size data. The key needs to be hashed "
                  "before being used by the HMAC algorithm.",
          .data_len = 152,
          .hex = "9b09ffa71b942fcb27635fbcd5b0e944"
                 "bfdc63644f0713938a7f51535c3a35e2" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        const struct rfc4231 *t = &cases[i];
        char key[200];
        char data[200];

        print_message("case: %zu\n", i);
        memset(key, t->key_byte, sizeof(key));
        memset(data, t->data_byte, sizeof(data));
        assert_hex(ps_hmac_sha256(t->key ? t->key : key, t->key_len,
                                  t->data ? t->data : data, t->data_len),
                   t->hex);
    }
}

static void hmac_takes_an_empty_key_and_no_data(void **state)
{
    static const char expected[] = "b613679a0814d9ec772f95d778c35fc5"
                                   "ff1697c493715653c6c712144292c5ad";

    (void)state;
    assert_hex(ps_hmac_sha256("", 0, "", 0), expected);
    assert_hex(ps_hmac_sha256(NULL, 0, NULL, 0), expected);
}

/* RFC 4648, section 10, and the two digits in which the alphabets differ. */
static void base64_agrees_with_rfc_4648(void **state)
{
    static const struct {
        struct ps_str data;
        const char *standard;
        const char *url;
    } cases[] = {
        { { NULL, 0 }, "", "" },
        { { "f", 1 }, "Zg==", "Zg" },
        { { "fo", 2 }, "Zm8=", "Zm8" },
        { { "foo", 3 }, "Zm9v", "Zm9v" },
        { { "foob", 4 }, "Zm9vYg==", "Zm9vYg" },
        { { "fooba", 5 }, "Zm9vYmE=", "Zm9vYmE" },
        { { "foobar", 6 }, "Zm9vYmFy", "Zm9vYmFy" },
        { { "\xfb\xff\xbf", 3 }, "+/+/", "-_-_" },
        { { "\0\0\0", 3 }, "AAAA", "AAAA" },
        { { "\xff", 1 }, "/w==", "_w" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        char *standard = ps_base64(cases[i].data.data, cases[i].data.len);
        char *url = ps_base64_url(cases[i].data.data, cases[i].data.len);

        assert_string_equal(standard, cases[i].standard);
        assert_string_equal(url, cases[i].url);
        free(standard);
        free(url);
    }
}

static void a_file_is_hashed_and_measured(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    char *dir = test_make_dir();
    char *path = test_write(dir, "f", "abc");
    struct ps_sha256 d;
    uint64_t size = 0;

    (void)state;
    assert_ok(ps_sha256_file(path, 3, &d, &size, &err), &err);
    assert_int_equal(size, 3);
    assert_hex(d, "ba7816bf8f01cfea414140de5dae2223"
                  "b00361a396177a9cb410ff61f20015ad");
    assert_ok(ps_sha256_file(path, UINT64_MAX, &d, NULL, &err), &err);
    assert_code(PS_ETOOBIG, ps_sha256_file(path, 2, &d, NULL, &err), &err);
    assert_non_null(strstr(err.text, path));
    free(path);
    test_remove_dir(dir);
}

static void hashing_begins_at_the_present_offset(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    char *dir = test_make_dir();
    char *path = test_write(dir, "f", "xxabc");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct ps_sha256 abc = ps_sha256_of("abc", 3);
    struct ps_sha256 d;
    uint64_t size = 0;

    (void)state;
    assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
    assert_ok(ps_sha256_fd(fd, 3, &d, &size, &err), &err);
    assert_true(ps_sha256_equal(&d, &abc));
    assert_int_equal(size, 3);
    (void)close(fd);
    assert_code(PS_EIO, ps_sha256_fd(-1, 3, &d, &size, &err), &err);
    free(path);
    test_remove_dir(dir);
}

static void what_is_not_a_plain_file_is_not_hashed(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    char *dir = test_make_dir();
    char *path = test_write(dir, "f", "abc");
    char *link = ps_format("%s/link", dir);
    char *fifo = ps_format("%s/fifo", dir);
    char *none = ps_format("%s/none", dir);
    struct ps_sha256 d;

    (void)state;
    assert_int_equal(symlink("f", link), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_code(PS_EINVALID, ps_sha256_file(link, 9, &d, NULL, &err), &err);
    assert_code(PS_EINVALID, ps_sha256_file(fifo, 9, &d, NULL, &err), &err);
    assert_code(PS_EINVALID, ps_sha256_file(dir, 9, &d, NULL, &err), &err);
    assert_code(PS_ENOTFOUND, ps_sha256_file(none, 9, &d, NULL, &err), &err);
    free(path);
    free(link);
    free(fifo);
    free(none);
    test_remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_agrees_with_the_published_examples),
        cmocka_unit_test(a_million_bytes_in_pieces_are_one_digest),
        cmocka_unit_test(a_half_used_hash_can_be_released_twice),
        cmocka_unit_test(hex_is_parsed_in_either_case),
        cmocka_unit_test(what_is_not_64_hexadecimal_digits_is_refused),
        cmocka_unit_test(hmac_agrees_with_rfc_4231),
        cmocka_unit_test(hmac_takes_an_empty_key_and_no_data),
        cmocka_unit_test(base64_agrees_with_rfc_4648),
        cmocka_unit_test(a_file_is_hashed_and_measured),
        cmocka_unit_test(hashing_begins_at_the_present_offset),
        cmocka_unit_test(what_is_not_a_plain_file_is_not_hashed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
