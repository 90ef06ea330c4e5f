// W + scale · B · A on rows as they are stored, for processors with AVX2 and FMA, and for those with AVX-512: widened,
// changed and rounded in registers. Each value is one sum over the rank, in its order, so that it is the same bits
// wherever it is worked out and whatever stands beside it.
//
// Two vectors of several rows are worked on at once: with AVX2 six rows of sixteen columns, twelve sums, which with two
// parts of A and a factor of B are the registers that there are; with AVX-512 twelve rows of 32 columns. A is laid out in
// panels of sixteen columns, [columns / 16][rank][16], the last one filled up with zeros.
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
typedef float platform_wide_floats __attribute__((ext_vector_type(16)));

// As many values of A as stay in the second cache while all rows pass.
#define PLATFORM_PANEL_VALUES (1 << 14)

// The compiler of Swift does not unroll loops that keep their sums in an array: rows are written out.
#define PLATFORM_ROWS_1(row) row(0)
#define PLATFORM_ROWS_2(row) PLATFORM_ROWS_1(row) row(1)
#define PLATFORM_ROWS_3(row) PLATFORM_ROWS_2(row) row(2)
#define PLATFORM_ROWS_6(row) PLATFORM_ROWS_3(row) row(3) row(4) row(5)
#define PLATFORM_ROWS_12(row) PLATFORM_ROWS_6(row) row(6) row(7) row(8) row(9) row(10) row(11)

#define PLATFORM_BEGIN(r)                                                                                              \
  vector low##r = {0}, high##r = {0};                                                                                  \
  const float *b##r = b + r * p->b_stride;
