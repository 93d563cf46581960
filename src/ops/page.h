/* The web page (page.html, embedded by the build), private to ops/. */
#ifndef WEIR_OPS_PAGE_H
#define WEIR_OPS_PAGE_H

#include <stddef.h>

extern const unsigned char ops_page[];
extern const size_t ops_page_size;

#endif
