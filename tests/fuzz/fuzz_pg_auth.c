/* Bytes as the bodies of authentication messages, to the server's side and to the client's. The
 * first byte chooses; the bodies follow, each behind a length byte. Nobody may get in: the server
 * side knows a password that no input is derived from, the client's accepts no unproved server. */
#include "proto/pg/crypt.h"
#include "proto/pg/pg.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t random_bytes[32] = "0123456789abcdefghijklmnopqrstu";
static const uint8_t mock_key[32] = {1};
static const char password[] = "\x01 not to be found by chance \x02";

static void require(bool condition)
{
    if (!condition)
        abort();
}

static bool next_body(weir_slice *in, weir_slice *ret)
{
    if (in->len == 0)
        return false;
    size_t len = in->data[0];
    weir_slice rest = weir_slice_skip(*in, 1);
    if (len > rest.len)
        len = rest.len;
    *ret = weir_slice_head(rest, len);
    *in = weir_slice_skip(rest, len);
    return true;
}

static void as_server(weir_pg_auth_method method, weir_slice in)
{
    weir_pg_scram_secret secret = {.iterations = 1, .salt_len = 16, .stored_key = {7}};
    weir_pg_auth_server s = {0};
    weir_buf out;
    weir_slice body;
    weir_buf_init(&out, 65536);
    bool scram = method == WEIR_PG_AUTH_SCRAM;
    require(weir_pg_auth_server_begin(&s, method, WEIR_SLICE_LIT("ann"), scram ? NULL : password,
                                      scram ? &secret : NULL, random_bytes, mock_key, &out) == 0);
    while (next_body(&in, &body)) {
        int r = weir_pg_auth_server_feed(&s, body, &out);
        require(r == 0 || r == -EPROTO);
        require(s.state != WEIR_PG_AUTH_DONE);
    }
    weir_buf_fini(&out);
}

/* More than four digits of iterations would only heat the room. */
static bool is_costly(weir_slice body)
{
    for (size_t i = 0; i + 2 < body.len; i++)
        if (memcmp(body.data + i, ",i=", 3) == 0 && body.len - i > 7)
            return true;
    return false;
}

static void as_client(weir_slice in)
{
    weir_pg_auth_client c = {.user = WEIR_SLICE_LIT("ann"), .password = WEIR_SLICE_LIT("secret")};
    memcpy(c.random, random_bytes, sizeof(c.random));
    weir_buf out;
    weir_error err;
    weir_slice body;
    weir_buf_init(&out, 65536);
    bool sasl = false;
    while (next_body(&in, &body) && !is_costly(body)) {
        int r = weir_pg_auth_client_feed(&c, body, &out, &err);
        require(r == 0 || r == -EPROTO || r == -ENOTSUP || r == -EACCES);
        sasl |= c.state == WEIR_PG_AUTHC_SASL_FIRST;
        require(!sasl || c.state != WEIR_PG_AUTHC_OK || c.server_verified);
        if (r != 0)
            break;
    }
    weir_buf_fini(&out);
}

static void as_text(weir_slice in)
{
    weir_pg_scram_secret secret;
    char printed[160];
    uint8_t *prepared = malloc(in.len + 1);
    require(prepared != NULL);
    require(weir_pg_saslprep(in, prepared) <= in.len);
    free(prepared);
    if (weir_pg_scram_secret_parse(in, &secret) == 0)
        require(weir_pg_scram_secret_print(&secret, printed, sizeof(printed)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    weir_slice in = weir_slice_make(data + 1, size - 1);
    switch (data[0] % 5) {
    case 0:
        as_server(WEIR_PG_AUTH_PASSWORD, in);
        break;
    case 1:
        as_server(WEIR_PG_AUTH_MD5, in);
        break;
    case 2:
        as_server(WEIR_PG_AUTH_SCRAM, in);
        break;
    case 3:
        as_client(in);
        break;
    default:
        as_text(in);
    }
    return 0;
}
