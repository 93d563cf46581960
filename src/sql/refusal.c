/* Refusals: their names, which are labels of metrics, and their words. */
#include "sql/refusals.h"

#include <stdarg.h>
#include <stdio.h>

const char *weir_refusal_name(weir_refusal refusal)
{
    switch (refusal) {
    case WEIR_REFUSAL_NONE:
        return "none";
    case WEIR_REFUSAL_UNKNOWN:
        return "unknown";
    case WEIR_REFUSAL_NO_READ:
        return "no_read";
    case WEIR_REFUSAL_LOCKS:
        return "locks";
    case WEIR_REFUSAL_EFFECTS:
        return "effects";
    case WEIR_REFUSAL_SYSTEM:
        return "system";
    case WEIR_REFUSAL_VOLATILE:
        return "volatile";
    case WEIR_REFUSAL_UNFOLLOWED:
        return "unfollowed";
    case WEIR_REFUSALS:
        break;
    }
    assert(!"a refusal that is none");
    return "unknown";
}

const char *weir_refusal_step(weir_refusal refusal)
{
    switch (refusal) {
    case WEIR_REFUSAL_UNKNOWN:
        return "ask again in a moment if it is new; else write it in plainer SQL, one statement "
               "with names of tables that exist";
    case WEIR_REFUSAL_NO_READ:
        return "only reads are kept: read in a statement of its own";
    case WEIR_REFUSAL_LOCKS:
        return "leave FOR UPDATE or FOR SHARE out where the rows are only read";
    case WEIR_REFUSAL_EFFECTS:
        return "leave out what reads or changes the session: pass the value as a parameter";
    case WEIR_REFUSAL_SYSTEM:
        return "the database's own tables are never kept: remember the answer in the application";
    case WEIR_REFUSAL_VOLATILE:
        return "pass what changes (the time, a random number) as a parameter, or say how old the "
               "answer may be: /* weir: cache ttl=10s */";
    case WEIR_REFUSAL_UNFOLLOWED:
        return "have the table's changes followed (weir setup says what it lacks), or say how old "
               "the answer may be: /* weir: cache ttl=10s */";
    case WEIR_REFUSAL_NONE:
    case WEIR_REFUSALS:
        break;
    }
    return "";
}

/* Those that a TTL cannot override come first in the enum, and win. */
void weir_refusals_add(weir_refusals *r, weir_refusal refusal, const char *format, ...)
{
    char words[160];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    if (r->refusal == WEIR_REFUSAL_NONE || refusal < r->refusal)
        r->refusal = refusal;
    size_t len = strlen(r->words);
    if (strstr(r->words, words) || sizeof(r->words) - len < strlen(words) + 3)
        return;
    snprintf(r->words + len, sizeof(r->words) - len, "%s%s", len > 0 ? "; " : "", words);
}
