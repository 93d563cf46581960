/* Prepared statements and portals of a virtual server: what a text means here, kept as long as a
 * name, a portal or a run refers to it. */
#include "engine/replica.h"
#include "gateway/local_calls.h"
#include <stdlib.h>

#define OWNED_SIZE_MAX (3u * WEIR_PG_MESSAGE_SIZE_MAX)

void local_columns_fini(local_columns *c)
{
    free(c->items);
    free(c->loose);
    weir_buf_fini(&c->names);
    *c = (local_columns){0};
}

local_statement *local_statement_ref(local_statement *s)
{
    s->refs++;
    return s;
}

void local_statement_unref(local_statement *s)
{
    if (!s || --s->refs > 0)
        return;
    local_columns_fini(&s->columns);
    weir_buf_fini(&s->owned);
    weir_buf_fini(&s->typed);
    local_charge_drop(&s->charge);
    free(s->oids);
    free(s);
}

local_portal *local_portal_ref(local_portal *p)
{
    p->refs++;
    return p;
}

void local_portal_unref(local_portal *p)
{
    if (!p || --p->refs > 0)
        return;
    local_statement_unref(p->statement);
    local_cursor_free(p->cursor);
    weir_buf_fini(&p->kept);
    local_charge_drop(&p->kept_charge);
    local_charge_drop(&p->charge);
    weir_buf_fini(&p->rewritten);
    free(p);
}

weir_slice local_statement_key(const local_statement *s)
{
    return s->typed.len > 0 ? weir_buf_slice(&s->typed) : s->source;
}

bool local_statement_writes(const local_statement *s)
{
    if (s->described)
        return !s->read_only;
    return s->words.kind == WEIR_KIND_WRITE || s->words.kind == WEIR_KIND_DDL;
}

static const char *setting_of(void *user_data, weir_slice name)
{
    return local_setting_value(user_data, name);
}

/* One that every name reaches has none of its own. */
static int databases_of(void *user_data, weir_buf *out)
{
    const weir_local *l = user_data;
    weir_engine *engine = weir_worker_engine(l->session->worker);
    int r = 0;
    for (unsigned i = 0; r == 0 && i < weir_engine_database_count(engine); i++) {
        const weir_database *d = weir_engine_database_at(engine, i);
        const char *name = weir_database_name(d);
        if (strcmp(name, "*") != 0 && !weir_database_primary(d) && !weir_database_removed(d))
            r = weir_buf_append_cstr(out, name);
    }
    return r;
}

static weir_compat_context context_of(weir_local *l)
{
    weir_slice database = local_login_value(l, "database");
    weir_slice user = local_login_value(l, "user");
    const char *name = weir_database_name(weir_session_database(l->session));
    return (weir_compat_context){.user = user.len > 0 ? user : WEIR_SLICE_LIT("weir"),
                                 .database = database.len > 0 ? database : weir_slice_cstr(name),
                                 .pid = l->pid,
                                 .setting = setting_of,
                                 .databases = databases_of,
                                 .user_data = l};
}

/* The text that SQLite runs, behind name and source in `owned`. */
static int translate(weir_local *l, local_statement *s, weir_slice text, weir_error *err)
{
    weir_compat_context context = context_of(l);
    context.ret_lock = &s->locks;
    s->asks_for_session = local_asks_for_session(text);
    return weir_compat_rewrite(text, &context, &s->owned, err);
}

static int fill(weir_local *l, local_statement *s, weir_slice name, weir_slice source,
                weir_error *err)
{
    int r = weir_buf_append(&s->owned, name);
    if (r == 0)
        r = weir_buf_append(&s->owned, source);
    if (r < 0)
        return r;
    s->source = weir_slice_make(s->owned.data + name.len, source.len);
    r = weir_command_read(s->source, &s->command, err);
    if (r != 0)
        return r;
    bool declares = s->command.kind == WEIR_COMMAND_DECLARE;
    bool alters = s->command.kind == WEIR_COMMAND_ALTER_TABLE;
    bool defines = s->command.kind == WEIR_COMMAND_DEFINE;
    bool runs = declares || alters || defines || s->command.kind == WEIR_COMMAND_NONE;
    if (runs) {
        /* The translation may move `owned`: it reads the caller's copy. */
        size_t at = declares ? (size_t)(s->command.value.data - s->source.data) : 0;
        r = translate(l, s, weir_slice_skip(source, at), err);
        if (r != 0)
            return r;
    }
    size_t before = name.len + source.len;
    s->name = weir_slice_make(s->owned.data, name.len);
    s->source = weir_slice_make(s->owned.data + name.len, source.len);
    s->text = weir_slice_make(s->owned.data + before, s->owned.len - before);
    if (runs)
        weir_session_understand(l->session, s->text, &s->words);
    if (declares || alters) /* what was read of it may have moved; an ALTER is done as translated */
        r = weir_command_read(declares ? s->source : s->text, &s->command, err);
    if (defines)
        s->command.value = s->text;
    return r;
}

/* What its translation has of the session (current_setting) is of the moment it is run. */
int local_statement_renew(weir_local *l, local_statement *s, weir_error *err)
{
    weir_buf source;
    size_t before = s->name.len + s->source.len;
    if (!s->asks_for_session || s->command.kind != WEIR_COMMAND_NONE)
        return 0;
    weir_buf_init(&source, OWNED_SIZE_MAX);
    int r = weir_buf_append(&source, s->source);
    s->owned.len = before;
    if (r == 0)
        r = translate(l, s, weir_buf_slice(&source), err);
    weir_buf_fini(&source);
    s->name = weir_slice_make(s->owned.data, s->name.len);
    s->source = weir_slice_make(s->owned.data + s->name.len, s->source.len);
    s->text = weir_slice_make(s->owned.data + before, s->owned.len - before);
    return r;
}

int local_statement_translate(weir_local *l, local_statement *s, weir_slice enums, weir_error *err)
{
    weir_buf source;
    size_t before = s->name.len + s->source.len;
    weir_compat_context context = context_of(l);
    context.enums = enums;
    weir_buf_init(&source, OWNED_SIZE_MAX);
    int r = weir_buf_append(&source, s->source);
    s->owned.len = before;
    if (r == 0)
        r = weir_compat_rewrite(weir_buf_slice(&source), &context, &s->owned, err);
    weir_buf_fini(&source);
    s->name = weir_slice_make(s->owned.data, s->name.len);
    s->source = weir_slice_make(s->owned.data + s->name.len, s->source.len);
    s->text = weir_slice_make(s->owned.data + before, s->owned.len - before);
    s->command.value = s->text;
    return r;
}

int local_statement_new(weir_local *l, weir_slice name, weir_slice source, local_statement **ret,
                        weir_error *err)
{
    local_statement *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->refs = 1;
    weir_buf_init(&s->owned, OWNED_SIZE_MAX);
    weir_buf_init(&s->typed, OWNED_SIZE_MAX);
    int r = fill(l, s, name, source, err);
    if (r != 0) {
        local_statement_unref(s);
        return r;
    }
    *ret = s;
    return 0;
}
