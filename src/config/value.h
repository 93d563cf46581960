/* A value's text to its typed form and back, private to this folder. */
#ifndef WEIR_CONFIG_VALUE_H
#define WEIR_CONFIG_VALUE_H

#include "config/keys.h"

/* Parses `text` as the key's type and checks its bounds. On failure writes what was expected, in
 * words, to `why`; -EINVAL. Not for texts (KEY_SECRET, KEY_LISTEN, KEY_ADDRESS). */
WEIR_MUST_CHECK int config_value_parse(const config_key *key, weir_slice text, uint64_t *ret,
                                       char *why, size_t why_size);
/* Stores a number in a field of `width` bytes at `field`, and reads it. */
void config_value_store(void *field, size_t width, uint64_t value);
uint64_t config_value_read(const void *field, size_t width);
/* The shortest exact text; returns `out`. */
const char *config_value_format(const config_key *key, uint64_t value, char *out, size_t size);

#endif
