/* Authentication: the server's side (a client proves who it is) and ours towards a server. The
 * states are drawn in auth.h.
 *
 * Invariants: a doomed exchange (unknown user) looks like any other until its last step and never
 * succeeds; as a client of SCRAM, AuthenticationOk counts only after the server's signature. */
#include "proto/pg/auth.h"
#include "proto/pg/crypt.h"
#include "proto/pg/scram.h"
#include "proto/pg/wire.h"

#include <stdio.h>

enum {
    AUTH_OK = 0,
    AUTH_CLEAR = 3,
    AUTH_MD5 = 5,
    AUTH_SASL = 10,
    AUTH_SASL_CONTINUE = 11,
    AUTH_SASL_FINAL = 12,
};

/* ---- the server's side ---- */

static void set_server_state(weir_pg_auth_server *auth, weir_pg_auth_state state)
{
    assert(auth->state != WEIR_PG_AUTH_DONE && auth->state != WEIR_PG_AUTH_FAILED);
    assert(state > WEIR_PG_AUTH_BEGIN && state <= WEIR_PG_AUTH_FAILED);
    if (state == WEIR_PG_AUTH_DONE || state == WEIR_PG_AUTH_FAILED) {
        weir_pg_forget(&auth->secret, sizeof(auth->secret));
        auth->password = NULL;
    }
    if (state == WEIR_PG_AUTH_FAILED) {
        weir_pg_forget(&auth->proof, sizeof(auth->proof));
        auth->proved = false;
    }
    auth->state = state;
}

/* Sixteen bytes that are the same for a name each time, and mean nothing to who lacks the key. */
static int mock_salt(const char *user, const uint8_t mock_key[32], uint8_t ret[16])
{
    uint8_t digest[32];
    int r = weir_pg_hmac(mock_key, weir_slice_cstr(user), digest);
    if (r == 0)
        memcpy(ret, digest, 16);
    return r;
}

static int prepare_scram(weir_pg_auth_server *auth, const weir_pg_scram_secret *secret,
                         const uint8_t random[32], const uint8_t mock_key[32])
{
    weir_pg_base64_encode(weir_slice_make(random, 18), auth->server_nonce);
    if (secret) {
        auth->secret = *secret;
        return 0;
    }
    uint8_t salt[16];
    int r = mock_salt(auth->user, mock_key, salt);
    if (r != 0)
        return r;
    if (auth->password && !weir_pg_is_md5_secret(weir_slice_cstr(auth->password)))
        return weir_pg_scram_secret_make(weir_slice_cstr(auth->password), salt,
                                         WEIR_PG_SCRAM_ITERATIONS, &auth->secret);
    auth->secret = (weir_pg_scram_secret){.iterations = WEIR_PG_SCRAM_ITERATIONS, .salt_len = 16};
    memcpy(auth->secret.salt, salt, sizeof(salt));
    memcpy(auth->secret.stored_key, random, 32); /* what it is does not matter: doomed */
    auth->doomed = true; /* also who is known by an md5 secret, which proves nothing here */
    return 0;
}

static int begin_method(weir_pg_auth_server *auth, weir_buf *out)
{
    switch (auth->method) {
    case WEIR_PG_AUTH_TRUST:
        return weir_pg_write_auth(out, AUTH_OK, (weir_slice){0});
    case WEIR_PG_AUTH_PASSWORD:
        return weir_pg_write_auth(out, AUTH_CLEAR, (weir_slice){0});
    case WEIR_PG_AUTH_MD5:
        return weir_pg_write_auth(out, AUTH_MD5, weir_slice_make(auth->salt, sizeof(auth->salt)));
    case WEIR_PG_AUTH_SCRAM:
        /* A list of names, each zero-terminated, and a zero byte behind the last. */
        if (auth->binding_len > 0)
            return weir_pg_write_auth(out, AUTH_SASL,
                                      WEIR_SLICE_LIT("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"));
        return weir_pg_write_auth(out, AUTH_SASL, WEIR_SLICE_LIT("SCRAM-SHA-256\0\0"));
    }
    return -EINVAL;
}

