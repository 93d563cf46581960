/* Reads a query's rows into memory. */
#include "backend/sqlite/face_image.h"
#include "backend/sqlite/face.h"
#include "base/hash.h"
#include <stdlib.h>

weir_sqlite_image *weir_sqlite_image_ref(weir_sqlite_image *image)
{
    image->refs++;
    return image;
}

void weir_sqlite_image_unref(weir_sqlite_image *image)
{
    if (!image || --image->refs > 0)
        return;
    for (int i = 0; image->indexes && i < image->columns; i++)
        free(image->indexes[i]);
    free(image->indexes);
    weir_arena_fini(&image->texts);
    free(image->cells);
    if (image->memory)
        weir_memory_release(image->memory, WEIR_MEMORY_SERVER, image->charged);
    free(image);
}

#define CHARGE_STEP ((size_t)65536)

/* Before more is taken than was charged. */
static int charge(weir_sqlite_image *image, size_t more)
{
    if (!image->memory)
        return SQLITE_OK;
    size_t row = (size_t)image->columns * sizeof(*image->cells);
    size_t size = sizeof(*image) + image->cap * row + image->texts.size_used + more;
    if (size <= image->charged)
        return SQLITE_OK;
    size_t step = (size - image->charged + CHARGE_STEP - 1) / CHARGE_STEP * CHARGE_STEP;
    if (weir_memory_charge(image->memory, WEIR_MEMORY_SERVER, step) < 0)
        return SQLITE_NOMEM;
    image->charged += step;
    return SQLITE_OK;
}

static int grow(weir_sqlite_image *image)
{
    size_t cap = image->cap ? image->cap * 2 : 32;
    size_t size = cap * (size_t)image->columns * sizeof(*image->cells);
    if (size > WEIR_SQLITE_IMAGE_SIZE_MAX)
        return SQLITE_TOOBIG;
    if (charge(image, size) != SQLITE_OK)
        return SQLITE_NOMEM;
    weir_value *cells = realloc(image->cells, size);
    if (!cells)
        return SQLITE_NOMEM;
    image->cells = cells;
    image->cap = cap;
    return SQLITE_OK;
}

static int take_bytes(weir_sqlite_image *image, sqlite3_stmt *query, int i, weir_value *cell)
{
    bool text = cell->type == WEIR_VALUE_TEXT;
    const void *bytes = text ? sqlite3_column_text(query, i) : sqlite3_column_blob(query, i);
    size_t len = (size_t)sqlite3_column_bytes(query, i);
    if (!bytes && (text || len > 0))
        return SQLITE_NOMEM;
    if (image->texts.size_used + len > WEIR_SQLITE_IMAGE_SIZE_MAX / 2)
        return SQLITE_TOOBIG;
    if (charge(image, len) != SQLITE_OK)
        return SQLITE_NOMEM;
    uint8_t *copy = weir_arena_alloc(&image->texts, len > 0 ? len : 1);
    if (!copy)
        return SQLITE_NOMEM;
    if (len > 0)
        memcpy(copy, bytes, len);
    cell->u.bytes = weir_slice_make(copy, len);
    return SQLITE_OK;
}

static int take_cell(weir_sqlite_image *image, sqlite3_stmt *query, int i, weir_value *cell)
{
    *cell = (weir_value){.type = WEIR_VALUE_NULL};
    switch (sqlite3_column_type(query, i)) {
    case SQLITE_INTEGER:
        cell->type = WEIR_VALUE_INTEGER;
        cell->u.integer = sqlite3_column_int64(query, i);
        return SQLITE_OK;
    case SQLITE_FLOAT:
        cell->type = WEIR_VALUE_REAL;
        cell->u.real = sqlite3_column_double(query, i);
        return SQLITE_OK;
    case SQLITE_TEXT:
        cell->type = WEIR_VALUE_TEXT;
        return take_bytes(image, query, i, cell);
    case SQLITE_BLOB:
        cell->type = WEIR_VALUE_BLOB;
        return take_bytes(image, query, i, cell);
    default:
        return SQLITE_OK;
    }
}

static int take_row(weir_sqlite_image *image, sqlite3_stmt *query)
{
    int rc = image->count == image->cap ? grow(image) : SQLITE_OK;
    if (rc != SQLITE_OK)
        return rc;
    weir_value *row = image->cells + image->count * (size_t)image->columns;
    for (int i = 0; i < image->columns && rc == SQLITE_OK; i++)
        rc = take_cell(image, query, i, &row[i]);
    image->count += rc == SQLITE_OK;
    return rc;
}

