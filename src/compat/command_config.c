/* SELECT set_config(…), current_setting(…), …: a query that is about the session alone. */
#include "compat/command.h"

/* 'literal' or NULL; else an empty slice. */
static weir_slice take_literal(weir_slice *rest)
{
    weir_token t = weir_token_peek(*rest);
    if (t.kind != WEIR_TOKEN_STRING && !weir_token_is(t, "null"))
        return (weir_slice){0};
    (void)weir_token_next(rest);
    if (weir_token_accept(rest, "::"))
        (void)weir_token_next(rest);
    return t.text;
}

static bool take_bool(weir_slice *rest, bool *ret)
{
    weir_token t = weir_token_next(rest);
    *ret = weir_token_is(t, "true") || weir_slice_eq_nocase(t.text, "'t'") ||
           weir_slice_eq_nocase(t.text, "'true'");
    return *ret || weir_token_is(t, "false") || weir_slice_eq_nocase(t.text, "'f'") ||
           weir_slice_eq_nocase(t.text, "'false'");
}

/* $3 [::text] */
static unsigned take_param(weir_slice *rest)
{
    weir_token t = weir_token_peek(*rest);
    if (t.kind != WEIR_TOKEN_PARAM)
        return 0;
    (void)weir_token_next(rest);
    if (weir_token_accept(rest, "::"))
        (void)weir_token_next(rest);
    return (unsigned)weir_compat_largest_param(t.text);
}

static bool take_notify(weir_slice *rest, weir_config_item *ret)
{
    ret->name = take_literal(rest);
    ret->name_param = ret->name.len == 0 ? take_param(rest) : 0;
    if ((ret->name.len == 0 && ret->name_param == 0) || !weir_token_accept(rest, ","))
        return false;
    ret->value = take_literal(rest);
    ret->param = ret->value.len == 0 ? take_param(rest) : 0;
    return (ret->value.len > 0 || ret->param > 0) && weir_token_accept(rest, ")");
}

static bool take_arguments(weir_slice *rest, weir_config_item *ret)
{
    bool flag = false;
    if (ret->notifies)
        return take_notify(rest, ret);
    ret->name = take_literal(rest);
    if (ret->name.len == 0 || ret->name.data[0] == 'n' || ret->name.data[0] == 'N')
        return false;
    if (!ret->sets) {
        if (weir_token_accept(rest, ",") && !take_bool(rest, &ret->missing_ok))
            return false;
        return weir_token_accept(rest, ")");
    }
    if (!weir_token_accept(rest, ","))
        return false;
    ret->value = take_literal(rest);
    ret->param = ret->value.len == 0 ? take_param(rest) : 0;
    if ((ret->value.len == 0 && ret->param == 0) || !weir_token_accept(rest, ",") ||
        !take_bool(rest, &flag))
        return false;
    ret->local = flag;
    return weir_token_accept(rest, ")");
}

bool weir_config_next(weir_slice *list, weir_config_item *ret)
{
    *ret = (weir_config_item){0};
    if (weir_token_peek(*list).kind == WEIR_TOKEN_END)
        return false;
    (void)command_accept2(list, "pg_catalog", ".");
    weir_token function = weir_token_next(list);
    ret->label = function.text;
    ret->sets = weir_token_is(function, "set_config");
    ret->notifies = weir_token_is(function, "pg_notify");
    if ((!ret->sets && !ret->notifies && !weir_token_is(function, "current_setting")) ||
        !weir_token_accept(list, "(") || !take_arguments(list, ret))
        return false;
    bool as = weir_token_accept(list, "as");
    weir_token t = weir_token_peek(*list);
    if (as || t.kind == WEIR_TOKEN_WORD || t.kind == WEIR_TOKEN_QUOTED)
        ret->label = weir_token_next(list).text;
    return weir_token_accept(list, ",") || weir_token_peek(*list).kind == WEIR_TOKEN_END;
}

/* pg_cancel_backend(n), pg_terminate_backend(n [, timeout]), n a number or a parameter: alone. */
static bool read_signal(weir_slice s, weir_command *c)
{
    (void)command_accept2(&s, "pg_catalog", ".");
    weir_token function = weir_token_next(&s);
    bool cancels = weir_token_is(function, "pg_cancel_backend");
    if ((!cancels && !weir_token_is(function, "pg_terminate_backend")) ||
        !weir_token_accept(&s, "("))
        return false;
    weir_token whom = weir_token_next(&s);
    if (whom.kind != WEIR_TOKEN_NUMBER && whom.kind != WEIR_TOKEN_PARAM)
        return false;
    if (weir_token_accept(&s, "::"))
        (void)weir_token_next(&s);
    if (!cancels && weir_token_accept(&s, ",") && weir_token_next(&s).kind != WEIR_TOKEN_NUMBER)
        return false;
    if (!weir_token_accept(&s, ")"))
        return false;
    bool as = weir_token_accept(&s, "as");
    weir_slice label = function.text;
    if (as || weir_token_peek(s).kind == WEIR_TOKEN_WORD)
        label = weir_token_next(&s).text;
    *c = (weir_command){.kind = WEIR_COMMAND_SIGNAL,
                        .types = label,
                        .value = whom.text,
                        .local = cancels,
                        .tag = "SELECT 1"};
    return weir_token_peek(s).kind == WEIR_TOKEN_END;
}

/* pg_listening_channels(), or * FROM pg_listening_channels(). */
static bool lists_channels(weir_slice s)
{
    (void)command_accept2(&s, "*", "from");
    (void)command_accept2(&s, "pg_catalog", ".");
    return weir_token_accept(&s, "pg_listening_channels") && command_accept2(&s, "(", ")") &&
           weir_token_peek(s).kind == WEIR_TOKEN_END;
}

int command_read_select(weir_slice s, weir_command *c, weir_error *err)
{
    weir_slice list = s;
    weir_config_item item;
    size_t items = 0;
    bool sets = false;
    (void)err;
    while (items <= WEIR_CONFIG_ITEMS_MAX && weir_config_next(&list, &item)) {
        sets |= item.sets || item.notifies;
        items++;
    }
    if (sets && items <= WEIR_CONFIG_ITEMS_MAX && weir_token_peek(list).kind == WEIR_TOKEN_END)
        *c = (weir_command){.kind = WEIR_COMMAND_CONFIG, .value = s, .tag = "SELECT 1"};
    weir_command signal;
    if (items == 0 && read_signal(s, &signal))
        *c = signal;
    else if (items == 0 && lists_channels(s))
        *c = (weir_command){.kind = WEIR_COMMAND_CHANNELS};
    return 0;
}
