// Products of rows of BF16 weights with a vector, for processors with AVX2 and FMA. A weight is widened in registers:
// of two that lie beside each other the lower by a shift, the upper by a mask, so that the vector comes with the even
// places of every sixteen first. What is left of a row that is not whole sixteens is in the vector as it was.
#pragma once

#include "attention.h"

#if defined(__x86_64__)
PLATFORM_INLINE PLATFORM_FMA platform_words platform_words_at(const uint16_t *place) {
  platform_words words;
  memcpy(&words, place, sizeof words);
  return words;
}

PLATFORM_INLINE PLATFORM_FMA platform_floats platform_even(platform_words words) { return (platform_floats)(words << 16); }
PLATFORM_INLINE PLATFORM_FMA platform_floats platform_odd(platform_words words) {
  return (platform_floats)(words & 0xFFFF0000);
}

PLATFORM_INLINE float platform_widened(uint16_t weight) {
  uint32_t bits = (uint32_t)weight << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

PLATFORM_INLINE PLATFORM_FMA float platform_sum(platform_floats values) {
  values += __builtin_shufflevector(values, values, 4, 5, 6, 7, 0, 1, 2, 3);
  values += __builtin_shufflevector(values, values, 2, 3, 0, 1, 6, 7, 4, 5);
  return values[0] + values[1];
}

// Sixteen places of a row, added to two sums.
#define PLATFORM_SIXTEEN(even, odd, place)                                                                           \
  {                                                                                                                  \
    platform_words words = platform_words_at(weights + place);                                                       \
    even = __builtin_elementwise_fma(platform_even(words), platform_floats_at(x + place), even);                     \
    odd = __builtin_elementwise_fma(platform_odd(words), platform_floats_at(x + place + 8), odd);                    \
  }

// y[row] = weights[row, :] · x. One row after the other: the bytes come in one order, which the processor foresees, and
// which is worth more than to load the vector once for several rows.
static inline PLATFORM_FMA void platform_brain_rows(const uint16_t *weights, size_t width, size_t rows, const float *x,
                                                    float *y) {
  for (size_t row = 0; row < rows; row++, weights += width) {
    platform_floats a = {0}, b = {0}, c = {0}, d = {0};
    size_t place = 0;
    for (; place + 32 <= width; place += 32) {
      PLATFORM_SIXTEEN(a, b, place)
      PLATFORM_SIXTEEN(c, d, place + 16)
    }
    if (place + 16 <= width) {
      PLATFORM_SIXTEEN(a, b, place)
      place += 16;
    }
    float sum = platform_sum((a + b) + (c + d));
    for (; place < width; place++) sum += platform_widened(weights[place]) * x[place];
    y[row] = sum;
  }
}
#else
static inline void platform_brain_rows(const uint16_t *weights, size_t width, size_t rows, const float *x, float *y) {}
#endif
