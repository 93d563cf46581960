/* TLS streams keep the promises of net/net.h, whatever the bytes are cut into; and say what is
 * wrong with a certificate, a key or a peer. */
#include "certs.h"
#include "conformance.h"
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

static certs files; /* of the whole run */

static weir_tls_context *context(const weir_tls_options *options)
{
    weir_tls_context *c = NULL;
    weir_error err;
    if (weir_tls_context_new(options, &c, &err) != 0)
        fail_msg("%s", err.message);
    return c;
}

static weir_tls_context *server_context(const char *cert, const char *key, weir_tls_verify verify)
{
    return context(&(weir_tls_options){.server = true,
                                       .cert = certs_path(&files, cert),
                                       .key = certs_path(&files, key),
                                       .ca = verify ? certs_path(&files, "ca.pem") : NULL,
                                       .verify = verify});
}

static weir_tls_context *client_context(const char *cert, const char *key)
{
    return context(&(weir_tls_options){.cert = cert ? certs_path(&files, cert) : NULL,
                                       .key = key ? certs_path(&files, key) : NULL,
                                       .ca = certs_path(&files, "ca.pem"),
                                       .verify = WEIR_TLS_VERIFY_REQUIRED});
}

static void begin(net_bed *bed, const char *address)
{
    *bed = (net_bed){.address = address};
    weir_memory_init(&bed->memory, 0);
    weir_loop_options options = {.kind = net_kind(), .name = "test", .memory = &bed->memory};
    assert_int_equal(weir_loop_new(&options, &bed->loop), 0);
    bed->tls_server = server_context("server.pem", "server.key", WEIR_TLS_VERIFY_OPTIONAL);
    bed->tls_client = client_context(NULL, NULL);
}

static void use(weir_tls_context **place, weir_tls_context *other)
{
    weir_tls_context_unref(*place);
    *place = other;
}

static void finish(net_bed *bed)
{
    weir_loop_free(bed->loop);
    weir_tls_context_unref(bed->tls_server);
    weir_tls_context_unref(bed->tls_client);
    assert_int_equal(atomic_load(&bed->memory.total), 0);
}

static void run_all(const net_scenario *scenario, const char *address)
{
    for (; scenario->name; scenario++) {
        print_message("    %s\n", scenario->name);
        net_bed bed;
        begin(&bed, address);
        scenario->run(&bed);
        finish(&bed);
    }
}

static void test_tls_over_tcp_keeps_the_promises_of_streams(void **state)
{
    (void)state;
    run_all(net_scenarios, "127.0.0.1:0");
    run_all(net_life_scenarios, "127.0.0.1:0");
}

static void test_tls_over_unix_sockets_keeps_the_promises_of_streams(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof(path), "/tmp/weir-tls-%d.sock", (int)getpid());
    run_all(net_scenarios, path);
    run_all(net_life_scenarios, path);
}

/* ---- who the other is ---- */

static void remember_and_close(net_end *end)
{
    const weir_tls_info *info = weir_stream_tls(end->stream);
    assert_non_null(info);
    end->got = info->binding_len;
    assert_string_equal(info->version, "TLSv1.3");
    assert_true(info->alpn);
    assert_true(info->bits >= 128);
    assert_true(info->verified);
    assert_string_equal(info->peer_cn, "localhost");
    assert_string_equal(info->peer_dn, "CN=localhost,O=Weir");
    weir_stream_close(end->stream, WEIR_SECOND);
}

static uint8_t accepted_binding[64];

static void look_at_client(net_end *end)
{
    const weir_tls_info *info = weir_stream_tls(end->stream);
    assert_non_null(info);
    assert_int_equal(info->binding_len, 32); /* SHA-256, of an ecdsa-with-SHA256 signature */
    memcpy(accepted_binding, info->binding, 32);
    assert_string_equal(info->peer_cn, "alice");
    assert_string_equal(info->peer_dn, "CN=alice,O=Weir");
    assert_true(info->verified);
}

