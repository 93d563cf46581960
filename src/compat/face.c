/* All that a connection to SQLite has beside its file, for clients of PostgreSQL. */
#include "compat/face.h"
#include "compat/array.h"
#include "compat/run.h"
#include "compat/run_json.h"
#include "compat/run_moments.h"
#include "compat/sequence.h"
#include "compat/typed.h"

static const weir_face_table *const tables[] = {weir_face_objects,       weir_face_relations,
                                                weir_face_servers,       weir_face_empty,
                                                weir_face_information,   weir_face_counters,
                                                weir_face_comments,      weir_face_sets,
                                                weir_face_document_sets, NULL};
static const weir_face_function *const functions[] = {
    weir_face_lookups,      weir_face_values,     weir_face_arrays,
    weir_face_aggregates,   weir_face_casts,      weir_face_decimals,
    weir_face_texts,        weir_face_strings,    weir_face_moments,
    weir_face_parts,        weir_face_formats,    weir_face_json,
    weir_face_lists,        weir_face_patterns,   weir_face_documents,
    weir_face_bytes,        weir_face_json_keys,  weir_face_floats,
    weir_face_targets,      weir_face_zoned,      weir_face_sequences,
    weir_face_descriptions, weir_face_spans,      weir_face_addresses,
    weir_face_enums,        weir_face_statistics, NULL};
static const weir_face face = {.tables = tables,
                               .functions = functions,
                               .violations = weir_face_violations,
                               .translate = weir_typed_translate};

const weir_face_function *run_find_function(weir_slice name, int args)
{
    for (size_t i = 0; functions[i]; i++)
        for (const weir_face_function *f = functions[i]; f->name; f++)
            if (f->args == args && weir_slice_eq_cstr(name, f->name))
                return f;
    return NULL;
}

const weir_face *weir_compat_face(void)
{
    return &face;
}
