/* SQLite's functions whose answer their arguments alone decide. A function that is not here is
 * taken for volatile: one of an extension, say. Not here although they look it: date(), time(),
 * datetime(), julianday(), unixepoch() and strftime(), which give the time of day where an argument
 * is 'now' or missing, and any column or parameter may hold 'now'. */
#include "sql/functions_sqlite.h"
#include "base/ascii.h"

#include <stdlib.h>

/* In strcmp's order. */
static const char *const scalar[] = {"->",
                                     "->>",
                                     "abs",
                                     "acos",
                                     "acosh",
                                     "asin",
                                     "asinh",
                                     "atan",
                                     "atan2",
                                     "atanh",
                                     "ceil",
                                     "ceiling",
                                     "char",
                                     "coalesce",
                                     "cos",
                                     "cosh",
                                     "degrees",
                                     "exp",
                                     "floor",
                                     "format",
                                     "glob",
                                     "hex",
                                     "ifnull",
                                     "iif",
                                     "instr",
                                     "json",
                                     "json_array",
                                     "json_array_length",
                                     "json_extract",
                                     "json_insert",
                                     "json_object",
                                     "json_patch",
                                     "json_quote",
                                     "json_remove",
                                     "json_replace",
                                     "json_set",
                                     "json_type",
                                     "json_valid",
                                     "length",
                                     "like",
                                     "likelihood",
                                     "likely",
                                     "ln",
                                     "log",
                                     "log10",
                                     "log2",
                                     "lower",
                                     "ltrim",
                                     "mod",
                                     "nullif",
                                     "pi",
                                     "pow",
                                     "power",
                                     "printf",
                                     "quote",
                                     "radians",
                                     "replace",
                                     "round",
                                     "rtrim",
                                     "sign",
                                     "sin",
                                     "sinh",
                                     "soundex",
                                     "sqlite_compileoption_get",
                                     "sqlite_compileoption_used",
                                     "sqlite_source_id",
                                     "sqlite_version",
                                     "sqrt",
                                     "substr",
                                     "substring",
                                     "tan",
                                     "tanh",
                                     "trim",
                                     "trunc",
                                     "typeof",
                                     "unicode",
                                     "unlikely",
                                     "upper",
                                     "zeroblob"};

/* Of many rows. min and max are aggregates where they have one argument. */
static const char *const of_rows[] = {"avg",
                                      "count",
                                      "cume_dist",
                                      "dense_rank",
                                      "first_value",
                                      "group_concat",
                                      "json_group_array",
                                      "json_group_object",
                                      "lag",
                                      "last_value",
                                      "lead",
                                      "max",
                                      "min",
                                      "nth_value",
                                      "ntile",
                                      "percent_rank",
                                      "rank",
                                      "row_number",
                                      "sum",
                                      "total"};

static int compare(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

/* Lower-cased, zero-terminated; false: too long to be any of ours. */
static bool lower(weir_slice name, char *ret, size_t size)
{
    if (name.len == 0 || name.len >= size)
        return false;
    for (size_t i = 0; i < name.len; i++)
        ret[i] = (char)weir_ascii_lower(name.data[i]);
    ret[name.len] = '\0';
    return true;
}

bool weir_sqlite_function_is_scalar(weir_slice name)
{
    char key[32];
    return lower(name, key, sizeof(key)) &&
           bsearch(key, scalar, sizeof(scalar) / sizeof(scalar[0]), sizeof(scalar[0]), compare);
}

bool weir_sqlite_function_is_steady(weir_slice name)
{
    char key[32];
    return weir_sqlite_function_is_scalar(name) ||
           (lower(name, key, sizeof(key)) &&
            bsearch(key, of_rows, sizeof(of_rows) / sizeof(of_rows[0]), sizeof(of_rows[0]),
                    compare));
}

bool weir_sqlite_function_is_of_session(weir_slice name)
{
    return weir_slice_eq_nocase(name, "last_insert_rowid") ||
           weir_slice_eq_nocase(name, "changes") || weir_slice_eq_nocase(name, "total_changes");
}
