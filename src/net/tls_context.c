/* A context: certificate, key, authorities and settings from files. Every complaint names the file.
 * The key's permissions are judged as PostgreSQL judges them (be-secure-common.c). */
#include "net/tls_stream.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const unsigned char ALPN[] = "\x0apostgresql";
#define ALPN_LEN ((unsigned)sizeof(ALPN) - 1)
#define SESSION_CONTEXT "weir"

void weir_tls_reason(char *out, size_t size)
{
    unsigned long code = 0, next;
    while ((next = ERR_get_error()) != 0)
        code = code && ERR_SYSTEM_ERROR(code) ? code : next; /* what lies beneath says most */
    const char *reason = ERR_reason_error_string(code);
    if (reason)
        (void)snprintf(out, size, "%s", reason);
    else if (code && ERR_SYSTEM_ERROR(code))
        (void)snprintf(out, size, "%s", strerror(ERR_GET_REASON(code)));
    else
        (void)snprintf(out, size, "OpenSSL error %lx", code);
}

static int refuse(weir_error *err, const char *what, const char *path)
{
    char reason[200];
    weir_tls_reason(reason, sizeof(reason));
    weir_error_set(err, "F0000", "%s %.150s: %s", what, path, reason);
    return -EINVAL;
}

/* ---- our certificate and key ---- */

static int check_key_file(const char *path, weir_error *err)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        int r = -errno;
        weir_error_set(err, "F0000", "private key file %.150s: %s", path, strerror(-r));
        return r;
    }
    if (!S_ISREG(st.st_mode)) {
        weir_error_set(err, "F0000", "private key file %.150s is not a regular file", path);
        return -EINVAL;
    }
    if (st.st_uid != geteuid() && st.st_uid != 0) {
        weir_error_set(err, "F0000",
                       "private key file %.150s must be owned by the user Weir runs as, or by root",
                       path);
        return -EACCES;
    }
    mode_t excess = st.st_uid == geteuid() ? S_IRWXG | S_IRWXO : S_IWGRP | S_IXGRP | S_IRWXO;
    if (st.st_uid == 0 && geteuid() == 0)
        excess = S_IWGRP | S_IXGRP | S_IRWXO;
    if (st.st_mode & excess) {
        weir_error_set(err, "F0000",
                       "private key file %.150s has group or world access: chmod it to 0600 (or "
                       "0640 if root owns it)",
                       path);
        return -EACCES;
    }
    return 0;
}

static int no_passphrase(char *buf, int size, int writing, void *user)
{
    (void)size;
    (void)writing;
    *(bool *)user = true;
    buf[0] = '\0';
    return 0;
}

static int use_key(SSL_CTX *ctx, const char *path, weir_error *err)
{
    bool encrypted = false;
    int r = check_key_file(path, err);
    if (r < 0)
        return r;
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, &encrypted);
    int done = SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    SSL_CTX_set_default_passwd_cb(ctx, NULL);
    if (done == 1)
        return 0;
    if (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH) {
        ERR_clear_error();
        weir_error_set(err, "F0000", "private key file %.150s does not match the certificate",
                       path);
        return -EINVAL;
    }
    if (!encrypted)
        return refuse(err, "cannot load private key file", path);
    ERR_clear_error();
    weir_error_set(err, "F0000",
                   "private key file %.150s is encrypted, and nobody is there to give the "
                   "passphrase: decrypt it with `openssl pkey` and protect the file instead",
                   path);
    return -EINVAL;
}

static int64_t expiry_of(const X509 *certificate)
{
    struct tm tm;
    if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
        return 0;
    return (int64_t)timegm(&tm);
}