int weir_sqlite_image_read(weir_sqlite_db *db, sqlite3_stmt *query, weir_sqlite_image **ret)
{
    weir_sqlite_image *image = calloc(1, sizeof(*image));
    if (!image)
        return SQLITE_NOMEM;
    image->refs = 1;
    image->columns = sqlite3_column_count(query);
    image->memory = db->options->memory;
    weir_arena_init(&image->texts, WEIR_SQLITE_IMAGE_SIZE_MAX);
    int rc;
    while ((rc = weir_sqlite_face_step(db, query)) == SQLITE_ROW) {
        rc = take_row(image, query);
        if (rc != SQLITE_OK)
            break;
    }
    if (rc != SQLITE_DONE) {
        weir_sqlite_image_unref(image);
        return rc;
    }
    *ret = image;
    return SQLITE_OK;
}

/* ---- finding rows ---- */

#define INDEXED_ROWS_MIN 16u

static size_t hash_of(const weir_value *value)
{
    weir_hash_seed seed = {{0}}; /* the values are the schema's own */
    weir_slice bytes =
        value->type == WEIR_VALUE_TEXT
            ? value->u.bytes
            : weir_slice_make((const uint8_t *)&value->u.integer, sizeof(value->u.integer));
    return (size_t)weir_hash(seed, bytes);
}

/* NULL: several, or another one than these. */
static weir_value_type class_of(const weir_sqlite_image *image, int column)
{
    weir_value_type type = WEIR_VALUE_NULL;
    for (size_t i = 0; i < image->count; i++) {
        weir_value_type t = image->cells[i * (size_t)image->columns + (size_t)column].type;
        if (t == WEIR_VALUE_NULL)
            continue;
        if ((t != WEIR_VALUE_INTEGER && t != WEIR_VALUE_TEXT) ||
            (type != WEIR_VALUE_NULL && type != t))
            return WEIR_VALUE_NULL;
        type = t;
    }
    return type;
}

static weir_sqlite_image_index *make_index(const weir_sqlite_image *image, int column)
{
    size_t buckets = 16;
    while (buckets < image->count)
        buckets *= 2;
    weir_sqlite_image_index *index =
        calloc(1, sizeof(*index) + (buckets + image->count) * sizeof(uint32_t));
    if (!index)
        return NULL;
    index->type = class_of(image, column);
    index->mask = buckets - 1;
    index->heads = (uint32_t *)(void *)(index + 1);
    index->next = index->heads + buckets;
    for (size_t i = image->count; index->type != WEIR_VALUE_NULL && i-- > 0;) {
        const weir_value *cell = &image->cells[i * (size_t)image->columns + (size_t)column];
        if (cell->type == WEIR_VALUE_NULL)
            continue;
        uint32_t *head = &index->heads[hash_of(cell) & index->mask];
        index->next[i] = *head;
        *head = (uint32_t)i + 1;
    }
    return index;
}

/* NULL: the rows are looked at one by one. */
static const weir_sqlite_image_index *index_for(weir_sqlite_image *image, int column,
                                                const weir_value *value)
{
    if (image->count < INDEXED_ROWS_MIN || image->count >= UINT32_MAX)
        return NULL;
    if (!image->indexes)
        image->indexes = calloc((size_t)image->columns, sizeof(weir_sqlite_image_index *));
    if (!image->indexes)
        return NULL;
    if (!image->indexes[column])
        image->indexes[column] = make_index(image, column);
    const weir_sqlite_image_index *index = image->indexes[column];
    return index && index->type != WEIR_VALUE_NULL && index->type == value->type ? index : NULL;
}

size_t weir_sqlite_image_find(weir_sqlite_image *image, int column, const weir_value *value,
                              size_t row)
{
    const weir_sqlite_image_index *index = index_for(image, column, value);
    const weir_value *cells = image->cells + (size_t)column;
    if (index && row < image->count) {
        uint32_t at = row > 0 ? index->next[row - 1] : index->heads[hash_of(value) & index->mask];
        row = at > 0 ? at - 1 : image->count;
    }
    while (row < image->count &&
           !weir_sqlite_image_may_equal(&cells[row * (size_t)image->columns], value)) {
        uint32_t next = index ? index->next[row] : (uint32_t)row + 2;
        row = next > 0 ? next - 1 : image->count;
    }
    return row < image->count ? row : image->count;
}

bool weir_sqlite_image_may_equal(const weir_value *cell, const weir_value *value)
{
    if (cell->type != value->type)
        return cell->type != WEIR_VALUE_NULL && value->type != WEIR_VALUE_NULL;
    if (cell->type == WEIR_VALUE_INTEGER)
        return cell->u.integer == value->u.integer;
    if (cell->type == WEIR_VALUE_TEXT)
        return weir_slice_eq(cell->u.bytes, value->u.bytes);
    return true;
}
