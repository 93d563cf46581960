/* Test certificates: see certs.h. */
#include "certs.h"
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

enum { DAY_S = 24 * 3600 };

typedef struct issuer {
    X509 *certificate;
    EVP_PKEY *key;
} issuer;

static const char *const files[] = {
    "ca.pem",     "ca.key",       "server.pem",    "server.key",    "client.pem",
    "client.key", "stranger.pem", "stranger.key",  "expired.pem",   "expired.key",
    "other.pem",  "other.key",    "encrypted.key", "others_ca.pem", "others_ca.key"};

const char *certs_path(const certs *c, const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", c->dir, name);
    return path;
}

static void write_key(const certs *c, const char *name, EVP_PKEY *key, const char *passphrase)
{
    char file[64];
    snprintf(file, sizeof(file), "%s.key", name);
    const char *path = certs_path(c, file);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, key, passphrase ? EVP_aes_256_cbc() : NULL, NULL, 0,
                                          NULL, (void *)(uintptr_t)passphrase),
                     1);
    fclose(f);
    assert_int_equal(chmod(path, 0600), 0);
}

static void add_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

/* `by` without a certificate: signed by itself. */
static issuer make(const certs *c, const char *name, const char *cn, const char *alt, long days,
                   const issuer *by)
{
    static long serial;
    issuer made = {X509_new(), EVP_EC_gen("P-256")};
    X509 *x = made.certificate;
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x), -2 * DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(x), days * DAY_S);
    X509_NAME *subject = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC, (const unsigned char *)"Weir", -1, -1,
                               0);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
    X509_set_issuer_name(x, by ? X509_get_subject_name(by->certificate) : subject);
    X509_set_pubkey(x, made.key);
    add_extension(x, NID_basic_constraints, by ? "CA:FALSE" : "critical,CA:TRUE");
    if (alt)
        add_extension(x, NID_subject_alt_name, alt);
    assert_true(X509_sign(x, by ? by->key : made.key, EVP_sha256()) > 0);
    char file[64];
    snprintf(file, sizeof(file), "%s.pem", name);
    FILE *f = fopen(certs_path(c, file), "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, x), 1);
    fclose(f);
    write_key(c, name, made.key, NULL);
    return made;
}

static void forget(issuer made)
{
    X509_free(made.certificate);
    EVP_PKEY_free(made.key);
}

void certs_make(certs *c)
{
    snprintf(c->dir, sizeof(c->dir), "/tmp/weir-certs-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    issuer ca = make(c, "ca", "Weir test authority", NULL, 30, NULL);
    issuer others = make(c, "others_ca", "Somebody else", NULL, 30, NULL);
    issuer server = make(c, "server", "localhost", "DNS:localhost,IP:127.0.0.1", 30, &ca);
    write_key(c, "encrypted", server.key, "secret");
    forget(server);
    forget(make(c, "client", "alice", NULL, 30, &ca));
    forget(make(c, "stranger", "alice", "DNS:localhost", 30, &others));
    forget(make(c, "expired", "localhost", "DNS:localhost", -1, &ca));
    forget(make(c, "other", "example.org", "DNS:example.org", 30, &ca));
    forget(ca);
    forget(others);
}

void certs_remove(certs *c)
{
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        unlink(certs_path(c, files[i]));
    rmdir(c->dir);
}
