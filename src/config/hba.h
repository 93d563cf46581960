/* Who may connect, and how they prove it: rules as pg_hba.conf has them, maps of names as
 * pg_ident.conf has them, and PgBouncer's userlist.txt. The first rule that matches decides.
 *
 * Strings and structs live in the arena they were read into. */
#ifndef WEIR_CONFIG_HBA_H
#define WEIR_CONFIG_HBA_H

#include "base/arena.h"
#include "base/error.h"

typedef enum weir_hba_type {
    WEIR_HBA_LOCAL, /* UNIX sockets */
    WEIR_HBA_HOST,  /* TCP, with TLS or without */
    WEIR_HBA_HOSTSSL,
    WEIR_HBA_HOSTNOSSL
} weir_hba_type;

typedef enum weir_hba_method {
    WEIR_HBA_TRUST,
    WEIR_HBA_REJECT,
    WEIR_HBA_PASSWORD,
    WEIR_HBA_MD5, /* for a user known by a SCRAM secret: SCRAM */
    WEIR_HBA_SCRAM,
    WEIR_HBA_CERT,
    WEIR_HBA_PEER
} weir_hba_method;

/* What a client certificate must say, beyond the method. */
typedef enum weir_hba_clientcert {
    WEIR_HBA_CERT_NOT_ASKED,
    WEIR_HBA_CERT_VERIFY_CA,
    WEIR_HBA_CERT_VERIFY_FULL /* … and name the user */
} weir_hba_clientcert;

/* One name of a list. */
typedef struct weir_hba_name {
    const struct weir_hba_name *next;
    const char *text;
    enum { WEIR_HBA_EXACTLY, WEIR_HBA_ALL, WEIR_HBA_SAME, WEIR_HBA_NOBODY, WEIR_HBA_PATTERN } kind;
} weir_hba_name;

typedef struct weir_hba_ip {
    uint8_t bytes[16]; /* IPv4: the first four */
    bool v6;
} weir_hba_ip;

typedef struct weir_hba_rule {
    const struct weir_hba_rule *next;
    weir_hba_type type;
    const weir_hba_name *databases, *users;
    enum { WEIR_HBA_ANYWHERE, WEIR_HBA_NET, WEIR_HBA_SAMEHOST, WEIR_HBA_SAMENET } where;
    weir_hba_ip ip, mask; /* of NET */
    weir_hba_method method;
    const char *map; /* NULL: names must be equal */
    weir_hba_clientcert clientcert;
    bool by_dn; /* the certificate's whole name, not its common name, is compared */
    /* As written, for SHOW HBA and the log. */
    const char *file;
    unsigned line;
    const char *database_text, *user_text, *address_text, *options_text;
} weir_hba_rule;

/* A user of the system (or a certificate's name) who may be a user of the database. */
typedef struct weir_hba_map {
    const struct weir_hba_map *next;
    const char *name, *system, *user; /* system: a text, or / and a pattern; user: \1 in it */
} weir_hba_map;

/* Lists in order of reading; zeroed: empty. */
typedef struct weir_hba_rules {
    weir_hba_rule *first, *last;
    unsigned count;
} weir_hba_rules;

typedef struct weir_hba_maps {
    weir_hba_map *first, *last;
    unsigned count;
} weir_hba_maps;

#define WEIR_HBA_RULES_MAX 10000u

/* ---- reading: -EINVAL with FILE:LINE in `err` (F0000); -ENOMEM ---- */

/* A file in pg_hba.conf's syntax. What is not supported (include, +role, ldap, …) is an error. */
WEIR_MUST_CHECK int weir_hba_read(weir_arena *arena, const char *file, weir_slice text,
                                  weir_hba_rules *into, weir_error *err);
/* One rule from its fields, each in the syntax of its column; NULL: not given. */
typedef struct weir_hba_fields {
    const char *type, *database, *user, *address, *method, *map, *clientcert, *clientname;
    const char *file;
    unsigned line;
} weir_hba_fields;
WEIR_MUST_CHECK int weir_hba_add(weir_arena *arena, const weir_hba_fields *fields,
                                 weir_hba_rules *into, weir_error *err);
/* A file in pg_ident.conf's syntax. */
WEIR_MUST_CHECK int weir_hba_maps_read(weir_arena *arena, const char *file, weir_slice text,
                                       weir_hba_maps *into, weir_error *err);
WEIR_MUST_CHECK int weir_hba_map_add(weir_arena *arena, const char *file, unsigned line,
                                     const char *name, const char *system, const char *user,
                                     weir_hba_maps *into, weir_error *err);
/* userlist.txt: lines of "user" "password", quotes doubled inside; what follows is ignored. Calls
 * `add` for each, in order; a negative answer of it ends the reading and is returned. */
WEIR_MUST_CHECK int weir_userlist_read(const char *file, weir_slice text,
                                       int (*add)(void *of, weir_slice user, weir_slice password,
                                                  unsigned line),
                                       void *of, weir_error *err);

/* ---- asking ---- */

/* Somebody who wants in. */
typedef struct weir_hba_visitor {
    const char *database, *user;
    bool local; /* by a UNIX socket */
    bool tls;
    weir_hba_ip ip;
    /* Is it an address of this machine, or of a network it is on? Asked when a rule says samehost
     * or samenet; NULL: no. */
    bool (*is_ours)(const weir_hba_ip *ip, bool whole_net);
} weir_hba_visitor;

/* NULL: no rule matches. */
const weir_hba_rule *weir_hba_match(const weir_hba_rule *rules, const weir_hba_visitor *visitor);
/* May who is called `system` be `user`, by the map of this name? NULL map: if the names are equal.
 */
bool weir_hba_map_allows(const weir_hba_map *maps, const char *map, const char *system,
                         const char *user);
/* "127.0.0.1", "::1"; an IPv4 address inside IPv6 (::ffff:…) is taken as IPv4. -EINVAL. */
WEIR_MUST_CHECK int weir_hba_ip_parse(weir_slice text, weir_hba_ip *ret);
const char *weir_hba_method_name(weir_hba_method method);
const char *weir_hba_type_name(weir_hba_type type);

#endif