static weir_pg_auth_state state_after_begin(weir_pg_auth_method method)
{
    if (method == WEIR_PG_AUTH_TRUST)
        return WEIR_PG_AUTH_DONE;
    return method == WEIR_PG_AUTH_SCRAM ? WEIR_PG_AUTH_WAIT_INITIAL : WEIR_PG_AUTH_WAIT_PASSWORD;
}

int weir_pg_auth_server_begin(weir_pg_auth_server *auth, weir_pg_auth_method method,
                              weir_slice user, const char *password,
                              const weir_pg_scram_secret *secret, const uint8_t random[32],
                              const uint8_t mock_key[32], weir_buf *out)
{
    assert(auth->state == WEIR_PG_AUTH_BEGIN);
    auth->method = method;
    auth->has_secret = secret != NULL;
    auth->password = password;
    /* PostgreSQL's names have at most 63 bytes: a longer one is nobody's. */
    size_t name_max = sizeof(auth->user) - 1;
    auth->doomed = (!password && !secret) || user.len > name_max;
    memset(auth->user, 0, sizeof(auth->user));
    if (user.len > 0)
        memcpy(auth->user, user.data, user.len < name_max ? user.len : name_max);
    memcpy(auth->salt, random + 18, sizeof(auth->salt)); /* behind what the nonce takes */
    int r = 0;
    if (method == WEIR_PG_AUTH_SCRAM)
        r = prepare_scram(auth, secret, random, mock_key);
    else if (secret)
        auth->secret = *secret;
    if (r == 0)
        r = begin_method(auth, out);
    if (r == 0)
        set_server_state(auth, state_after_begin(method));
    return r;
}

/* DONE after a right answer (AuthenticationOk goes out), FAILED after a wrong one. */
static int conclude(weir_pg_auth_server *auth, bool right, weir_buf *out)
{
    if (!right || auth->doomed) {
        set_server_state(auth, WEIR_PG_AUTH_FAILED);
        return 0;
    }
    int r = weir_pg_write_auth(out, AUTH_OK, (weir_slice){0});
    if (r == 0)
        set_server_state(auth, WEIR_PG_AUTH_DONE);
    return r;
}

/* 0 equal, -EACCES not; how long it takes says nothing about the content. */
static int compare(weir_slice given, weir_slice expected)
{
    bool equal = given.len == expected.len &&
                 weir_pg_equal_in_constant_time(given.data, expected.data, given.len);
    return equal ? 0 : -EACCES;
}

static int check_md5(const weir_pg_auth_server *auth, weir_slice answer)
{
    char expected[36];
    if (!auth->password)
        return -EACCES;
    int r = weir_pg_md5_answer(weir_slice_cstr(auth->user), weir_slice_cstr(auth->password),
                               auth->salt, expected);
    return r != 0 ? r : compare(answer, weir_slice_cstr(expected));
}

/* A clear-text answer against an md5 secret. */
static int check_hashed(const weir_pg_auth_server *auth, weir_slice answer)
{
    char hex[33];
    int r = weir_pg_md5_hex(answer, weir_slice_cstr(auth->user), hex);
    if (r == 0)
        r = compare(weir_slice_cstr(hex), weir_slice_cstr(auth->password + 3));
    weir_pg_forget(hex, sizeof(hex));
    return r;
}

static int check_clear(weir_pg_auth_server *auth, weir_slice answer)
{
    if (answer.len == 0) /* an empty password is never right, as in PostgreSQL */
        return -EACCES;
    if (auth->password && weir_pg_is_md5_secret(weir_slice_cstr(auth->password)))
        return check_hashed(auth, answer);
    if (auth->password)
        return compare(answer, weir_slice_cstr(auth->password));
    if (!auth->has_secret)
        return -EACCES;
    int r = weir_pg_scram_secret_check(&auth->secret, answer, &auth->proof);
    auth->proved = r == 0;
    return r;
}

