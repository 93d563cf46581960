/* Prepared statements and portals of a virtual server: what a text means here, kept as long as a
 * name, a portal or a run refers to it. */
#include "gateway/local_core.h"
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
    weir_buf_fini(&p->kept);
    weir_buf_fini(&p->rewritten);
    free(p);
}

bool local_statement_writes(const local_statement *s)
{
    if (s->described)
        return !s->read_only;
    return s->words.kind == WEIR_KIND_WRITE || s->words.kind == WEIR_KIND_DDL;
}

static weir_compat_context context_of(const weir_local *l)
{
    weir_slice database = local_login_value(l, "database");
    weir_slice user = local_login_value(l, "user");
    const char *name = weir_database_name(weir_session_database(l->session));
    return (weir_compat_context){.user = user.len > 0 ? user : WEIR_SLICE_LIT("weir"),
                                 .database = database.len > 0 ? database : weir_slice_cstr(name),
                                 .pid = l->pid};
}

/* The text that SQLite runs, behind name and source in `owned`. */
static int translate(weir_local *l, local_statement *s)
{
    weir_compat_context context = context_of(l);
    int r = weir_compat_catalog(s->source, &context, &s->owned);
    s->catalog = r == 0;
    s->asks_for_session = local_asks_for_session(s->source);
    if (r == WEIR_COMPAT_REFUSED)
        r = weir_compat_rewrite(s->source, &context, &s->owned);
    return r;
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
    if (s->command.kind == WEIR_COMMAND_NONE) {
        /* The translation may move `owned`: it reads the caller's copy. */
        s->source = source;
        r = translate(l, s);
        if (r < 0)
            return r;
    }
    size_t before = name.len + source.len;
    s->name = weir_slice_make(s->owned.data, name.len);
    s->source = weir_slice_make(s->owned.data + name.len, source.len);
    s->text = weir_slice_make(s->owned.data + before, s->owned.len - before);
    if (s->command.kind == WEIR_COMMAND_NONE)
        weir_session_understand(l->session, s->text, &s->words);
    return 0;
}

int local_statement_new(weir_local *l, weir_slice name, weir_slice source, local_statement **ret,
                        weir_error *err)
{
    local_statement *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->refs = 1;
    weir_buf_init(&s->owned, OWNED_SIZE_MAX);
    int r = fill(l, s, name, source, err);
    if (r != 0) {
        local_statement_unref(s);
        return r;
    }
    *ret = s;
    return 0;
}
