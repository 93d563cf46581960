/* Writes Prometheus' text format. Values of labels are escaped as it wants (\\, \", \n); other
 * control characters become spaces and what is no UTF-8 becomes '?', since one bad byte spoils a
 * whole scrape. */
#include "ops/text.h"
#include <stdio.h>

#define FIRST_OCTAVE 4u /* 16 us */
#define LAST_OCTAVE 24u /* 16.8 s */
#define PER_OCTAVE (WEIR_HIST_BUCKETS / 32u)

#define PUT(t, ...)                                                                                \
    do {                                                                                           \
        if ((t)->error == 0)                                                                       \
            (t)->error = weir_buf_printf((t)->out, __VA_ARGS__);                                   \
    } while (0)

void ops_family(ops_text *t, const char *name, const char *type, const char *help)
{
    t->family = name;
    PUT(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Bytes of the UTF-8 character at `s` (shortest form, no surrogates); 0: there is none. */
static size_t character(const unsigned char *s)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (n == 0 || s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) /* the terminating zero, too */
            return 0;
    bool bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
               (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
    return bad ? 0 : n;
}

static void put_value(ops_text *t, const char *value)
{
    for (const unsigned char *s = (const unsigned char *)value; *s;) {
        size_t n = character(s);
        if (*s == '"' || *s == '\\')
            PUT(t, "\\%c", *s);
        else if (*s == '\n')
            PUT(t, "\\n");
        else if (*s < 0x20 || *s == 0x7f)
            PUT(t, " ");
        else if (n > 0)
            PUT(t, "%.*s", (int)n, (const char *)s);
        else
            PUT(t, "?");
        s += n ? n : 1;
    }
}

/* name suffix {labels, le}; the value is still to come. */
static void put_name(ops_text *t, const char *suffix, const ops_label *labels, const char *le)
{
    const char *before = "{";
    PUT(t, "%s%s", t->family, suffix);
    for (; labels->name; labels++) {
        PUT(t, "%s%s=\"", before, labels->name);
        put_value(t, labels->value);
        PUT(t, "\"");
        before = ",";
    }
    if (le)
        PUT(t, "%sle=\"%s\"", before, le);
    PUT(t, "%s ", le || *before == ',' ? "}" : "");
}

void ops_count(ops_text *t, const ops_label *labels, uint64_t value)
{
    put_name(t, "", labels, NULL);
    PUT(t, "%llu\n", (unsigned long long)value);
}

static void put_seconds(ops_text *t, uint64_t ns)
{
    PUT(t, "%llu.%09llu\n", (unsigned long long)(ns / 1000000000u),
        (unsigned long long)(ns % 1000000000u));
}

void ops_seconds(ops_text *t, const ops_label *labels, uint64_t ns)
{
    put_name(t, "", labels, NULL);
    put_seconds(t, ns);
}

void ops_real(ops_text *t, const ops_label *labels, double value)
{
    put_name(t, "", labels, NULL);
    PUT(t, "%.9g\n", value);
}

void ops_histogram(ops_text *t, const ops_label *labels, const weir_hist *h)
{
    char le[32];
    for (size_t octave = FIRST_OCTAVE; octave <= LAST_OCTAVE; octave++) {
        weir_time bound = weir_hist_bound(octave * PER_OCTAVE);
        (void)snprintf(le, sizeof(le), "%.9g", (double)bound / 1e9);
        put_name(t, "_bucket", labels, le);
        PUT(t, "%llu\n", (unsigned long long)weir_hist_count_le(h, bound));
    }
    /* Not h->count, which a reader beside the writer may see behind the buckets. */
    unsigned long long all = weir_hist_count_le(h, WEIR_TIME_NEVER);
    put_name(t, "_bucket", labels, "+Inf");
    PUT(t, "%llu\n", all);
    put_name(t, "_sum", labels, NULL);
    put_seconds(t, atomic_load_explicit(&h->sum_ns, memory_order_relaxed));
    put_name(t, "_count", labels, NULL);
    PUT(t, "%llu\n", all);
}
