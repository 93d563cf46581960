/* docs/configuration.md, made from the table of keys. */
#include "config/draft.h"
#include "config/value.h"
#include <stdio.h>

static const char head[] =
    "# Configuration\n"
    "\n"
    "<!-- Made by `weir help configuration` from src/config/keys.c; edit there. -->\n"
    "\n"
    "Weir reads one YAML file (`weir serve -c weir.yaml`), then the environment, then `--set`; "
    "what "
    "comes later wins. It needs none of them: without a file, `weir serve DSN` serves one database "
    "on loopback. `weir check -c FILE` says what is wrong with a file, with line and key, and "
    "prints "
    "what would be in force.\n"
    "\n"
    "- **On the command line** a key is set by `--set pool.max_size=20`, also "
    "`--set databases.app.dsn=…`; lists are separated by commas.\n"
    "- **In the environment** by its path in upper case with underscores: `WEIR_POOL_MAX_SIZE=20`, "
    "`WEIR_DATABASES_APP_DSN=…` (a name is taken in lower case).\n"
    "- **Durations** are a whole number and one of `ms`, `s`, `m`, `h`; **sizes** a whole number "
    "and "
    "one of `B`, `KiB`, `MiB`, `GiB`. A 0 needs no unit.\n"
    "- **Secrets** can be in a file (`password_file`) or an environment variable (`password_env`) "
    "instead. They are never printed or logged.\n"
    "- **Reload** (SIGHUP or the admin command `RELOAD`) applies the keys marked *yes* without "
    "dropping a client; the others need a restart. A broken file leaves everything as it was.\n"
    "\n"
    "```yaml\n"
    "listen: 127.0.0.1:6432        # or a list\n"
    "admin: 127.0.0.1:8432\n"
    "pool:\n"
    "  max_size: 50                # for all databases\n"
    "databases:\n"
    "  app:\n"
    "    dsn: postgres://app@db.example.org/app\n"
    "    password_file: /etc/weir/app.password\n"
    "    pool:\n"
    "      max_size: 20            # for this one\n"
    "  notes: sqlite:/var/lib/weir/notes.db\n"
    "users:\n"
    "  alice:\n"
    "    password_env: ALICE_PASSWORD\n"
    "    admin: true\n"
    "```\n";

static const char access_rules[] =
    "\n## Who may connect\n\n"
    "Without `users` and `auth.method`, listeners on loopback and on UNIX sockets trust every "
    "user, "
    "and Weir reaches the server as the DSN's user; any other listener is refused at the start. "
    "With "
    "`users`, `auth.method` is `scram` unless it says otherwise; `auth.rules` tells apart by "
    "database, user, address and TLS ([operations.md](operations.md)). The admin HTTP interface "
    "needs `admin.token` beyond loopback.\n"
    "\n"
    "With one database configured, every database name except `weir` (the admin database) reaches "
    "it.\n";

static const char dsn_rules[] =
    "\nDSNs: `sqlite:PATH`, `sqlite:///ABSOLUTE/PATH`, `sqlite::memory:`, or PostgreSQL's URIs "
    "`postgres://user:password@host:port,host2:port/dbname?sslmode=prefer` with percent-encoding, "
    "IPv6 addresses in brackets, and the options `host`, `port`, `user`, `password`, `dbname`, "
    "`target_session_attrs`, `load_balance_hosts`, `connect_timeout`, `sslmode`, `sslrootcert`, "
    "`sslcrl`, `sslcert`, `sslkey`, `sslnegotiation`, `sslsni`, `ssl_min_protocol_version` and "
    "`channel_binding`, all as libpq has them. A `host` that begins with `/` is the directory of a "
    "UNIX socket.\n";

static const char cache_rules[] =
    "\n## Cache rules\n\n"
    "The first rule of `cache.rules` whose patterns all match decides; a hint in the statement "
    "(`/* weir: nocache */`, `/* weir: cache ttl=60s tags=a,b */`) says more than a rule. In a "
    "pattern `*` stands for any run of characters, and case does not count. Each rule has at least "
    "one pattern (`table`, `template`, `user`, `database`) and one consequence. At most 1000 rules "
    "are read, and only from the file.\n"
    "\n"
    "```yaml\n"
    "cache:\n"
    "  memory: 256MiB\n"
    "  rules:\n"
    "    - {table: audit_*, cache: false}\n"
    "    - {table: prices, ttl: 60s, tags: [shop, prices]}\n"
    "    - {user: reports, consistency: bounded, bound: 30s}\n"
    "```\n";