static void test_both_ends_know_each_other_and_the_same_channel_binding(void **state)
{
    (void)state;
    net_bed bed;
    begin(&bed, "127.0.0.1:0");
    use(&bed.tls_server, server_context("server.pem", "server.key", WEIR_TLS_VERIFY_REQUIRED));
    use(&bed.tls_client, client_context("client.pem", "client.key"));
    net_end server = {.open = look_at_client}, client = {.open = remember_and_close};
    net_pair(&bed, &server, &client);
    net_run(&bed, 2);
    assert_int_equal(client.got, 32);
    assert_int_equal(server.opened, 1);
    assert_int_equal(server.error, 0); /* the close_notify came */
    finish(&bed);
}

typedef struct failing {
    net_end end;
    char words[300];
} failing;

static void keep_words(net_end *end)
{
    failing *f = WEIR_CONTAINER_OF(end, failing, end);
    const char *words = weir_stream_tls_failure(end->stream);
    snprintf(f->words, sizeof(f->words), "%s", words ? words : "");
}

/* Both ends fail; what the connecting one says. */
static void expect_refusal(net_bed *bed, int error, const char *words)
{
    failing server = {.end = {.gone = keep_words}}, client = {.end = {.gone = keep_words}};
    net_pair(bed, &server.end, &client.end);
    net_run(bed, 2);
    assert_int_equal(client.end.opened, 0);
    assert_int_equal(client.end.error, error);
    if (!strstr(client.words, words))
        fail_msg("\"%s\" instead of \"%s\"", client.words, words);
    assert_int_not_equal(server.end.error, 0);
    assert_int_not_equal(server.words[0], '\0');
    finish(bed);
}

static void test_a_server_of_another_authority_is_refused(void **state)
{
    (void)state;
    net_bed bed;
    begin(&bed, "127.0.0.1:0");
    use(&bed.tls_server, server_context("stranger.pem", "stranger.key", WEIR_TLS_VERIFY_NONE));
    expect_refusal(&bed, -EACCES, "unable to get local issuer certificate");
}

static void test_a_server_of_another_name_is_refused(void **state)
{
    (void)state;
    net_bed bed;
    begin(&bed, "127.0.0.1:0");
    use(&bed.tls_server, server_context("other.pem", "other.key", WEIR_TLS_VERIFY_NONE));
    expect_refusal(&bed, -EACCES, "hostname mismatch");
}

static void test_an_expired_server_is_refused(void **state)
{
    (void)state;
    net_bed bed;
    begin(&bed, "127.0.0.1:0");
    use(&bed.tls_server, server_context("expired.pem", "expired.key", WEIR_TLS_VERIFY_NONE));
    expect_refusal(&bed, -EACCES, "certificate has expired");
}

static void test_a_client_of_another_authority_is_refused(void **state)
{
    (void)state;
    net_bed bed;
    begin(&bed, "127.0.0.1:0");
    use(&bed.tls_client, client_context("stranger.pem", "stranger.key"));
    failing server = {.end = {.gone = keep_words}}, client = {.end = {.gone = keep_words}};
    net_pair(&bed, &server.end, &client.end);
    net_run(&bed, 2);
    assert_int_equal(server.end.opened, 0);
    assert_int_equal(server.end.error, -EACCES);
    assert_non_null(strstr(server.words, "certificate verify failed"));
    assert_int_equal(client.end.error, -EPROTO); /* TLS 1.3: told after it thought itself in */
    assert_non_null(strstr(client.words, "alert"));
    finish(&bed);
}

/* ---- cut anywhere, cut off, garbage ---- */

/* An OpenSSL client whose bytes the test carries: over memory, not over a socket. */
typedef struct carried {
    net_end end; /* the plain stream that carries them */
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
    weir_timer timer;
    size_t piece; /* bytes sent at a time */
    uint8_t pending[300000];
    size_t pending_len, pending_at;
    size_t to_send, sent, got;
    bool truncate; /* end without close_notify */
    bool done;
} carried;