size_t weir_tls_end_point(X509 *certificate, uint8_t out[64])
{
    int digest = NID_undef;
    unsigned len = 0;
    if (!certificate || !X509_get_signature_info(certificate, &digest, NULL, NULL, NULL))
        return 0;
    if (digest == NID_md5 || digest == NID_sha1)
        digest = NID_sha256;
    const EVP_MD *md = digest == NID_undef ? NULL : EVP_get_digestbynid(digest);
    if (!md || EVP_MD_get_size(md) > 64 || X509_digest(certificate, md, out, &len) != 1)
        return 0;
    return len;
}

static int use_certificate(weir_tls_context *c, const weir_tls_options *o, weir_error *err)
{
    if (!o->cert)
        return 0;
    if (SSL_CTX_use_certificate_chain_file(c->ssl, o->cert) != 1)
        return refuse(err, "cannot load certificate file", o->cert);
    int r = use_key(c->ssl, o->key ? o->key : o->cert, err);
    if (r < 0)
        return r;
    X509 *certificate = SSL_CTX_get0_certificate(c->ssl);
    c->expiry = expiry_of(certificate);
    c->own_len = weir_tls_end_point(certificate, c->own);
    return 0;
}

/* ---- authorities ---- */

static int use_revocations(SSL_CTX *ctx, const char *path, weir_error *err)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    if (X509_STORE_load_file(store, path) != 1)
        return refuse(err, "cannot load revocation file", path);
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return 0;
}

static int use_authorities(weir_tls_context *c, const weir_tls_options *o, weir_error *err)
{
    if (!o->ca)
        return 0;
    c->judges = true;
    if (strcmp(o->ca, "system") == 0) {
        if (SSL_CTX_set_default_verify_paths(c->ssl) != 1)
            return refuse(err, "cannot load authorities of", "the system");
    } else {
        if (SSL_CTX_load_verify_file(c->ssl, o->ca) != 1)
            return refuse(err, "cannot load authorities file", o->ca);
        /* The names that the accepting side asks for. */
        STACK_OF(X509_NAME) *names = o->server ? SSL_load_client_CA_file(o->ca) : NULL;
        if (names)
            SSL_CTX_set_client_CA_list(c->ssl, names);
    }
    return o->crl ? use_revocations(c->ssl, o->crl, err) : 0;
}

/* ---- settings ---- */

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *user)
{
    (void)ssl;
    (void)user;
    unsigned char *chosen = NULL;
    int r = SSL_select_next_proto(&chosen, out_len, ALPN, ALPN_LEN, in, in_len);
    *out = chosen;
    return r == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int version_number(weir_tls_version version)
{
    static const int numbers[] = {[WEIR_TLS_ANY_VERSION] = 0,
                                  [WEIR_TLS_1_0] = TLS1_VERSION,
                                  [WEIR_TLS_1_1] = TLS1_1_VERSION,
                                  [WEIR_TLS_1_2] = TLS1_2_VERSION,
                                  [WEIR_TLS_1_3] = TLS1_3_VERSION};
    return numbers[version];
}

/* Whoever resumes a session was judged when it began, with the same context: its ticket is sealed
 * with that context's key. */
static void set_resumption(SSL_CTX *ctx)
{
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 1);
    (void)SSL_CTX_set_session_id_context(ctx, (const unsigned char *)SESSION_CONTEXT,
                                         sizeof(SESSION_CONTEXT) - 1);
}

