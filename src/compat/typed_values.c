/* More of PostgreSQL's functions by their types: bytea's, and what few statements use. */
#include "compat/typed_lists.h"

const typed_function typed_values[] = {
    {"encode", "yt", 't', "weir_encode(%1, %2)"},
    {"decode", "tt", 'y', "weir_decode(%1, %2)"},
    {"md5", "y", 't', "weir_encode(weir_digest('md5', %1), 'hex')"},
    {"sha224", "y", 'y', "weir_digest('sha224', %1)"},
    {"sha256", "y", 'y', "weir_digest('sha256', %1)"},
    {"sha384", "y", 'y', "weir_digest('sha384', %1)"},
    {"sha512", "y", 'y', "weir_digest('sha512', %1)"},
    {"get_byte", "y4", '4', "weir_get_byte(%1, %2)"},
    {"convert_from", "yt", 't', "weir_convert_from(%1, %2)"},
    {"convert_to", "tt", 'y', "weir_convert_to(%1, %2)"},
    {"substr", "y4", 'y', "iif(%1 + %2 IS NULL, NULL, coalesce(substr(%1, max(%2, 1)), x''))"},
    {"substring", "y4", 'y', "iif(%1 + %2 IS NULL, NULL, coalesce(substr(%1, max(%2, 1)), x''))"},
    {"substr", "y44", 'y',
     "iif(%1 + %2 + %3 IS NULL, NULL, coalesce(substr(%1, max(%2, 1), max(0, %2 + %3 - "
     "max(%2, 1))), x''))"},
    {"substring", "y44", 'y',
     "iif(%1 + %2 + %3 IS NULL, NULL, coalesce(substr(%1, max(%2, 1), max(0, %2 + %3 - "
     "max(%2, 1))), x''))"},
    {"position", "yy", '4', "instr(%2, %1)"},
    {"timezone", "tz", 's', "weir_zone_out(%2, %1)"},
    {"timezone", "ts", 'z', "weir_zone_in(%2, %1)"},
    {"date_trunc", "tzt", 'z', "weir_zone_in(weir_date_trunc(%1, weir_zone_out(%2, %3)), %3)"},
    {"nextval", "t", '8', NULL},
    {"setval", "t8", '8', NULL},
    {"setval", "t8b", '8', NULL},
    {"currval", "t", '8', NULL},
    {"lastval", "", '8', NULL},
    {"pg_get_serial_sequence", "tt", 't', NULL},
    {"bit_length", "t", '4', "(length(CAST(%1 AS BLOB)) * 8)"},
    {"bit_length", "y", '4', "(length(%1) * 8)"},
    {NULL, NULL, 0, NULL},
};
