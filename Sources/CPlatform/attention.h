// What a query sees of many positions, for processors with AVX2 and FMA: its products with their keys, and the sum of
// their values by weights. Keys and values follow each other, `size` floats each, a multiple of eight.
#pragma once

#include "conversion.h"

#if defined(__x86_64__)
PLATFORM_INLINE PLATFORM_FMA platform_floats platform_floats_at(const float *place) {
  platform_floats values;
  memcpy(&values, place, sizeof values);
  return values;
}

PLATFORM_INLINE PLATFORM_FMA float platform_sum(platform_floats values) {
  values += __builtin_shufflevector(values, values, 4, 5, 6, 7, 0, 1, 2, 3);
  values += __builtin_shufflevector(values, values, 2, 3, 0, 1, 6, 7, 4, 5);
  return values[0] + values[1];
}

// The sums of four vectors' elements.
PLATFORM_INLINE PLATFORM_FMA void platform_four_sums(const platform_floats *all, float *sums) {
  platform_floats first = __builtin_shufflevector(all[0], all[1], 0, 8, 2, 10, 4, 12, 6, 14) +
                          __builtin_shufflevector(all[0], all[1], 1, 9, 3, 11, 5, 13, 7, 15);
  platform_floats second = __builtin_shufflevector(all[2], all[3], 0, 8, 2, 10, 4, 12, 6, 14) +
                           __builtin_shufflevector(all[2], all[3], 1, 9, 3, 11, 5, 13, 7, 15);
  platform_floats halves = __builtin_shufflevector(first, second, 0, 1, 8, 9, 4, 5, 12, 13) +
                           __builtin_shufflevector(first, second, 2, 3, 10, 11, 6, 7, 14, 15);
  for (int index = 0; index < 4; index++) sums[index] = halves[index] + halves[index + 4];
}

// Products with four keys, `size` apart; a position's is the same whichever four it is among.
PLATFORM_INLINE PLATFORM_FMA void platform_four_dots(const float *query, const float *keys, size_t size,
                                                           float *dots) {
  platform_floats a = {0}, b = {0}, c = {0}, d = {0};
  for (size_t index = 0; index < size; index += 8) {
    platform_floats part = platform_floats_at(query + index);
    a = __builtin_elementwise_fma(part, platform_floats_at(keys + index), a);
    b = __builtin_elementwise_fma(part, platform_floats_at(keys + size + index), b);
    c = __builtin_elementwise_fma(part, platform_floats_at(keys + 2 * size + index), c);
    d = __builtin_elementwise_fma(part, platform_floats_at(keys + 3 * size + index), d);
  }
  platform_floats all[4] = {a, b, c, d};
  platform_four_sums(all, dots);
}

// scores[p] = scale · query · keys[p].
static inline PLATFORM_FMA void platform_scores(const float *query, const float *keys, size_t count, size_t size,
                                                      float scale, float *scores) {
  size_t place = 0;
  for (; place + 4 <= count; place += 4) {
    __builtin_prefetch(keys + (place + 8) * size);
    __builtin_prefetch(keys + (place + 10) * size);
    platform_four_dots(query, keys + place * size, size, scores + place);
    for (int index = 0; index < 4; index++) scores[place + index] *= scale;
  }
  for (; place < count; place++) {
    platform_floats all[4] = {{0}, {0}, {0}, {0}};
    float sums[4];
    for (size_t index = 0; index < size; index += 8)
      all[0] = __builtin_elementwise_fma(platform_floats_at(query + index),
                                         platform_floats_at(keys + place * size + index), all[0]);
    platform_four_sums(all, sums);
    scores[place] = scale * sums[0];
  }
}

// `parts` times eight places of Σ weights[p] · values[p], in registers.
#define PLATFORM_SUMS(parts)                                                                                         \
  PLATFORM_INLINE PLATFORM_FMA void platform_sums_##parts(const float *weights, const float *values,                 \
                                                                size_t count, size_t size, float *result) {          \
    PLATFORM_EACH_##parts(PLATFORM_SUM_BEGIN)                                                                        \
    for (size_t place = 0; place < count; place++) {                                                                 \
      const float *value = values + place * size;                                                                    \
      platform_floats weight = (platform_floats)(weights[place]);                                                    \
      PLATFORM_EACH_##parts(PLATFORM_SUM_STEP)                                                                       \
    }                                                                                                                \
    PLATFORM_EACH_##parts(PLATFORM_SUM_END)                                                                          \
  }
#define PLATFORM_EACH_1(part) part(0)
#define PLATFORM_EACH_8(part) part(0) part(1) part(2) part(3) part(4) part(5) part(6) part(7)
#define PLATFORM_SUM_BEGIN(k) platform_floats sum##k = {0};
#define PLATFORM_SUM_STEP(k) sum##k = __builtin_elementwise_fma(weight, platform_floats_at(value + 8 * k), sum##k);
#define PLATFORM_SUM_END(k) memcpy(result + 8 * k, &sum##k, sizeof sum##k);
PLATFORM_SUMS(1)
PLATFORM_SUMS(8)

// result = Σ weights[p] · values[p].
static inline PLATFORM_FMA void platform_weighted_sum(const float *weights, const float *values, size_t count,
                                                            size_t size, float *result) {
  size_t start = 0;
  for (; start + 64 <= size; start += 64) platform_sums_8(weights, values + start, count, size, result + start);
  for (; start < size; start += 8) platform_sums_1(weights, values + start, count, size, result + start);
}
#else
static inline void platform_scores(const float *query, const float *keys, size_t count, size_t size, float scale,
                                   float *scores) {}
static inline void platform_weighted_sum(const float *weights, const float *values, size_t count, size_t size,
                                         float *result) {}
#endif
