// Softmax and SiLU for processors with AVX2 and FMA, eight values at a time: with the instructions that every processor
// has they take a tenth of reading a prompt.
#pragma once

#include <math.h>

#include "attention.h"

#if defined(__x86_64__)
// eˣ as in Functions.exponential of AdapterModels.
PLATFORM_INLINE PLATFORM_FMA platform_floats platform_exponential(platform_floats x) {
  x = __builtin_elementwise_min(__builtin_elementwise_max(x, (platform_floats)(-87.0f)), (platform_floats)(88.0f));
  platform_floats shifted = x * 1.442695f + 12582912.0f;
  platform_floats n = shifted - 12582912.0f;
  platform_floats r = (x - n * 0.693359375f) + n * 2.1219444e-4f;
  platform_floats p = (platform_floats)(1.9841269e-4f);
  p = p * r + 1.3888889e-3f;
  p = p * r + 8.3333333e-3f;
  p = p * r + 4.1666667e-2f;
  p = p * r + 0.16666667f;
  p = p * r + 0.5f;
  p = p * r * r + r + 1.0f;
  return p * (platform_floats)(((platform_words)shifted + 127) << 23);
}

PLATFORM_INLINE PLATFORM_FMA float platform_largest(platform_floats values) {
  float largest = values[0];
  for (int lane = 1; lane < 8; lane++)
    if (values[lane] > largest) largest = values[lane];
  return largest;
}

// eˣ / Σ eˣ, in place. What is left of whole eights is worked on in the lower part of eight.
static inline PLATFORM_FMA void platform_softmax(float *values, size_t count) {
  size_t whole = count & ~(size_t)7;
  platform_floats rest = (platform_floats)(-INFINITY);
  memcpy(&rest, values + whole, (count - whole) * sizeof(float));
  platform_floats largest = rest;
  for (size_t place = 0; place < whole; place += 8)
    largest = __builtin_elementwise_max(largest, platform_floats_at(values + place));
  platform_floats maximum = (platform_floats)(platform_largest(largest)), sum = {0};
  for (size_t place = 0; place < whole; place += 8) {
    platform_floats value = platform_exponential(platform_floats_at(values + place) - maximum);
    memcpy(values + place, &value, sizeof value);
    sum += value;
  }
  rest = platform_exponential(rest - maximum);
  for (size_t lane = 0; lane < count - whole; lane++) sum[0] += rest[lane];
  platform_floats factor = (platform_floats)(1 / platform_sum(sum));
  for (size_t place = 0; place < whole; place += 8) {
    platform_floats value = platform_floats_at(values + place) * factor;
    memcpy(values + place, &value, sizeof value);
  }
  rest *= factor;
  memcpy(values + whole, &rest, (count - whole) * sizeof(float));
}

PLATFORM_INLINE PLATFORM_FMA platform_floats platform_silu_product(platform_floats gate, platform_floats other) {
  return gate / (1.0f + platform_exponential(-gate)) * other;
}

// gate ← gate / (1 + e⁻ᵍᵃᵗᵉ) · other.
static inline PLATFORM_FMA void platform_gated_silu(float *gate, const float *other, size_t count) {
  size_t place = 0;
  for (; place + 8 <= count; place += 8) {
    platform_floats value = platform_silu_product(platform_floats_at(gate + place), platform_floats_at(other + place));
    memcpy(gate + place, &value, sizeof value);
  }
  platform_floats left = {0}, right = {0};
  memcpy(&left, gate + place, (count - place) * sizeof(float));
  memcpy(&right, other + place, (count - place) * sizeof(float));
  left = platform_silu_product(left, right);
  memcpy(gate + place, &left, (count - place) * sizeof(float));
}
#else
static inline void platform_softmax(float *values, size_t count) {}
static inline void platform_gated_silu(float *gate, const float *other, size_t count) {}
#endif