static int feed_password(weir_pg_auth_server *auth, weir_slice body, weir_buf *out)
{
    weir_slice answer;
    int r = weir_pg_query_read(body, &answer); /* one string, as a Query */
    if (r != 0)
        return r;
    r = auth->method == WEIR_PG_AUTH_MD5 ? check_md5(auth, answer) : check_clear(auth, answer);
    if (r != 0 && r != -EACCES)
        return r;
    return conclude(auth, r == 0, out);
}

/* SASLInitialResponse: mechanism, length, the client-first-message. */
static int feed_initial(weir_pg_auth_server *auth, weir_slice body, weir_buf *out)
{
    weir_pg_reader in = weir_pg_reader_make(body);
    weir_slice mechanism = weir_pg_read_cstr(&in);
    uint32_t len = weir_pg_read_u32(&in);
    weir_slice message = weir_pg_read_bytes(&in, len);
    if (weir_pg_reader_end(&in) != 0)
        return -EPROTO;
    auth->bound = auth->binding_len > 0 && weir_slice_eq_cstr(mechanism, "SCRAM-SHA-256-PLUS");
    if (!auth->bound && !weir_slice_eq_cstr(mechanism, "SCRAM-SHA-256"))
        return -EPROTO;
    int r = weir_pg_scram_server_first(auth, message);
    if (r == 0)
        r = weir_pg_write_auth(out, AUTH_SASL_CONTINUE, weir_slice_cstr(auth->server_first));
    if (r == 0)
        set_server_state(auth, WEIR_PG_AUTH_WAIT_FINAL);
    return r;
}

static int feed_final(weir_pg_auth_server *auth, weir_slice body, weir_buf *out)
{
    char answer[64];
    size_t mark = out->len;
    int r = weir_pg_scram_server_final(auth, body, answer);
    if (r == -EACCES)
        return conclude(auth, false, out);
    if (r == 0)
        r = weir_pg_write_auth(out, AUTH_SASL_FINAL, weir_slice_cstr(answer));
    if (r == 0)
        r = conclude(auth, true, out);
    if (r != 0)
        out->len = mark;
    return r;
}

int weir_pg_auth_server_feed(weir_pg_auth_server *auth, weir_slice body, weir_buf *out)
{
    switch (auth->state) {
    case WEIR_PG_AUTH_WAIT_PASSWORD:
        return feed_password(auth, body, out);
    case WEIR_PG_AUTH_WAIT_INITIAL:
        return feed_initial(auth, body, out);
    case WEIR_PG_AUTH_WAIT_FINAL:
        return feed_final(auth, body, out);
    case WEIR_PG_AUTH_BEGIN:
    case WEIR_PG_AUTH_DONE:
    case WEIR_PG_AUTH_FAILED:
        break;
    }
    return -EPROTO; /* nothing was asked */
}

bool weir_pg_auth_server_is_costly(const weir_pg_auth_server *auth)
{
    return auth->state == WEIR_PG_AUTH_WAIT_PASSWORD && auth->method == WEIR_PG_AUTH_PASSWORD &&
           auth->has_secret;
}

void weir_pg_auth_server_fini(weir_pg_auth_server *auth)
{
    weir_pg_forget(auth, sizeof(*auth));
}

bool weir_pg_is_md5_secret(weir_slice text)
{
    bool is = text.len == 35 && memcmp(text.data, "md5", 3) == 0;
    for (size_t i = 3; is && i < text.len; i++)
        is = (text.data[i] >= '0' && text.data[i] <= '9') ||
             (text.data[i] >= 'a' && text.data[i] <= 'f');
    return is;
}

