/* Private to engine/: what the files of reports share. */
#ifndef WEIR_ENGINE_REPORT_INTERNAL_H
#define WEIR_ENGINE_REPORT_INTERNAL_H

#include "engine/internal.h"
#include "engine/report.h"

#define WEIR_REPORT_SOURCE(name, columns, fill)                                                    \
    {                                                                                              \
        name, columns, sizeof(columns) / sizeof(*(columns)), fill                                  \
    }

/* A statement's text, cut where a character begins if it is long. */
weir_slice weir_report_shown(weir_slice text);

/* ---- report_catalog.c ---- */
extern const weir_report_source weir_report_catalog;

/* ---- report_embedded.c ---- */
extern const weir_report_source weir_report_embedded;

/* ---- report_cache.c ---- */
extern const weir_report_source weir_report_cache, weir_report_misses, weir_report_strategies,
    weir_report_entries, weir_report_templates, weir_report_rules;

#endif
