// What a query sees of many positions, for processors with AVX2 and FMA: its products with their keys, and the sum of
// their values by weights. Keys and values follow each other, `size` floats each, a multiple of eight.
#pragma once

#include "conversion.h"

#if defined(__x86_64__)
#define PLATFORM_ATTENTION __attribute__((target("avx2,fma")))

PLATFORM_INLINE PLATFORM_ATTENTION platform_floats platform_floats_at(const float *place) {
  platform_floats values;
  memcpy(&values, place, sizeof values);
  return values;
}

PLATFORM_INLINE PLATFORM_ATTENTION void platform_dot(const float *a, const float *b, size_t size, float *result) {
  platform_floats even = {0}, odd = {0};
  size_t index = 0;
  for (; index + 16 <= size; index += 16) {
    even = __builtin_elementwise_fma(platform_floats_at(a + index), platform_floats_at(b + index), even);
    odd = __builtin_elementwise_fma(platform_floats_at(a + index + 8), platform_floats_at(b + index + 8), odd);
  }
  if (index < size)
    even = __builtin_elementwise_fma(platform_floats_at(a + index), platform_floats_at(b + index), even);
  platform_floats all = even + odd;
  *result = ((all[0] + all[4]) + (all[1] + all[5])) + ((all[2] + all[6]) + (all[3] + all[7]));
}

// scores[p] = scale · query · keys[p].
static inline PLATFORM_ATTENTION void platform_scores(const float *query, const float *keys, size_t count, size_t size,
                                                      float scale, float *scores) {
  for (size_t place = 0; place < count; place++) {
    __builtin_prefetch(keys + (place + 8) * size);
    platform_dot(query, keys + place * size, size, &scores[place]);
    scores[place] *= scale;
  }
}

// result = Σ weights[p] · values[p]. Thirty-two places at a time stay in registers.
static inline PLATFORM_ATTENTION void platform_weighted_sum(const float *weights, const float *values, size_t count,
                                                            size_t size, float *result) {
  size_t start = 0;
  for (; start + 32 <= size; start += 32) {
    platform_floats a = {0}, b = {0}, c = {0}, d = {0};
    for (size_t place = 0; place < count; place++) {
      const float *value = values + place * size + start;
      platform_floats weight = (platform_floats)(weights[place]);
      a = __builtin_elementwise_fma(weight, platform_floats_at(value), a);
      b = __builtin_elementwise_fma(weight, platform_floats_at(value + 8), b);
      c = __builtin_elementwise_fma(weight, platform_floats_at(value + 16), c);
      d = __builtin_elementwise_fma(weight, platform_floats_at(value + 24), d);
    }
    memcpy(result + start, &a, sizeof a);
    memcpy(result + start + 8, &b, sizeof b);
    memcpy(result + start + 16, &c, sizeof c);
    memcpy(result + start + 24, &d, sizeof d);
  }
  for (; start < size; start += 8) {
    platform_floats sum = {0};
    for (size_t place = 0; place < count; place++)
      sum = __builtin_elementwise_fma((platform_floats)(weights[place]),
                                      platform_floats_at(values + place * size + start), sum);
    memcpy(result + start, &sum, sizeof sum);
  }
}

static inline int platform_has_attention(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#else
static inline int platform_has_attention(void) { return 0; }
static inline void platform_scores(const float *query, const float *keys, size_t count, size_t size, float scale,
                                   float *scores) {}
static inline void platform_weighted_sum(const float *weights, const float *values, size_t count, size_t size,
                                         float *result) {}
#endif
