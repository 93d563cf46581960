/* Asking the rules: who comes from where, wants what, and may be whom. */
#include "config/hba.h"
#include <arpa/inet.h>
#include <regex.h>

#define GROUPS 2u /* the whole match and \1 */

int weir_hba_ip_parse(weir_slice text, weir_hba_ip *ret)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char copy[INET6_ADDRSTRLEN + 1];
    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.data, '\0', text.len))
        return -EINVAL;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    weir_hba_ip ip = {.v6 = strchr(copy, ':') != NULL};
    if (inet_pton(ip.v6 ? AF_INET6 : AF_INET, copy, ip.bytes) != 1)
        return -EINVAL;
    if (ip.v6 && memcmp(ip.bytes, mapped, sizeof(mapped)) == 0) {
        weir_hba_ip v4 = {.v6 = false};
        memcpy(v4.bytes, ip.bytes + sizeof(mapped), 4);
        ip = v4;
    }
    *ret = ip;
    return 0;
}

/* Compiled anew each time: patterns are rare, and a login costs more. */
static bool pattern_matches(const char *pattern, const char *text, regmatch_t groups[GROUPS])
{
    regex_t compiled;
    if (regcomp(&compiled, pattern, REG_EXTENDED) != 0)
        return false; /* out of memory: it was tried when it was read */
    bool found = regexec(&compiled, text, GROUPS, groups, 0) == 0;
    regfree(&compiled);
    return found;
}

static bool name_matches(const weir_hba_name *names, const char *text, const char *user)
{
    regmatch_t groups[GROUPS];
    for (; names; names = names->next) {
        switch (names->kind) {
        case WEIR_HBA_ALL:
            return true;
        case WEIR_HBA_NOBODY:
            break;
        case WEIR_HBA_SAME:
            if (strcmp(text, user) == 0)
                return true;
            break;
        case WEIR_HBA_EXACTLY:
            if (strcmp(text, names->text) == 0)
                return true;
            break;
        case WEIR_HBA_PATTERN:
            if (pattern_matches(names->text, text, groups))
                return true;
            break;
        }
    }
    return false;
}

static bool type_matches(const weir_hba_rule *rule, const weir_hba_visitor *v)
{
    switch (rule->type) {
    case WEIR_HBA_LOCAL:
        return v->local;
    case WEIR_HBA_HOST:
        return !v->local;
    case WEIR_HBA_HOSTSSL:
        return !v->local && v->tls;
    case WEIR_HBA_HOSTNOSSL:
        return !v->local && !v->tls;
    }
    return false;
}

static bool in_net(const weir_hba_rule *rule, const weir_hba_ip *ip)
{
    if (rule->ip.v6 != ip->v6)
        return false;
    for (unsigned i = 0; i < (ip->v6 ? 16u : 4u); i++)
        if ((ip->bytes[i] & rule->mask.bytes[i]) != rule->ip.bytes[i])
            return false;
    return true;
}

static bool address_matches(const weir_hba_rule *rule, const weir_hba_visitor *v)
{
    if (v->local)
        return true;
    switch (rule->where) {
    case WEIR_HBA_ANYWHERE:
        return true;
    case WEIR_HBA_NET:
        return in_net(rule, &v->ip);
    case WEIR_HBA_SAMEHOST:
    case WEIR_HBA_SAMENET:
        return v->is_ours && v->is_ours(&v->ip, rule->where == WEIR_HBA_SAMENET);
    }
    return false;
}

const weir_hba_rule *weir_hba_match(const weir_hba_rule *rules, const weir_hba_visitor *v)
{
    for (; rules; rules = rules->next)
        if (type_matches(rules, v) && name_matches(rules->databases, v->database, v->user) &&
            name_matches(rules->users, v->user, v->user) && address_matches(rules, v))
            return rules;
    return NULL;
}

/* ---- maps ---- */

/* Is `user` what `wanted` becomes when \1 stands for the group's text? */
static bool expands_to(const char *wanted, weir_slice group, const char *user)
{
    const char *hole = strstr(wanted, "\\1");
    if (!hole)
        return strcmp(wanted, user) == 0;
    size_t before = (size_t)(hole - wanted), len = strlen(user);
    const char *behind = hole + 2;
    return len == before + group.len + strlen(behind) && strncmp(user, wanted, before) == 0 &&
           memcmp(user + before, group.data, group.len) == 0 &&
           strcmp(user + before + group.len, behind) == 0;
}

static bool line_allows(const weir_hba_map *map, const char *system, const char *user)
{
    regmatch_t groups[GROUPS];
    weir_slice group = WEIR_SLICE_LIT("");
    if (map->system[0] != '/') {
        return strcmp(map->system, system) == 0 &&
               (strcmp(map->user, "all") == 0 || strcmp(map->user, user) == 0);
    }
    if (!pattern_matches(map->system + 1, system, groups))
        return false;
    if (groups[1].rm_so >= 0)
        group =
            weir_slice_make(system + groups[1].rm_so, (size_t)(groups[1].rm_eo - groups[1].rm_so));
    else if (strstr(map->user, "\\1"))
        return false;
    return strcmp(map->user, "all") == 0 || expands_to(map->user, group, user);
}

bool weir_hba_map_allows(const weir_hba_map *maps, const char *map, const char *system,
                         const char *user)
{
    if (!map)
        return strcmp(system, user) == 0;
    for (; maps; maps = maps->next)
        if (strcmp(maps->name, map) == 0 && line_allows(maps, system, user))
            return true;
    return false;
}
