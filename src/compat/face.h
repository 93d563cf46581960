/* Private to compat: the lists that weir_compat_face() is made of, and how their columns say which
 * of PostgreSQL's types they are (types.c reads it): the number is the type's OID, the word gives
 * SQLite the affinity. */
#ifndef WEIR_COMPAT_FACE_H
#define WEIR_COMPAT_FACE_H

#include "catalog/face.h"
#include "compat/compat.h"

#define T_BOOL " pg_int(16)"
#define T_CHAR " pg_text(18)"
#define T_NAME " pg_text(19)"
#define T_INT8 " pg_int(20)"
#define T_INT2 " pg_int(21)"
#define T_INT2VECTOR " pg_text(22)"
#define T_INT4 " pg_int(23)"
#define T_TEXT " pg_text(25)"
#define T_OID " pg_int(26)"
#define T_OIDVECTOR " pg_text(30)"
#define T_NODE " pg_text(194)"
#define T_FLOAT4 " pg_real(700)"
#define T_TIMESTAMPTZ " pg_text(1184)"
#define T_ACLS " pg_text(1034)"
#define T_INT2S " pg_text(1005)"
#define T_CHARS " pg_text(1002)"
#define T_TEXTS " pg_text(1009)"
#define T_OIDS " pg_text(1028)"
#define T_YES_NO " pg_text(1043)"

/* A relation's OID is its row in sqlite_schema and this; what has no row of its own there has a
 * base of its own. */
#define FIRST_OID "16384"          /* WEIR_COMPAT_FIRST_OID */
#define FIRST_KEY_OID "1000000000" /* the index that an INTEGER PRIMARY KEY is not */
#define FIRST_CHECK_OID "1100000000"
#define FIRST_FOREIGN_OID "1200000000"     /* and 256 for each table */
#define FIRST_NAMED_CHECK_OID "1350000000" /* and 256 for each table */
#define FIRST_COUNTER_OID "1450000000"     /* the sequence that an INTEGER PRIMARY KEY is */
#define FIRST_DEFAULT_OID "1500000000"     /* and 2048 for each table: SQLite's limit of columns */

/* A sole PRIMARY KEY column of type INTEGER is the rowid: it is given where it is left out. */
#define IS_ROWID                                                                                   \
    "(c.pk = 1 AND (upper(c.type) = 'INTEGER' OR c.type = 'INTEGER /* int4 */') AND c.is_table "   \
    "AND NOT EXISTS (SELECT 1 FROM "                                                               \
    "weir_column AS k WHERE k.relation = c.relation AND k.pk > 1) AND NOT EXISTS (SELECT 1 FROM "  \
    "weir_listed AS l WHERE l.relation = c.relation AND l.origin = 'pk'))"

#define OURS "m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"

extern const weir_face_table weir_face_objects[];     /* pg_objects.c */
extern const weir_face_table weir_face_relations[];   /* pg_relations.c */
extern const weir_face_table weir_face_servers[];     /* pg_server.c */
extern const weir_face_table weir_face_empty[];       /* pg_empty.c */
extern const weir_face_table weir_face_information[]; /* information.c */
extern const weir_face_table weir_face_counters[];    /* pg_sequences.c */
extern const weir_face_table weir_face_comments[];    /* pg_comments.c */
extern const weir_face_function weir_face_descriptions[];
extern const weir_face_function weir_face_statistics[]; /* run_statistics.c */
extern const weir_face_function weir_face_enums[];      /* enums.c */
extern const weir_face_function weir_face_lookups[];    /* pg_lookups.c */
extern const weir_face_function weir_face_values[];     /* pg_values.c */
extern const weir_face_function weir_face_arrays[];     /* array.c */
extern const weir_face_function weir_face_texts[];      /* table_face.c */
extern const weir_face_function weir_face_targets[];    /* violations.c */
extern const weir_face_violation weir_face_violations[];

#endif
