/* SHOW HBA and SHOW USERS: which rules are in force, who is known, and what they use now. */
#include "gateway/auth.h"
#include "gateway/report.h"

/* As pg_hba_file_rules names them. */
const weir_report_column weir_hba_columns[WEIR_HBA_COLUMNS] = {
    {"rule_number", WEIR_REPORT_INT}, {"file_name", WEIR_REPORT_TEXT},
    {"line_number", WEIR_REPORT_INT}, {"type", WEIR_REPORT_TEXT},
    {"database", WEIR_REPORT_TEXT},   {"user_name", WEIR_REPORT_TEXT},
    {"address", WEIR_REPORT_TEXT},    {"auth_method", WEIR_REPORT_TEXT},
    {"options", WEIR_REPORT_TEXT},
};

void weir_report_fill_hba(weir_report *r, weir_gateway_worker *at)
{
    int64_t number = 0;
    const weir_hba_rule *rule = weir_gateway_config(at->gateway)->access.rules;
    for (; rule; rule = rule->next) {
        weir_report_int(r, ++number);
        weir_report_text(r, rule->file);
        weir_report_int(r, rule->line);
        weir_report_text(r, weir_hba_type_name(rule->type));
        weir_report_text(r, rule->database_text);
        weir_report_text(r, rule->user_text);
        weir_report_text(r, rule->address_text);
        weir_report_text(r, weir_hba_method_name(rule->method));
        weir_report_text(r, rule->options_text);
    }
}

/* PgBouncer's, then ours. */
const weir_report_column weir_users_columns[WEIR_USERS_COLUMNS] = {
    {"name", WEIR_REPORT_TEXT},
    {"pool_size", WEIR_REPORT_INT},
    {"reserve_pool_size", WEIR_REPORT_INT},
    {"pool_mode", WEIR_REPORT_TEXT},
    {"max_user_connections", WEIR_REPORT_INT},
    {"current_connections", WEIR_REPORT_INT},
    {"max_user_client_connections", WEIR_REPORT_INT},
    {"current_client_connections", WEIR_REPORT_INT},
    {"source", WEIR_REPORT_TEXT},
    {"secret", WEIR_REPORT_TEXT},
    {"admin", WEIR_REPORT_TEXT},
};

typedef struct usage {
    uint64_t connections, sessions;
} usage;

static usage usage_of(weir_gateway_worker *at, const char *user)
{
    weir_engine *e = at->gateway->engine;
    usage sum = {0};
    for (unsigned i = 0; i < weir_engine_database_count(e); i++)
        for (weir_pools *p = weir_database_pools(weir_engine_database_at(e, i)); p;
             p = weir_pools_next(p)) {
            weir_pool_stats stats;
            if (strcmp(weir_pools_user(p), user) != 0)
                continue;
            weir_pool_stats_read(weir_pools_pool(p), weir_loop_now(at->loop), &stats);
            sum.connections += stats.opening + stats.idle + stats.lent;
            sum.sessions += weir_pools_sessions(p);
        }
    return sum;
}

static const char *pool_mode(const weir_config_share *share)
{
    if (share->mode == WEIR_CONFIG_POOL_UNSET)
        return NULL; /* the database's */
    return weir_lending_name(weir_gateway_lending(share->mode));
}

static void fill_user(weir_report *r, weir_gateway_worker *at, const weir_config_user *u)
{
    static const char *const kinds[] = {[WEIR_SECRET_NONE] = "none",
                                        [WEIR_SECRET_CLEAR] = "password",
                                        [WEIR_SECRET_MD5] = "md5",
                                        [WEIR_SECRET_SCRAM] = "scram-sha-256"};
    weir_secret secret = {0};
    usage now = usage_of(at, u->name);
    weir_secret_set(&secret, weir_slice_cstr(u->password));
    weir_report_text(r, u->name);
    weir_report_int(r, u->share.pool_size);
    weir_report_int(r, 0); /* of a user there is none: databases have reserves */
    weir_report_text(r, pool_mode(&u->share));
    weir_report_int(r, u->share.max_connections);
    weir_report_int(r, (int64_t)now.connections);
    weir_report_int(r, u->share.max_clients);
    weir_report_int(r, (int64_t)now.sessions);
    weir_report_text(r, u->from_file ? "auth.users_file" : "users");
    weir_report_text(r, kinds[secret.kind]);
    weir_report_text(r, u->admin ? "yes" : "no");
    weir_pg_forget(&secret, sizeof(secret));
}

void weir_report_fill_users(weir_report *r, weir_gateway_worker *at)
{
    const weir_config *config = weir_gateway_config(at->gateway);
    for (unsigned i = 0; i < config->user_count; i++)
        fill_user(r, at, &config->users[i]);
}