#define PLATFORM_STEP(r)                                                                                               \
  {                                                                                                                    \
    vector factor = (vector)(b##r[k]);                                                                                 \
    low##r = __builtin_elementwise_fma(factor, low, low##r);                                                           \
    high##r = __builtin_elementwise_fma(factor, high, high##r);                                                        \
  }
#define PLATFORM_END(r)                                                                                                \
  {                                                                                                                    \
    vector sums[2] = {low##r, high##r};                                                                                \
    store(stored + r * p->stride * size, p->scale, (const platform_floats *)sums, width);                              \
  }

// Some rows of two vectors of columns, of which `width` are there. The second vector is further on in the panel, or in
// the next one.
#define PLATFORM_TILE(kind, form, target, floats, count)                                                               \
  PLATFORM_INLINE target void platform_tile_##kind##_##form##_##count(const platform_product *p, char *stored,         \
                                                                      const float *b, const float *panel,              \
                                                                      const float *second, size_t width) {             \
    typedef floats vector;                                                                                             \
    enum { size = platform_size_##kind };                                                                              \
    PLATFORM_ROWS_##count(PLATFORM_BEGIN)                                                                              \
    for (size_t k = 0; k < p->rank; k++) {                                                                             \
      vector low, high;                                                                                                \
      memcpy(&low, panel + 16 * k, sizeof low);                                                                        \
      memcpy(&high, second + 16 * k, sizeof high);                                                                     \
      PLATFORM_ROWS_##count(PLATFORM_STEP)                                                                             \
    }                                                                                                                  \
    void (*const store)(char *, float, const platform_floats *, size_t) = platform_store_##kind##_##form;              \
    PLATFORM_ROWS_##count(PLATFORM_END)                                                                                \
  }                                                                                                                    \
  static inline target void platform_band_##kind##_##form##_##count(const platform_product *p, size_t row,             \
                                                                    size_t first, size_t end) {                        \
    enum { size = platform_size_##kind, columns = 2 * sizeof(floats) / sizeof(float) };                                \
    char *stored = (char *)p->stored + row * p->stride * size;                                                         \
    const float *b = p->b + row * p->b_stride;                                                                         \
    for (size_t column = first; column < end; column += columns) {                                                     \
      const float *panel = p->panels + column * p->rank;                                                               \
      size_t width = end - column < columns ? end - column : columns;                                                  \
      /* Where there is no next panel the same one stands in for it, and is not stored. */                             \
      const float *second = columns == 16 ? panel + 8 : width > 16 ? panel + 16 * p->rank : panel;                     \
      platform_tile_##kind##_##form##_##count(p, stored + column * size, b, panel, second, width);                     \
    }                                                                                                                  \
  }

// The sums of a row, added to what is stored.
#define PLATFORM_STORE(kind, form, target, floats, units, from, to)                                                    \
  PLATFORM_INLINE target void platform_store_##kind##_##form(char *stored, float scale, const platform_floats *sums,   \
                                                             size_t width) {                                           \
    enum { parts = 2 * sizeof(floats) / sizeof(platform_floats) };                                                     \
    units all[parts] = {0};                                                                                            \
    memcpy(all, stored, width == 8 * parts ? sizeof all : width * (sizeof(units) / 8));                                \
    for (int part = 0; part < parts; part++) {                                                                         \
      platform_floats values;                                                                                          \
      from(&all[part], &values);                                                                                       \
      values = __builtin_elementwise_fma((platform_floats)(scale), sums[part], values);                                \
      to(&values, &all[part]);                                                                                         \
    }                                                                                                                  \
    memcpy(stored, all, width == 8 * parts ? sizeof all : width * (sizeof(units) / 8));                                \
  }

// `many` rows at once, then what is left of them by `some` and one by one.
#define PLATFORM_PRODUCT(kind, form, target, floats, many, some, units, from, to)                                      \
  PLATFORM_STORE(kind, form, target, floats, units, from, to)                                                          \
  PLATFORM_TILE(kind, form, target, floats, many)                                                                      \
  PLATFORM_TILE(kind, form, target, floats, some)                                                                      \
  PLATFORM_TILE(kind, form, target, floats, 1)                                                                         \
  static inline target void platform_add_product_##kind##_##form(const platform_product *p) {                          \
    size_t step = PLATFORM_PANEL_VALUES / (32 * p->rank) * 32;                                                         \
    if (step == 0) step = 32;                                                                                          \
    for (size_t first = 0; first < p->columns; first += step) {                                                        \
      size_t end = p->columns - first < step ? p->columns : first + step;                                              \
      size_t row = 0;                                                                                                  \
      for (; row + many <= p->rows; row += many) platform_band_##kind##_##form##_##many(p, row, first, end);           \
      for (; row + some <= p->rows; row += some) platform_band_##kind##_##form##_##some(p, row, first, end);           \
      for (; row < p->rows; row++) platform_band_##kind##_##form##_1(p, row, first, end);                              \
    }                                                                                                                  \
  }

#define PLATFORM_PRODUCTS(kind, units, from, to)                                                                       \
  enum { platform_size_##kind = sizeof(units) / 8 };                                                                   \
  PLATFORM_PRODUCT(kind, avx2, PLATFORM_FMA, platform_floats, 6, 2, units, from, to)                                   \
  PLATFORM_PRODUCT(kind, avx512, PLATFORM_AVX512, platform_wide_floats, 12, 3, units, from, to)                        \
  static inline void platform_add_product_##kind(const platform_product *product, int is_wide) {                       \
    if (is_wide) platform_add_product_##kind##_avx512(product);                                                        \
    else platform_add_product_##kind##_avx2(product);                                                                  \
  }

PLATFORM_INLINE PLATFORM_FMA void platform_same(const platform_floats *values, platform_floats *same) {
  *same = *values;
}

PLATFORM_PRODUCTS(f32, platform_floats, platform_same, platform_same)
PLATFORM_PRODUCTS(bf16, platform_units, platform_from_bf16, platform_bf16)
PLATFORM_PRODUCTS(f16, platform_units, platform_from_f16_wide, platform_f16_wide)
#else
static inline void platform_add_product_f32(const platform_product *product, int is_wide) {}
static inline void platform_add_product_bf16(const platform_product *product, int is_wide) {}
static inline void platform_add_product_f16(const platform_product *product, int is_wide) {}
#endif
