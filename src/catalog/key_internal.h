/* Private to src/catalog: from canonical bytes to ids. */
#ifndef WEIR_CATALOG_KEY_INTERNAL_H
#define WEIR_CATALOG_KEY_INTERNAL_H

#include "catalog/key.h"

/* Eight letters each, as those in key.c; they are part of what may lie on a disk. */
#define WEIR_KEY_SEED_NUMBER 0x7265626d756e2e2eULL
#define WEIR_KEY_SEED_REAL 0x6c6165722e2e2e2eULL
#define WEIR_KEY_SEED_TEXT 0x747865742e2e2e2eULL
#define WEIR_KEY_SEED_BLOB 0x626f6c622e2e2e2eULL
#define WEIR_KEY_SEED_UUID 0x646975752e2e2e2eULL
#define WEIR_KEY_SEED_DATE 0x657461642e2e2e2eULL
#define WEIR_KEY_SEED_BOOL 0x6c6f6f622e2e2e2eULL

uint64_t weir_key_bytes(uint64_t seed, uint64_t column, weir_slice bytes);
uint64_t weir_key_word(uint64_t seed, uint64_t column, uint64_t word);

#endif
