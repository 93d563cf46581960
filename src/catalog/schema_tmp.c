/* Stands in until the module itself lands, which removes this file. */
#include "catalog/schema.h"
void weir_schema_free(void *s) { (void)s; }
uint64_t weir_schema_fingerprint(const weir_schema *s) { (void)s; return 1; }
bool weir_schema_default(const weir_schema *s, weir_slice user, const char *setting, weir_slice *ret)
{ (void)s;(void)user;(void)setting;(void)ret; return false; }
const weir_schema_relation *weir_schema_at(const weir_schema *s, uint32_t at)
{ (void)s;(void)at; return NULL; }
const weir_schema_relation *weir_schema_find(const weir_schema *s, weir_slice schema, weir_slice name)
{ (void)s;(void)schema;(void)name; return NULL; }
weir_trust weir_schema_function(const weir_schema *s, weir_slice schema, weir_slice name)
{ (void)s;(void)schema;(void)name; return WEIR_TRUST_NONE; }
weir_trust weir_schema_operator(const weir_schema *s, weir_slice name)
{ (void)s;(void)name; return WEIR_TRUST_NONE; }
weir_trust weir_schema_type(const weir_schema *s, weir_slice schema, weir_slice name)
{ (void)s;(void)schema;(void)name; return WEIR_TRUST_NONE; }
bool weir_schema_equality_is_builtin(const weir_schema *s) { (void)s; return false; }
bool weir_schema_has_foreign_casts(const weir_schema *s) { (void)s; return true; }
const char *weir_schema_partial(const weir_schema *s) { (void)s; return "nothing is known yet"; }
