// W + scale · B · A on rows as they are stored, for processors with AVX2 and FMA: widened, changed and rounded in
// registers. Each value is one sum over the rank, in its order, so that it is the same bits wherever it is worked out and
// whatever stands beside it.
//
// Six rows of sixteen columns are worked on at once: twelve sums, which with two parts of A and a factor of B are the
// registers that there are. A is laid out in panels of sixteen columns, [columns / 16][rank][16], the last one filled up
// with zeros.
#pragma once

#include "conversion.h"

typedef struct {
  void *stored;   // [rows, columns], changed in place
  size_t stride;  // elements from one of its rows to the next
  size_t rows, columns, rank;
  const float *b;  // [rows, rank]
  size_t b_stride;
  const float *panels;  // of A
  float scale;
} platform_product;

#if defined(__x86_64__)
// As many values of A as stay in the second cache while all rows pass.
#define PLATFORM_PANEL_VALUES (1 << 14)

// The compiler of Swift does not unroll loops that keep their sums in an array: rows are written out.
#define PLATFORM_ROWS_1(row) row(0)
#define PLATFORM_ROWS_2(row) PLATFORM_ROWS_1(row) row(1)
#define PLATFORM_ROWS_3(row) PLATFORM_ROWS_2(row) row(2)
#define PLATFORM_ROWS_4(row) PLATFORM_ROWS_3(row) row(3)
#define PLATFORM_ROWS_5(row) PLATFORM_ROWS_4(row) row(4)
#define PLATFORM_ROWS_6(row) PLATFORM_ROWS_5(row) row(5)

#define PLATFORM_BEGIN(r) \
  platform_floats low##r = {0}, high##r = {0}; \
  const float *b##r = b + r * b_stride;
#define PLATFORM_STEP(r)                                                                                               \
  {                                                                                                                    \
    platform_floats factor = (platform_floats)(b##r[k]);                                                               \
    low##r = __builtin_elementwise_fma(factor, low, low##r);                                                           \
    high##r = __builtin_elementwise_fma(factor, high, high##r);                                                        \
  }
#define PLATFORM_END_f32(r) platform_store_f32(stored + r * stride, scale, &low##r, &high##r, width);
#define PLATFORM_END_bf16(r) platform_store_bf16(stored + r * stride, scale, &low##r, &high##r, width);
#define PLATFORM_END_f16(r) platform_store_f16(stored + r * stride, scale, &low##r, &high##r, width);

// Some rows of sixteen columns, of which `width` are there.
#define PLATFORM_TILE(kind, count)                                                                                     \
  PLATFORM_INLINE PLATFORM_FMA void platform_tile_##kind##_##count(char *stored, size_t stride, const float *b,        \
                                                                      size_t b_stride, const float *panel,             \
                                                                      size_t rank, float scale, size_t width) {        \
    PLATFORM_ROWS_##count(PLATFORM_BEGIN)                                                                              \
    for (size_t k = 0; k < rank; k++) {                                                                                \
      platform_floats low, high;                                                                                       \
      memcpy(&low, panel + 16 * k, sizeof low);                                                                        \
      memcpy(&high, panel + 16 * k + 8, sizeof high);                                                                  \
      PLATFORM_ROWS_##count(PLATFORM_STEP)                                                                             \
    }                                                                                                                  \
    PLATFORM_ROWS_##count(PLATFORM_END_##kind)                                                                         \
  }                                                                                                                    \
  static inline PLATFORM_FMA void platform_band_##kind##_##count(const platform_product *p, size_t row,                \
                                                                    size_t first, size_t end) {                        \
    size_t size = platform_size_##kind, stride = p->stride * size;                                                     \
    char *stored = (char *)p->stored + row * stride;                                                                   \
    const float *b = p->b + row * p->b_stride;                                                                         \
    size_t column = first;                                                                                             \
    for (; column + 16 <= end; column += 16)                                                                           \
      platform_tile_##kind##_##count(stored + column * size, stride, b, p->b_stride, p->panels + column * p->rank,     \
                                     p->rank, p->scale, 16);                                                           \
    if (column < end)                                                                                                  \
      platform_tile_##kind##_##count(stored + column * size, stride, b, p->b_stride, p->panels + column * p->rank,     \
                                     p->rank, p->scale, end - column);                                                 \
  }

#define PLATFORM_PRODUCT(kind, units, from, to)                                                                        \
  enum { platform_size_##kind = sizeof(units) / 8 };                                                                   \
  PLATFORM_INLINE PLATFORM_FMA void platform_store_##kind(char *stored, float scale, const platform_floats *low,       \
                                                             const platform_floats *high, size_t width) {              \
    units pair[2] = {0};                                                                                               \
    platform_floats values[2];                                                                                         \
    if (width == 16) memcpy(pair, stored, sizeof pair);                                                                \
    else memcpy(pair, stored, width * (sizeof(units) / 8));                                                            \
    from(&pair[0], &values[0]);                                                                                        \
    from(&pair[1], &values[1]);                                                                                        \
    values[0] = __builtin_elementwise_fma((platform_floats)(scale), *low, values[0]);                                  \
    values[1] = __builtin_elementwise_fma((platform_floats)(scale), *high, values[1]);                                 \
    to(&values[0], &pair[0]);                                                                                          \
    to(&values[1], &pair[1]);                                                                                          \
    if (width == 16) memcpy(stored, pair, sizeof pair);                                                                \
    else memcpy(stored, pair, width * (sizeof(units) / 8));                                                            \
  }                                                                                                                    \
  PLATFORM_TILE(kind, 1)                                                                                               \
  PLATFORM_TILE(kind, 2)                                                                                               \
  PLATFORM_TILE(kind, 3)                                                                                               \
  PLATFORM_TILE(kind, 4)                                                                                               \
  PLATFORM_TILE(kind, 5)                                                                                               \
  PLATFORM_TILE(kind, 6)                                                                                               \
  static inline PLATFORM_FMA void platform_add_product_##kind(const platform_product *p) {                             \
    size_t step = PLATFORM_PANEL_VALUES / (16 * p->rank) * 16;                                                         \
    if (step == 0) step = 16;                                                                                          \
    for (size_t first = 0; first < p->columns; first += step) {                                                        \
      size_t end = p->columns - first < step ? p->columns : first + step;                                              \
      size_t row = 0;                                                                                                  \
      for (; row + 6 <= p->rows; row += 6) platform_band_##kind##_6(p, row, first, end);                               \
      switch (p->rows - row) {                                                                                         \
        case 1: platform_band_##kind##_1(p, row, first, end); break;                                                   \
        case 2: platform_band_##kind##_2(p, row, first, end); break;                                                   \
        case 3: platform_band_##kind##_3(p, row, first, end); break;                                                   \
        case 4: platform_band_##kind##_4(p, row, first, end); break;                                                   \
        case 5: platform_band_##kind##_5(p, row, first, end); break;                                                   \
      }                                                                                                                \
    }                                                                                                                  \
  }

PLATFORM_INLINE PLATFORM_FMA void platform_same(const platform_floats *values, platform_floats *same) {
  *same = *values;
}

PLATFORM_PRODUCT(f32, platform_floats, platform_same, platform_same)
PLATFORM_PRODUCT(bf16, platform_units, platform_from_bf16, platform_bf16)
PLATFORM_PRODUCT(f16, platform_units, platform_from_f16, platform_f16)
#else
static inline void platform_add_product_f32(const platform_product *product) {}
static inline void platform_add_product_bf16(const platform_product *product) {}
static inline void platform_add_product_f16(const platform_product *product) {}
#endif