static int put_type(weir_buf *out, const config_key *key)
{
    char low[32], high[32];
    int r = 0;
    switch (key->type) {
    case KEY_COUNT:
    case KEY_SIZE:
    case KEY_DURATION:
        if (key->max >= INT64_MAX)
            return weir_buf_printf(out, "number, from %s",
                                   config_value_format(key, key->min, low, sizeof(low)));
        return weir_buf_printf(out, "%s, %s to %s",
                               key->type == KEY_COUNT  ? "number"
                               : key->type == KEY_SIZE ? "size"
                                                       : "duration",
                               config_value_format(key, key->min, low, sizeof(low)),
                               config_value_format(key, key->max, high, sizeof(high)));
    case KEY_FLAG:
        return weir_buf_printf(out, "true or false");
    case KEY_CHOICE:
        for (const key_choice *c = key->choices; c->name && r == 0; c++) {
            if (!c->alias)
                r = weir_buf_printf(out, "%s`%s`", c == key->choices ? "" : ", ", c->name);
        }
        return r;
    case KEY_ADDRESS:
        return weir_buf_printf(out, "address or `off`");
    case KEY_LISTEN:
        return weir_buf_printf(out, "address or list");
    case KEY_DSNS:
        return weir_buf_printf(out, "DSN or list");
    case KEY_TAGS:
        return weir_buf_printf(out, "name or list");
    case KEY_RULES:
        return weir_buf_printf(out, "list of mappings");
    case KEY_SECRET:
    case KEY_TEXT:
        break;
    }
    return weir_buf_printf(out, "text");
}

static int put_row(weir_buf *out, const config_key *key)
{
    int r = weir_buf_printf(out, "| `%s` | ", key->path);
    if (r == 0)
        r = put_type(out, key);
    const char *quote = key->fallback ? "`" : "";
    if (r == 0)
        r = weir_buf_printf(out, " | %s%s%s | %s | %s |\n", quote,
                            key->fallback ? key->fallback : key->fallback_words, quote,
                            key->reloadable ? "yes" : "restart", key->doc);
    return r;
}

static int put_keys(weir_buf *out, key_scope scope)
{
    size_t count = 0;
    const config_key *keys = config_keys(&count);
    int r = weir_buf_printf(out, "\n| key | value | default | reload | |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < count && r == 0; i++) {
        if (keys[i].scope == scope)
            r = put_row(out, &keys[i]);
    }
    return r;
}

static int put_table(weir_buf *out, key_scope scope, const char *title)
{
    int r = weir_buf_printf(out, "\n## %s\n", title);
    return r != 0 ? r : put_keys(out, scope);
}

int weir_config_document(weir_buf *out)
{
    int r = weir_buf_append(out, weir_slice_cstr(head));
    if (r == 0)
        r = weir_buf_append(out, weir_slice_cstr(access_rules));
    if (r == 0)
        r = put_table(out, KEY_OF_ROOT, "Keys");
    if (r == 0)
        r = put_table(out, KEY_OF_POOL, "Pools: `pool`, and `databases.NAME.pool` for one");
    if (r == 0)
        r = put_table(out, KEY_OF_DATABASE, "Databases: below `databases.NAME`");
    if (r == 0)
        r = weir_buf_append(out, weir_slice_cstr(dsn_rules));
    if (r == 0)
        r = put_table(out, KEY_OF_USER, "Users: below `users.NAME`");
    if (r == 0)
        r = weir_buf_append(out, weir_slice_cstr(cache_rules));
    if (r == 0)
        r = put_keys(out, KEY_OF_RULE);
    if (r == 0)
        r = put_table(out, KEY_OF_ACCESS, "Rules of who may connect: items of `auth.rules`");
    return r != 0 ? r : put_table(out, KEY_OF_MAP, "Maps of names: items of `auth.maps`");
}
