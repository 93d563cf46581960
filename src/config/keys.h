/* The table of configuration keys, private to this folder. Everything that knows a key's name,
 * type, default or bounds asks it. */
#ifndef WEIR_CONFIG_KEYS_H
#define WEIR_CONFIG_KEYS_H

#include "config/config.h"

typedef enum key_type {
    KEY_COUNT,    /* a whole number */
    KEY_SIZE,     /* bytes: B, KiB, MiB, GiB */
    KEY_DURATION, /* nanoseconds: ms, s, m, h */
    KEY_FLAG,     /* true, false */
    KEY_CHOICE,   /* one of `choices` */
    KEY_ADDRESS,  /* host:port, or off */
    KEY_LISTEN,   /* a list of host:port or /path/socket */
    KEY_SECRET,   /* a text never shown; the *_file and *_env variants name where it is */
    KEY_TEXT,     /* a text */
    KEY_TAGS,     /* a list of names without spaces, or one text with commas */
    KEY_DSNS,     /* a list of DSNs, never shown */
    KEY_RULES     /* a list of mappings, of the file alone */
} key_type;

/* Which object a key is part of. A database has the keys of KEY_OF_POOL and KEY_OF_DATABASE; a rule
 * is an item of cache.rules, KEY_OF_ACCESS of auth.rules, KEY_OF_MAP of auth.maps. */
typedef enum key_scope {
    KEY_OF_ROOT,
    KEY_OF_POOL,
    KEY_OF_DATABASE,
    KEY_OF_USER,
    KEY_OF_RULE,
    KEY_OF_ACCESS,
    KEY_OF_MAP
} key_scope;

typedef struct key_choice {
    const char *name;
    int value;
    bool alias; /* understood, not shown */
} key_choice;

typedef struct config_key {
    const char *path;
    const char *fallback; /* as it would be written; NULL: see `fallback_words` */
    const char *fallback_words;
    const key_choice *choices; /* ended by a NULL name */
    const char *doc;           /* one sentence */
    size_t offset, width;      /* of the value in its object; width 0: kept as text only */
    uint64_t min, max;
    key_type type;
    key_scope scope;
    key_scope items; /* KEY_RULES: of its items */
    bool reloadable;
} config_key;

/* All keys, scope by scope. */
const config_key *config_keys(size_t *ret_count);

/* A run of the table: the keys of the root (root and pool), a database (pool and database), a user,
 * a rule. */
typedef struct key_range {
    size_t first, count;
} key_range;
key_range config_key_range(key_scope scope);

/* By path; NULL when absent. */
const config_key *config_key_find(key_range range, weir_slice path);
/* True when some key of the range begins with `path` and a dot. */
bool config_key_is_section(key_range range, weir_slice path);
/* The known key or section nearest to `path`, or NULL when none resembles it. */
const char *config_key_nearest(key_range range, weir_slice path);
/* The same among the names of one's own choosing, ended by NULL. */
const char *config_name_nearest(const char *const *names, weir_slice name);

#endif