int weir_pg_md5_answer(weir_slice user, weir_slice password, const uint8_t salt[4], char ret[36])
{
    char inner[33];
    int r = 0;
    if (weir_pg_is_md5_secret(password)) {
        memcpy(inner, password.data + 3, 32);
        inner[32] = '\0';
    } else {
        r = weir_pg_md5_hex(password, user, inner);
    }
    if (r == 0)
        r = weir_pg_md5_hex(weir_slice_cstr(inner), weir_slice_make(salt, 4), ret + 3);
    if (r == 0)
        memcpy(ret, "md5", 3);
    weir_pg_forget(inner, sizeof(inner));
    return r;
}

/* ---- the client's side ---- */

static const char PLAIN[] = "SCRAM-SHA-256", PLUS[] = "SCRAM-SHA-256-PLUS";
static const char NOT_BOUND[] = "channel_binding=require, and it asks for no SCRAM-SHA-256-PLUS "
                                "on TLS";

static int refuse(weir_error *err, const char *why)
{
    weir_error_set(err, "08006", "weir: authentication to the server failed: %s", why);
    return -EPROTO;
}

/* Have we what proves it in the way that is asked for? */
static int require_means(const weir_pg_auth_client *auth, uint32_t code, weir_error *err)
{
    bool md5 = weir_pg_is_md5_secret(auth->password);
    if (auth->must_bind && code != AUTH_SASL)
        return refuse(err, NOT_BOUND);
    if (auth->has_proof ? code == AUTH_SASL : auth->password.len > 0 && (!md5 || code == AUTH_MD5))
        return 0;
    if (!auth->has_proof && auth->password.len == 0)
        weir_error_set(err, "08006", "weir: the server asks for a password and none is known");
    else
        weir_error_set(err, "08006",
                       "weir: the server asks for %s, and of the user's password only %s known",
                       code == AUTH_SASL  ? "SCRAM"
                       : code == AUTH_MD5 ? "md5"
                                          : "the password in clear",
                       auth->has_proof ? "the SCRAM keys are" : "an md5 secret is");
    return -EACCES;
}

/* The answer to a request for a password: a string with its zero byte. */
static int answer_password(weir_pg_auth_client *auth, weir_slice answer, weir_buf *out)
{
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_F_PASSWORD);
    weir_pg_put_cstr(&w, answer);
    int r = weir_pg_end(&w);
    if (r == 0)
        auth->state = WEIR_PG_AUTHC_ANSWERED;
    return r;
}

static int answer_md5(weir_pg_auth_client *auth, weir_slice salt, weir_buf *out, weir_error *err)
{
    char answer[36];
    if (salt.len != 4)
        return refuse(err, "malformed md5 request");
    int r = weir_pg_md5_answer(auth->user, auth->password, salt.data, answer);
    return r != 0 ? r : answer_password(auth, weir_slice_cstr(answer), out);
}

static bool offers(weir_slice mechanisms, const char *mechanism)
{
    weir_pg_reader in = weir_pg_reader_make(mechanisms);
    while (in.ok) {
        weir_slice name = weir_pg_read_cstr(&in);
        if (weir_slice_eq_cstr(name, mechanism))
            return true;
    }
    return false;
}

/* NULL: none that we speak, or may. */
static const char *choose_mechanism(weir_pg_auth_client *auth, weir_slice offered, weir_error *err)
{
    auth->bound = auth->binding_len > 0 && offers(offered, PLUS);
    if (auth->bound)
        return PLUS;
    if (auth->must_bind)
        (void)refuse(err, NOT_BOUND);
    else if (offers(offered, PLAIN))
        return PLAIN;
    else
        weir_error_set(err, "08006", "weir: the server offers no SASL mechanism that Weir speaks");
    weir_error_hint(err, "Weir speaks SCRAM-SHA-256, on TLS also SCRAM-SHA-256-PLUS.");
    return NULL;
}

