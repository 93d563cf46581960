/* The handshake: beginning it, its steps, what is learnt from it, and whose turn it is.
 *
 * A server's first step costs a key exchange and a signature (connecting and leaving took 0.5 ms of
 * CPU with an ECDSA key, 1.2 ms with RSA of 2048 bits), which is the loop's: of a crowd of clients
 * that come at once only a few are served in each turn, first come first served, so that those who
 * are in already are heard in between. */
#include "net/tls_stream.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

enum { HANDSHAKES_PER_TURN = 4 };

/* What an idle stream costs of OpenSSL's memory, about. */
#define TLS_COST ((size_t)16 * 1024)

/* ---- what was learnt ---- */

/* The last common name, as PostgreSQL takes it. -EACCES: it holds a zero byte, which is an attempt
 * to pass for somebody else (CVE-2009-4034). */
static int read_cn(X509_NAME *subject, char **ret)
{
    int at = -1, next;
    while ((next = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0)
        at = next;
    if (at < 0)
        return 0;
    unsigned char *text = NULL;
    int len =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (len < 0)
        return -EACCES;
    bool whole = memchr(text, '\0', (size_t)len) == NULL;
    *ret = whole ? strndup((const char *)text, (size_t)len) : NULL;
    OPENSSL_free(text);
    if (!whole)
        return -EACCES;
    return *ret ? 0 : -ENOMEM;
}

static int read_dn(X509_NAME *subject, char **ret)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio)
        return -ENOMEM;
    char *text = NULL;
    long len = X509_NAME_print_ex(bio, subject, 0, XN_FLAG_RFC2253) < 0
                   ? -1
                   : BIO_get_mem_data(bio, &text);
    bool whole = len >= 0 && (len == 0 || memchr(text, '\0', (size_t)len) == NULL);
    *ret = whole ? strndup(len ? text : "", (size_t)len) : NULL;
    BIO_free(bio);
    if (!whole)
        return -EACCES;
    return *ret ? 0 : -ENOMEM;
}

static int read_peer(weir_tls *t)
{
    X509 *certificate = SSL_get0_peer_certificate(t->ssl);
    if (!certificate)
        return 0;
    X509_NAME *subject = X509_get_subject_name(certificate);
    int r = read_cn(subject, &t->peer_cn);
    if (r == 0)
        r = read_dn(subject, &t->peer_dn);
    t->info.peer_cn = t->peer_cn;
    t->info.peer_dn = t->peer_dn;
    t->info.verified = t->context->judges && SSL_get_verify_result(t->ssl) == X509_V_OK;
    if (!t->context->server)
        t->info.binding_len = weir_tls_end_point(certificate, t->info.binding);
    return r;
}

static int learn(weir_tls *t)
{
    const unsigned char *alpn = NULL;
    unsigned alpn_len = 0;
    t->info.version = SSL_get_version(t->ssl);
    t->info.cipher = SSL_get_cipher_name(t->ssl);
    t->info.bits = SSL_get_cipher_bits(t->ssl, NULL);
    SSL_get0_alpn_selected(t->ssl, &alpn, &alpn_len);
    t->info.alpn = alpn_len == strlen("postgresql") && memcmp(alpn, "postgresql", alpn_len) == 0;
    if (t->context->server) {
        memcpy(t->info.binding, t->context->own, t->context->own_len);
        t->info.binding_len = t->context->own_len;
    }
    return read_peer(t);
}

/* ---- whose turn it is ---- */

static void admit_waiting(weir_timer *timer, weir_loop *loop)
{
    weir_tls_scratch *s = WEIR_CONTAINER_OF(timer, weir_tls_scratch, timer);
    (void)loop;
    for (int i = 0; i < HANDSHAKES_PER_TURN; i++) {
        weir_list *node = weir_list_pop_front(&s->waiting);
        if (!node)
            return;
        weir_tls *t = WEIR_CONTAINER_OF(node, weir_tls, link);
        t->admitted = true;
        t->stream->loop->ops->resume(t->stream); /* hands its bytes again */
    }
    if (!weir_list_empty(&s->waiting))
        weir_timer_arm(s->loop, &s->timer, s->loop->now);
}

void weir_tls_turns_init(weir_tls_scratch *scratch)
{
    weir_timer_init(&scratch->timer, admit_waiting);
}