static void carry(carried *c)
{
    int n =
        BIO_read(c->out, c->pending + c->pending_len, (int)(sizeof(c->pending) - c->pending_len));
    if (n > 0)
        c->pending_len += (size_t)n;
}

static void advance(carried *c)
{
    uint8_t buf[16384];
    if (SSL_do_handshake(c->ssl) == 1) {
        int n;
        while ((n = SSL_read(c->ssl, buf, sizeof(buf))) > 0) {
            for (int i = 0; i < n; i++)
                assert_int_equal(buf[i], net_pattern(c->got + (size_t)i));
            c->got += (size_t)n;
        }
        if (c->sent < c->to_send) {
            for (size_t i = 0; i < c->to_send; i++)
                buf[i] = net_pattern(i);
            assert_int_equal(SSL_write(c->ssl, buf, (int)c->to_send), c->to_send);
            c->sent = c->to_send;
        }
        if (c->got == c->to_send && !c->done) {
            c->done = true;
            if (!c->truncate)
                (void)SSL_shutdown(c->ssl);
        }
    }
    carry(c);
}

static void send_piece(weir_timer *timer, weir_loop *loop)
{
    carried *c = WEIR_CONTAINER_OF(timer, carried, timer);
    size_t n = c->pending_len - c->pending_at;
    n = n < c->piece ? n : c->piece;
    if (c->end.closed)
        return;
    weir_stream_write(c->end.stream, weir_slice_make(c->pending + c->pending_at, n));
    c->pending_at += n;
    if (c->done && c->pending_at == c->pending_len) {
        weir_stream_close(c->end.stream, WEIR_SECOND);
        return;
    }
    weir_timer_arm(loop, timer, weir_loop_now(loop));
}

static void carried_open(net_end *end)
{
    carried *c = WEIR_CONTAINER_OF(end, carried, end);
    advance(c);
    weir_timer_init(&c->timer, send_piece);
    weir_timer_arm(end->bed->loop, &c->timer, weir_loop_now(end->bed->loop));
}

static size_t carried_bytes(net_end *end, weir_slice bytes)
{
    carried *c = WEIR_CONTAINER_OF(end, carried, end);
    assert_int_equal(BIO_write(c->in, bytes.data, (int)bytes.len), bytes.len);
    advance(c);
    return bytes.len;
}

static void carried_begin(carried *c, size_t piece, size_t to_send)
{
    memset(c, 0, sizeof(*c));
    c->end.open = carried_open;
    c->end.bytes = carried_bytes;
    c->piece = piece;
    c->to_send = to_send;
    c->ctx = SSL_CTX_new(TLS_client_method());
    c->ssl = SSL_new(c->ctx);
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_connect_state(c->ssl);
}

static void carried_end(carried *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
}

static size_t echo(net_end *end, weir_slice bytes)
{
    weir_stream_write(end->stream, bytes);
    end->got += bytes.len;
    return bytes.len;
}

/* Hazard 15: whatever the cut, the last record is handed when its last byte has come. */
static void test_records_cut_at_any_byte_come_through(void **state)
{
    static const size_t pieces[] = {1, 2, 3, 7, 100, 4096, 100000};
    (void)state;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        static carried client;
        net_bed bed;
        begin(&bed, "127.0.0.1:0");
        use(&bed.tls_client, NULL);
        carried_begin(&client, pieces[i], 3000);
        net_end server = {.bytes = echo};
        net_pair(&bed, &server, &client.end);
        net_run(&bed, 2);
        assert_int_equal(client.got, 3000);
        assert_int_equal(server.error, 0);
        carried_end(&client);
        finish(&bed);
    }
}