static int begin_sasl(weir_pg_auth_client *auth, weir_slice mechanisms, weir_buf *out,
                      weir_error *err)
{
    const char *mechanism = choose_mechanism(auth, mechanisms, err);
    if (!mechanism)
        return -ENOTSUP;
    char first[128];
    weir_pg_scram_client_first(auth, first);
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_F_PASSWORD);
    weir_pg_put_cstr(&w, weir_slice_cstr(mechanism));
    weir_pg_put_u32(&w, (uint32_t)strlen(first));
    weir_pg_put_bytes(&w, weir_slice_cstr(first));
    int r = weir_pg_end(&w);
    if (r == 0)
        auth->state = WEIR_PG_AUTHC_SASL_FIRST;
    return r;
}

static int continue_sasl(weir_pg_auth_client *auth, weir_slice message, weir_buf *out,
                         weir_error *err)
{
    char answer[WEIR_PG_SCRAM_MESSAGE_MAX];
    if (auth->state != WEIR_PG_AUTHC_SASL_FIRST)
        return refuse(err, "SASL message out of order");
    int r = weir_pg_scram_client_final(auth, message, answer);
    if (r == -EPROTO)
        return refuse(err, "malformed or unacceptable SCRAM message");
    if (r == 0)
        r = weir_pg_write_password(out, weir_slice_cstr(answer));
    if (r == 0)
        auth->state = WEIR_PG_AUTHC_SASL_FINAL;
    return r;
}

static int finish_sasl(weir_pg_auth_client *auth, weir_slice message, weir_error *err)
{
    if (auth->state != WEIR_PG_AUTHC_SASL_FINAL || auth->server_verified)
        return refuse(err, "SASL message out of order");
    int r = weir_pg_scram_client_verify(auth, message);
    if (r == -EPROTO)
        return refuse(err, "the server did not prove that it knows the password");
    if (r == 0)
        auth->server_verified = true;
    return r;
}

static int finish(weir_pg_auth_client *auth, weir_slice rest, weir_error *err)
{
    bool in_scram =
        auth->state == WEIR_PG_AUTHC_SASL_FIRST || auth->state == WEIR_PG_AUTHC_SASL_FINAL;
    if (rest.len != 0 || auth->state == WEIR_PG_AUTHC_OK)
        return refuse(err, "malformed or repeated AuthenticationOk");
    if (in_scram && !auth->server_verified)
        return refuse(err, "the server ended it before proving that it knows the password");
    if (auth->must_bind && !auth->bound)
        return refuse(err, NOT_BOUND);
    auth->state = WEIR_PG_AUTHC_OK;
    return 0;
}

/* A request that opens an exchange: only as the first. */
static int open_exchange(weir_pg_auth_client *auth, uint32_t code, weir_slice rest, weir_buf *out,
                         weir_error *err)
{
    if (auth->state != WEIR_PG_AUTHC_BEGIN)
        return refuse(err, "a second authentication request");
    int r = require_means(auth, code, err);
    if (r != 0)
        return r;
    if (code == AUTH_CLEAR)
        return answer_password(auth, auth->password, out);
    return code == AUTH_MD5 ? answer_md5(auth, rest, out, err) : begin_sasl(auth, rest, out, err);
}

int weir_pg_auth_client_feed(weir_pg_auth_client *auth, weir_slice body, weir_buf *out,
                             weir_error *err)
{
    weir_pg_reader in = weir_pg_reader_make(body);
    uint32_t code = weir_pg_read_u32(&in);
    weir_slice rest = in.rest;
    if (!in.ok)
        return refuse(err, "malformed request");
    switch (code) {
    case AUTH_OK:
        return finish(auth, rest, err);
    case AUTH_CLEAR:
    case AUTH_MD5:
    case AUTH_SASL:
        return open_exchange(auth, code, rest, out, err);
    case AUTH_SASL_CONTINUE:
        return continue_sasl(auth, rest, out, err);
    case AUTH_SASL_FINAL:
        return finish_sasl(auth, rest, err);
    default:
        weir_error_set(err, "08006", "weir: the server asks for authentication method %u", code);
        weir_error_hint(err, "Weir speaks password, md5 and scram-sha-256 (pg_hba.conf).");
        return -ENOTSUP;
    }
}
