/* Reports as JSON, by jansson. Rows are encoded one at a time: the tree of a large report would
 * take many times its text. */
#include "ops/json.h"
#include <jansson.h>
#include <stdlib.h>

static int sink(const char *bytes, size_t size, void *out)
{
    return weir_buf_append(out, weir_slice_make(bytes, size)) == 0 ? 0 : -1;
}

/* Takes `value`; NULL is "out of memory". */
static int dump(json_t *value, weir_buf *out)
{
    size_t max = out->size_max - out->len;
    if (!value)
        return -ENOMEM;
    int r = json_dump_callback(value, sink, out, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(value);
    return r == 0 ? 0 : max < 4096 ? -EMSGSIZE : -ENOMEM;
}

/* Every byte beyond ASCII replaced: for text that is no UTF-8. */
static json_t *ascii(weir_slice cell)
{
    char *copy = malloc(cell.len + 1);
    if (!copy)
        return NULL;
    for (size_t i = 0; i < cell.len; i++)
        copy[i] = cell.data[i] < 0x80 ? (char)cell.data[i] : '?';
    json_t *text = json_stringn(copy, cell.len);
    free(copy);
    return text;
}

static json_t *number(weir_report_type type, weir_slice cell)
{
    char text[48];
    size_t n = cell.len < sizeof(text) - 1 ? cell.len : sizeof(text) - 1;
    memcpy(text, cell.data, n);
    text[n] = '\0';
    return type == WEIR_REPORT_REAL ? json_real(strtod(text, NULL))
                                    : json_integer(strtoll(text, NULL, 10));
}

static json_t *value(weir_report_type type, weir_slice cell)
{
    if (!cell.data)
        return json_null();
    if (type != WEIR_REPORT_TEXT)
        return number(type, cell);
    json_t *text = json_stringn((const char *)cell.data, cell.len);
    return text ? text : ascii(cell);
}

static json_t *row(const weir_report *report, size_t *pos)
{
    weir_slice cell;
    json_t *object = json_object();
    for (unsigned i = 0; object && i < report->column_count; i++) {
        bool there = weir_report_next(report, pos, &cell);
        assert(there);
        (void)there;
        const weir_report_column *column = &report->columns[i];
        if (json_object_set_new(object, column->name, value(column->type, cell)) < 0) {
            json_decref(object);
            object = NULL;
        }
    }
    return object;
}

static json_t *names(const weir_report *report)
{
    json_t *array = json_array();
    for (unsigned i = 0; array && i < report->column_count; i++)
        if (json_array_append_new(array, json_string(report->columns[i].name)) < 0) {
            json_decref(array);
            array = NULL;
        }
    return array;
}

int ops_json_report(const weir_report *report, weir_buf *out)
{
    size_t pos = 0;
    int r = weir_buf_append(out, WEIR_SLICE_LIT("{\"columns\":"));
    if (r == 0)
        r = dump(names(report), out);
    if (r == 0)
        r = weir_buf_append(out, WEIR_SLICE_LIT(",\"rows\":["));
    for (uint64_t i = 0; r == 0 && i < report->rows; i++) {
        r = weir_buf_append(out, weir_slice_make(i ? ",\n" : "\n", i ? 2 : 1));
        if (r == 0)
            r = dump(row(report, &pos), out);
    }
    return r < 0 ? r : weir_buf_append(out, WEIR_SLICE_LIT("]}\n"));
}