static void test_an_end_without_close_notify_is_told_as_a_failure(void **state)
{
    static carried client;
    (void)state;
    net_bed bed;
    begin(&bed, "127.0.0.1:0");
    use(&bed.tls_client, NULL);
    carried_begin(&client, 100000, 3000);
    client.truncate = true;
    failing server = {.end = {.bytes = echo, .gone = keep_words}};
    net_pair(&bed, &server.end, &client.end);
    net_run(&bed, 2);
    assert_int_equal(server.end.got, 3000);
    assert_int_equal(server.end.error, -ECONNRESET);
    assert_non_null(strstr(server.words, "close_notify"));
    carried_end(&client);
    finish(&bed);
}

static void send_garbage(net_end *end)
{
    weir_stream_write(end->stream, WEIR_SLICE_LIT("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
}

static size_t swallow(net_end *end, weir_slice bytes)
{
    (void)end;
    return bytes.len;
}

static void test_garbage_instead_of_a_handshake_closes_with_words(void **state)
{
    (void)state;
    net_bed bed;
    begin(&bed, "127.0.0.1:0");
    use(&bed.tls_client, NULL);
    failing server = {.end = {.gone = keep_words}};
    net_end client = {.open = send_garbage, .bytes = swallow};
    net_pair(&bed, &server.end, &client);
    net_run(&bed, 2);
    assert_int_equal(server.end.opened, 0);
    assert_int_equal(server.end.error, -EPROTO);
    assert_non_null(strstr(server.words, "http request"));
    finish(&bed);
}

/* ---- quiet ---- */

typedef struct watcher {
    net_end end;
    weir_timer timer;
    unsigned looks;
} watcher;

static void look(weir_timer *timer, weir_loop *loop)
{
    watcher *w = WEIR_CONTAINER_OF(timer, watcher, timer);
    if (!weir_stream_quiet(w->end.stream)) { /* the ticket is still on its way */
        weir_timer_arm(loop, timer, weir_loop_now(loop) + WEIR_MS);
        return;
    }
    w->looks++;
    assert_int_equal(weir_stream_export(w->end.stream, &(int){0}), -ENOTSUP);
    weir_stream_close(w->end.stream, WEIR_SECOND);
}

static void look_later(net_end *end)
{
    watcher *w = WEIR_CONTAINER_OF(end, watcher, end);
    weir_timer_init(&w->timer, look);
    weir_timer_arm(end->bed->loop, &w->timer, weir_loop_now(end->bed->loop) + 20 * WEIR_MS);
}

/* The server sends a session ticket after the handshake, which nobody asked for. */
static void test_tickets_do_not_make_an_idle_stream_unquiet(void **state)
{
    (void)state;
    net_bed bed;
    begin(&bed, "127.0.0.1:0");
    net_end server = {0};
    watcher client = {.end = {.open = look_later}};
    net_pair(&bed, &server, &client.end);
    net_run(&bed, 2);
    assert_int_equal(client.looks, 1);
    finish(&bed);
}

static size_t leave_a_byte(net_end *end, weir_slice bytes)
{
    assert_true(bytes.len > 1);
    end->got = bytes.len;
    assert_false(weir_stream_quiet(end->stream) && end->got == 0);
    return bytes.len - 1;
}

static void look_unquiet(weir_timer *timer, weir_loop *loop)
{
    watcher *w = WEIR_CONTAINER_OF(timer, watcher, timer);
    (void)loop;
    w->looks++;
    assert_false(weir_stream_quiet(w->end.stream));
    weir_stream_close(w->end.stream, 0);
}

static void look_unquiet_later(net_end *end)
{
    watcher *w = WEIR_CONTAINER_OF(end, watcher, end);
    weir_timer_init(&w->timer, look_unquiet);
    weir_timer_arm(end->bed->loop, &w->timer, weir_loop_now(end->bed->loop) + 50 * WEIR_MS);
}

static void send_words(net_end *end)
{
    weir_stream_write(end->stream, WEIR_SLICE_LIT("words"));
}

static void test_unconsumed_plaintext_is_not_quiet(void **state)
{
    (void)state;
    net_bed bed;
    begin(&bed, "127.0.0.1:0");
    net_end server = {.open = send_words};
    watcher client = {.end = {.open = look_unquiet_later, .bytes = leave_a_byte}};
    net_pair(&bed, &server, &client.end);
    net_run(&bed, 2);
    assert_int_equal(client.looks, 1);
    assert_int_equal(client.end.got, 5);
    finish(&bed);
}

/* ---- files ---- */

static void expect_error(const weir_tls_options *options, const char *words)
{
    weir_tls_context *c = NULL;
    weir_error err;
    assert_true(weir_tls_context_new(options, &c, &err) < 0);
    if (!strstr(err.message, words))
        fail_msg("\"%s\" instead of \"%s\"", err.message, words);
    assert_string_equal(err.sqlstate, "F0000");
}

static void test_each_broken_file_is_named_with_what_is_wrong(void **state)
{
    (void)state;
    weir_tls_options o = {.server = true,
                          .cert = strdup(certs_path(&files, "server.pem")),
                          .key = strdup(certs_path(&files, "encrypted.key"))};
    expect_error(&o, "encrypted.key is encrypted");
    free((char *)(uintptr_t)o.key);
    o.key = strdup(certs_path(&files, "client.key"));
    expect_error(&o, "does not match the certificate");
    assert_int_equal(chmod(o.key, 0644), 0);
    expect_error(&o, "has group or world access");
    assert_int_equal(chmod(o.key, 0600), 0);
    free((char *)(uintptr_t)o.key);
    o.key = "/nonexistent/key";
    expect_error(&o, "private key file /nonexistent/key: No such file");
    o.key = "/tmp";
    expect_error(&o, "is not a regular file");
    free((char *)(uintptr_t)o.cert);
    o.cert = "/nonexistent/cert";
    expect_error(&o, "/nonexistent/cert: No such file");
    expect_error(&(weir_tls_options){.ca = "/nonexistent/ca"}, "authorities file /nonexistent/ca");
    expect_error(&(weir_tls_options){.ciphers = "NONSENSE"}, "ciphers NONSENSE");
}

static void test_a_context_knows_when_its_certificate_ends(void **state)
{
    (void)state;
    weir_tls_context *c = server_context("expired.pem", "expired.key", WEIR_TLS_VERIFY_NONE);
    assert_true(weir_tls_context_expiry(c) < time(NULL));
    weir_tls_context_unref(c);
    c = server_context("server.pem", "server.key", WEIR_TLS_VERIFY_NONE);
    assert_true(weir_tls_context_expiry(c) > time(NULL) + 29 * 24 * 3600);
    weir_tls_context_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls_over_tcp_keeps_the_promises_of_streams),
        cmocka_unit_test(test_tls_over_unix_sockets_keeps_the_promises_of_streams),
        cmocka_unit_test(test_both_ends_know_each_other_and_the_same_channel_binding),
        cmocka_unit_test(test_a_server_of_another_authority_is_refused),
        cmocka_unit_test(test_a_server_of_another_name_is_refused),
        cmocka_unit_test(test_an_expired_server_is_refused),
        cmocka_unit_test(test_a_client_of_another_authority_is_refused),
        cmocka_unit_test(test_records_cut_at_any_byte_come_through),
        cmocka_unit_test(test_an_end_without_close_notify_is_told_as_a_failure),
        cmocka_unit_test(test_garbage_instead_of_a_handshake_closes_with_words),
        cmocka_unit_test(test_tickets_do_not_make_an_idle_stream_unquiet),
        cmocka_unit_test(test_unconsumed_plaintext_is_not_quiet),
        cmocka_unit_test(test_each_broken_file_is_named_with_what_is_wrong),
        cmocka_unit_test(test_a_context_knows_when_its_certificate_ends),
    };
    certs_make(&files);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    certs_remove(&files);
    return failed;
}