static int set_options(weir_tls_context *c, const weir_tls_options *o, weir_error *err)
{
    int oldest = o->oldest == WEIR_TLS_ANY_VERSION ? TLS1_2_VERSION : version_number(o->oldest);
    SSL_CTX_set_options(c->ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                    SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(c->ssl, SSL_MODE_RELEASE_BUFFERS); /* idle connections are many */
    if (SSL_CTX_set_min_proto_version(c->ssl, oldest) != 1 ||
        SSL_CTX_set_max_proto_version(c->ssl, version_number(o->newest)) != 1)
        return refuse(err, "cannot set TLS versions", "");
    if (o->ciphers && SSL_CTX_set_cipher_list(c->ssl, o->ciphers) != 1)
        return refuse(err, "cannot use the list of ciphers", o->ciphers);
    int verify = o->verify == WEIR_TLS_VERIFY_NONE ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
    if (o->verify == WEIR_TLS_VERIFY_REQUIRED)
        verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(c->ssl, verify, NULL);
    if (o->server) {
        SSL_CTX_set_alpn_select_cb(c->ssl, select_alpn, NULL);
        set_resumption(c->ssl);
    } else if (SSL_CTX_set_alpn_protos(c->ssl, ALPN, ALPN_LEN) != 0) {
        return -ENOMEM;
    }
    return 0;
}

/* ---- where the library reads and writes: see tls_stream.h ---- */

static int bio_read(BIO *bio, char *out, int size)
{
    weir_tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    size_t n = t->in.len < (size_t)size ? t->in.len : (size_t)size;
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out, t->in.data, n);
    t->in = weir_slice_skip(t->in, n);
    return (int)n;
}

static int bio_write(BIO *bio, const char *data, int size)
{
    weir_tls *t = BIO_get_data(bio);
    weir_tls_scratch *scratch = t->stream->loop->tls;
    BIO_clear_retry_flags(bio);
    for (size_t done = 0; done < (size_t)size;) {
        size_t room = sizeof(scratch->cipher) - scratch->cipher_len;
        size_t n = (size_t)size - done < room ? (size_t)size - done : room;
        memcpy(scratch->cipher + scratch->cipher_len, data + done, n);
        scratch->cipher_len += n;
        done += n;
        if (scratch->cipher_len == sizeof(scratch->cipher))
            weir_tls_flush_cipher(t);
    }
    return size;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static int make_bio(weir_tls_context *c)
{
    c->bio = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weir stream");
    if (!c->bio || BIO_meth_set_read(c->bio, bio_read) != 1 ||
        BIO_meth_set_write(c->bio, bio_write) != 1 || BIO_meth_set_ctrl(c->bio, bio_ctrl) != 1 ||
        BIO_meth_set_create(c->bio, bio_create) != 1)
        return -ENOMEM;
    return 0;
}

/* ---- life ---- */

int weir_tls_context_new(const weir_tls_options *options, weir_tls_context **ret, weir_error *err)
{
    ERR_clear_error();
    weir_error_set(err, "53200", "out of memory while preparing TLS");
    weir_tls_context *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    atomic_init(&c->refs, 1);
    c->server = options->server;
    c->ssl = SSL_CTX_new(options->server ? TLS_server_method() : TLS_client_method());
    int r = c->ssl ? make_bio(c) : -ENOMEM;
    if (r == 0)
        r = use_certificate(c, options, err);
    if (r == 0)
        r = use_authorities(c, options, err);
    if (r == 0)
        r = set_options(c, options, err);
    if (r < 0) {
        weir_tls_context_unref(c);
        return r;
    }
    *err = (weir_error){0};
    *ret = c;
    return 0;
}

weir_tls_context *weir_tls_context_ref(weir_tls_context *context)
{
    atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
    return context;
}

void weir_tls_context_unref(weir_tls_context *context)
{
    if (!context || atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->bio);
    free(context);
}

weir_tls_context *weir_tls_slot_take(weir_tls_slot *slot)
{
    weir_spin_lock(&slot->lock);
    weir_tls_context *context = slot->context ? weir_tls_context_ref(slot->context) : NULL;
    weir_spin_unlock(&slot->lock);
    return context;
}

void weir_tls_slot_put(weir_tls_slot *slot, weir_tls_context *context)
{
    weir_spin_lock(&slot->lock);
    weir_tls_context *old = slot->context;
    slot->context = context;
    weir_spin_unlock(&slot->lock);
    weir_tls_context_unref(old);
}

int64_t weir_tls_context_expiry(const weir_tls_context *context)
{
    return context->expiry;
}
