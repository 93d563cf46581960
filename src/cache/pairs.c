/* Pairs of what was known and where that is: a ring, searched by halves. See pairs.h. */
#include "cache/pairs.h"

/* Without a new count the older pair says more: it holds for earlier positions too. */
void weir_pairs_add(weir_pairs *pairs, uint64_t count, uint64_t position)
{
    weir_spin_lock(&pairs->lock);
    uint64_t last = pairs->next > 0 ? (pairs->next - 1) % WEIR_PAIRS : 0;
    if (pairs->next == 0 ||
        (count > pairs->at[last].count && position > pairs->at[last].position)) {
        pairs->at[pairs->next % WEIR_PAIRS].count = count;
        pairs->at[pairs->next % WEIR_PAIRS].position = position;
        pairs->next++;
    }
    weir_spin_unlock(&pairs->lock);
}

uint64_t weir_pairs_find(weir_pairs *pairs, uint64_t position, uint64_t none)
{
    weir_spin_lock(&pairs->lock);
    uint64_t high = pairs->next, low = high > WEIR_PAIRS ? high - WEIR_PAIRS : 0, first = low;
    while (low < high) { /* those below `low` are at `position` or before */
        uint64_t middle = low + (high - low) / 2;
        if (pairs->at[middle % WEIR_PAIRS].position <= position)
            low = middle + 1;
        else
            high = middle;
    }
    uint64_t count = low > first ? pairs->at[(low - 1) % WEIR_PAIRS].count : none;
    weir_spin_unlock(&pairs->lock);
    return count;
}