static bool has_its_turn(weir_tls *t)
{
    weir_tls_scratch *s = t->stream->loop->tls;
    if (t->admitted || !t->context->server)
        return true;
    if (s->turn != s->loop->now) {
        s->turn = s->loop->now;
        s->begun = 0;
    }
    if (weir_list_empty(&s->waiting) && s->begun < HANDSHAKES_PER_TURN) {
        s->begun++;
        t->admitted = true;
        return true;
    }
    if (weir_list_empty(&t->link)) {
        weir_list_push_back(&s->waiting, &t->link);
        weir_timer_arm(s->loop, &s->timer, s->loop->now);
    }
    return false;
}

/* ---- steps ---- */

static void refused(weir_tls *t)
{
    char words[sizeof(t->failure)];
    long verdict = SSL_get_verify_result(t->ssl);
    if (t->context->judges && verdict != X509_V_OK) {
        ERR_clear_error();
        (void)snprintf(words, sizeof(words), "certificate verify failed: %s",
                       X509_verify_cert_error_string(verdict));
        weir_tls_fail(t, -EACCES, words);
    } else {
        weir_tls_fail(t, -EPROTO, NULL);
    }
}

bool weir_tls_shake(weir_tls *t)
{
    if (t->open)
        return true;
    if (!has_its_turn(t))
        return false;
    ERR_clear_error();
    int r = SSL_do_handshake(t->ssl);
    if (r != 1 && SSL_get_error(t->ssl, r) == SSL_ERROR_WANT_READ) {
        weir_tls_flush_cipher(t);
        return false;
    }
    if (r != 1) {
        refused(t);
        return false;
    }
    weir_tls_flush_cipher(t);
    r = learn(t);
    if (r < 0) {
        weir_tls_fail(t, r,
                      r == -EACCES ? "the peer's certificate has a name that cannot be read"
                                   : "out of memory");
        return false;
    }
    t->open = true;
    if (t->handler->on_open)
        t->handler->on_open(t->stream);
    return true;
}

/* ---- beginning ---- */

static bool is_ip(const char *host)
{
    unsigned char address[16];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool set_names(SSL *ssl, const char *sni, const char *match)
{
    if (sni && !is_ip(sni) && SSL_set_tlsext_host_name(ssl, sni) != 1)
        return false;
    if (!match)
        return true;
    if (is_ip(match))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), match) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, match) == 1;
}

static SSL *make_ssl(weir_tls *t, const char *sni, const char *match)
{
    SSL *ssl = SSL_new(t->context->ssl);
    BIO *bio = ssl ? BIO_new(t->context->bio) : NULL;
    if (!bio) {
        SSL_free(ssl);
        return NULL;
    }
    BIO_set_data(bio, t);
    SSL_set_bio(ssl, bio, bio);
    if (t->context->server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    if (!set_names(ssl, sni, match)) {
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}

static void hand_again(weir_timer *timer, weir_loop *loop)
{
    (void)loop;
    weir_tls_again(WEIR_CONTAINER_OF(timer, weir_tls, again));
}

int weir_stream_start_tls(weir_stream *stream, weir_tls_context *context, const char *sni,
                          const char *match)
{
    weir_loop *loop = stream->loop;
    assert(!stream->tls);
    int r = weir_tls_scratch_ensure(loop);
    if (r < 0)
        return r;
    weir_tls *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->stream = stream;
    t->handler = stream->handler;
    t->context = weir_tls_context_ref(context);
    weir_list_init(&t->link);
    weir_timer_init(&t->again, hand_again);
    bool charged =
        !loop->memory || weir_memory_charge(loop->memory, WEIR_MEMORY_CLIENT, TLS_COST) == 0;
    t->charged = charged && loop->memory ? TLS_COST : 0;
    t->ssl = charged ? make_ssl(t, sni, match) : NULL;
    if (!t->ssl) {
        weir_tls_free(t);
        return -ENOMEM;
    }
    stream->tls = t;
    stream->handler = &weir_tls_handler;
    if (context->server)
        weir_timer_arm(loop, &t->again, loop->now); /* what was not consumed is the handshake's */
    else
        (void)weir_tls_shake(t);
    return 0;
}

const weir_tls_info *weir_stream_tls(const weir_stream *stream)
{
    return stream->tls && stream->tls->open ? &stream->tls->info : NULL;
}

const char *weir_stream_tls_failure(const weir_stream *stream)
{
    return stream->tls && stream->tls->failure[0] ? stream->tls->failure : NULL;
}
