/* SQLite's complaints about what PostgreSQL would have understood: no mistake of the client's, but
 * something that is not supported here. What PostgreSQL, too, calls a mistake stays one. */
#include "compat/compat.h"
#include "gateway/local_calls.h"
#include "sql/sql.h"

/* PostgreSQL's own checks behind its grammar have other words (rows of different lengths). */
static bool is_unread(weir_slice source, const weir_error *err)
{
    bool unread =
        strstr(err->message, "syntax error") || strstr(err->message, "unrecognized token");
    return unread && strcmp(err->sqlstate, "42601") == 0 && weir_sql_is_postgres(source);
}

/* The function's name; empty: that is not the complaint. */
static weir_slice missing_function(const weir_error *err)
{
    static const char words[] = "no such function: ";
    weir_slice message = weir_slice_cstr(err->message);
    return weir_slice_begins(message, words) ? weir_slice_skip(message, strlen(words))
                                             : (weir_slice){0};
}

void local_name_dialect(weir_slice source, weir_error *err)
{
    weir_error own;
    bool unsafe =
        strncmp(err->message, "unsafe use of ", 14) == 0; /* of a function in the schema */
    if (unsafe || is_unread(source, err)) {
        weir_error_set(&own, "0A000", "weir: this statement is not supported on SQLite (%s)",
                       err->message);
    } else {
        weir_slice function = missing_function(err);
        char name[64];
        weir_compat_name_fold(function, name, sizeof(name));
        if (function.len == 0 || !weir_compat_is_postgres_function(weir_slice_cstr(name)))
            return;
        weir_error_set(&own, "0A000", "weir: function %s is not supported on SQLite", name);
    }
    weir_error_hint(&own, "docs/sqlite.md lists what is translated.");
    *err = own;
}
