/* Files about who may connect, in every syntax: read without harm, and a rule that was read says
 * the same when it is asked twice. */
#include "config/hba.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static int count(void *of, weir_slice user, weir_slice password, unsigned line)
{
    require(user.len > 0 && user.len + password.len < 5000 && line > 0);
    (*(unsigned *)of)++;
    return 0;
}

static void ask(const weir_hba_rule *rules)
{
    weir_hba_visitor v = {.database = "app", .user = "ann", .ip = {.bytes = {127, 0, 0, 1}}};
    const weir_hba_rule *rule = weir_hba_match(rules, &v);
    require(!rule || (rule->line > 0 && rule->database_text && rule->user_text));
    require(rule == weir_hba_match(rules, &v));
    v.local = true;
    rule = weir_hba_match(rules, &v);
    require(!rule || rule->type == WEIR_HBA_LOCAL);
}

/* Patterns of the input's own making may take any time (glibc's back references). */
static bool has_pattern(weir_slice in)
{
    return in.len > 0 && (memchr(in.data, '\\', in.len) || memchr(in.data, '{', in.len) ||
                          memchr(in.data, '+', in.len) || memchr(in.data, '*', in.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_slice in = weir_slice_make(data, size);
    weir_arena arena;
    weir_hba_rules rules = {0};
    weir_hba_maps maps = {0};
    weir_hba_ip ip;
    weir_error err;
    unsigned users = 0;
    weir_arena_init(&arena, (size_t)16 << 20);
    if (!has_pattern(in)) {
        if (weir_hba_read(&arena, "f", in, &rules, &err) == 0)
            ask(rules.first);
        if (weir_hba_maps_read(&arena, "f", in, &maps, &err) == 0)
            (void)weir_hba_map_allows(maps.first, "m", "root", "ann");
    }
    if (weir_userlist_read("f", in, count, &users, &err) == 0)
        require(users <= size);
    if (weir_hba_ip_parse(in, &ip) == 0 && !ip.v6)
        require(size >= 7);
    weir_arena_fini(&arena);
    return 0;
}
