#include "uri.h"

#include <string.h>

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
           c == '~';
}

void ps_uri_encode(struct ps_buf *out, const char *text, const char *keep)
{
    for (const char *p = text; *p; p++) {
        if (is_unreserved(*p) || strchr(keep, *p))
            ps_buf_addc(out, *p);
        else
            ps_buf_addf(out, "%%%02X", (unsigned)(unsigned char)*p);
    }
}

int ps_uri_decode(struct ps_str text, struct ps_buf *out, struct ps_error *err)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        int high = 0;
        int low = 0;

        if (c != '%') {
            ps_buf_addc(out, c);
            continue;
        }
        if (text.len - i < 3)
            return ps_fail(err, PS_EINVALID, "'%%' without two digits");
        high = ps_hex_digit(text.data[i + 1]);
        low = ps_hex_digit(text.data[i + 2]);
        if (high < 0 || low < 0 || high + low == 0)
            return ps_fail(err, PS_EINVALID, "bad escape '%.3s'",
                           text.data + i);
        ps_buf_addc(out, (char)(high * 16 + low));
        i += 2;
    }
    return PS_OK;
}
