/* The names of refusals: labels of metrics. */
#include "sql/sql.h"

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
