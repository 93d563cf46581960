/* RESP replies of any kind: a value that is said to be whole can be walked to its end, and its
 * size does not depend on what comes behind it. */
#include "proto/resp/resp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Every token by itself. */
static void walk(weir_slice value)
{
    weir_slice rest = value;
    for (uint64_t left = 1; left > 0; left--) {
        weir_resp_token t;
        require(weir_resp_read(&rest, &t) == 0);
        require(t.text.len <= value.len);
        left += t.values + (t.type == WEIR_RESP_ATTRIBUTE);
    }
    require(rest.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const weir_resp_limits limits = {.text_max = 2048, .values_max = 64};
    weir_slice in = weir_slice_make(data, size), rest = in;
    size_t len, again;
    while (weir_resp_size(rest, &limits, &len) == 0) {
        require(len > 0 && len <= rest.len);
        weir_slice value = weir_slice_head(rest, len), skipped = rest;
        require(weir_resp_size(value, &limits, &again) == 0 && again == len);
        for (size_t cut = 0; cut < len && len < 200; cut++)
            require(weir_resp_size(weir_slice_head(value, cut), &limits, &again) == WEIR_RESP_MORE);
        walk(value);
        require(weir_resp_skip(&skipped) == 0 && skipped.len == rest.len - len);
        rest = skipped;
    }
    weir_resp_redirection r;
    if (weir_resp_redirected(in, &r))
        require(r.slot < WEIR_RESP_SLOTS && r.address.len < size);
    require(weir_resp_slot(in) < WEIR_RESP_SLOTS);
    return 0;
}
