/* Private to compat/typed*.c: functions and operators as lists (typed_calls.c chooses from them),
 * and what JSON's need. */
#ifndef WEIR_COMPAT_TYPED_LISTS_H
#define WEIR_COMPAT_TYPED_LISTS_H

#include "compat/typed.h"

/* Types in one letter: 2, 4, 8 integers, r float4, f float8, n numeric, t text, b bool, d date, s
 * timestamp, z timestamptz, v interval, c time, u uuid, a inet, J jsonb, j json, y bytea, T text[];
 * * anything, = what the first is, + any number of anything; ! not supported. The list ends without
 * a name. */
typedef struct typed_function {
    const char *name, *args;
    char result;
    const char *emit; /* NULL: by its name */
} typed_function;

typedef struct typed_operator {
    const char *op;
    char left, right, result; /* as above; left 0: a sign */
    const char *emit;
} typed_operator;

extern const typed_function
    typed_documents[]; /* typed_calls.c: what a letter stands for; whether a value is implicitly one
                        * of these (0: it is one; higher: with more ado; -1: no); the kind of types
                        * among which one is preferred. */
uint32_t typed_letter_oid(char letter);
int typed_distance(uint32_t from, char letter);
char typed_category(char letter);

/* typed_documents.c */
extern const typed_operator typed_document_operators[];
extern const typed_function typed_values[]; /* typed_values.c */

/* typed_documents.c */
WEIR_MUST_CHECK int typed_as_text(typed *t, typed_node *a); /* as it is shown inside a text */
/* Builders and aggregates. TYPED_NONE: it is none of these. */
WEIR_MUST_CHECK int typed_infer_document(typed *t, typed_node *n);
/* A function of JSON's in FROM or a select list: its table for SQLite and its columns, which are
 * named as `*ret_columns`, up to two and the ordinality. NULL: it is none. */
const char *typed_document_set(weir_slice name, typed_column columns[2], size_t *ret_count);

/* typed_zones.c: as it is said in the session's zone; `emit`, `format`: in UTC. */
const char *typed_zoned_call(const typed *t, const char *name, const char *args, const char *emit);
const char *typed_zoned_cast(const typed *t, uint32_t from, uint32_t to, const char *format);
/* 'now', 'today' and the like as the type: how SQLite says it; NULL: the literal is none. */
const char *typed_now_literal(weir_slice literal, uint32_t oid);
WEIR_MUST_CHECK int typed_put_zone(typed *t);
void typed_show_zone(typed *t, typed_query *q);
WEIR_MUST_CHECK int typed_infer_zone(typed *t, typed_node *n);

/* Behind INTERVAL or its literal: YEAR TO MONTH, SECOND (3), (3), or nothing. */
struct run_span_fields;
WEIR_MUST_CHECK int typed_parse_span_fields(typed *t, struct run_span_fields *fields);

#endif
