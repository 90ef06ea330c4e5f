// Products of rows of BF16, F16 or F32 weights with a vector, for processors with AVX2 and FMA. A 16-bit weight is widened
// in registers: of two that lie beside each other the lower and the upper half, so that the vector comes with the even
// places of every sixteen first. What is left of a row that is not whole sixteens is in the vector as it was.
#pragma once

#include "attention.h"

#if defined(__x86_64__)
PLATFORM_INLINE PLATFORM_FMA platform_words platform_words_at(const void *place) {
  platform_words words;
  memcpy(&words, place, sizeof words);
  return words;
}

PLATFORM_INLINE PLATFORM_FMA platform_floats platform_even_bf16(platform_words words) {
  return (platform_floats)(words << 16);
}
PLATFORM_INLINE PLATFORM_FMA platform_floats platform_odd_bf16(platform_words words) {
  return (platform_floats)(words & 0xFFFF0000);
}

// The exponent's bias is corrected by a multiplication, which is exact for subnormals too. An infinity or a NaN among the
// weights is refused when they are loaded.
PLATFORM_INLINE PLATFORM_FMA platform_floats platform_even_f16(platform_words words) {
  return (platform_floats)((words & 0x7FFF) << 13 | (words & 0x8000) << 16) * 0x1p112f;
}
PLATFORM_INLINE PLATFORM_FMA platform_floats platform_odd_f16(platform_words words) {
  return platform_even_f16(words >> 16);
}

// The processor by itself asks for too little of what comes next: 16 GB/s were read, and 25 so.
#define PLATFORM_READ_AHEAD 3072

// Sixteen places of a row, added to two sums.
#define PLATFORM_SIXTEEN_16(kind, even, odd, place)                                                                  \
  {                                                                                                                  \
    platform_words words = platform_words_at(weights + place);                                                       \
    even = __builtin_elementwise_fma(platform_even_##kind(words), platform_floats_at(x + place), even);              \
    odd = __builtin_elementwise_fma(platform_odd_##kind(words), platform_floats_at(x + place + 8), odd);             \
  }
#define PLATFORM_SIXTEEN_bf16(even, odd, place) PLATFORM_SIXTEEN_16(bf16, even, odd, place)
#define PLATFORM_SIXTEEN_f16(even, odd, place) PLATFORM_SIXTEEN_16(f16, even, odd, place)
#define PLATFORM_SIXTEEN_f32(even, odd, place)                                                                       \
  {                                                                                                                  \
    even = __builtin_elementwise_fma(platform_floats_at(weights + place), platform_floats_at(x + place), even);      \
    odd = __builtin_elementwise_fma(platform_floats_at(weights + place + 8), platform_floats_at(x + place + 8), odd); \
  }

PLATFORM_INLINE PLATFORM_FMA float platform_one_bf16(uint16_t weight) {
  return platform_even_bf16((platform_words)(weight))[0];
}
PLATFORM_INLINE PLATFORM_FMA float platform_one_f16(uint16_t weight) {
  return platform_even_f16((platform_words)(weight))[0];
}
PLATFORM_INLINE float platform_one_f32(float weight) { return weight; }

// y[row] = weights[row, :] · x. One row after the other: the bytes come in one order, which the processor foresees, and
// which is worth more than to load the vector once for several rows.
#define PLATFORM_DOT_ROWS(kind, element)                                                                             \
  static inline PLATFORM_FMA void platform_rows_##kind(const element *weights, size_t width, size_t rows,            \
                                                       const float *x, float *y) {                                   \
    for (size_t row = 0; row < rows; row++, weights += width) {                                                      \
      platform_floats a = {0}, b = {0}, c = {0}, d = {0};                                                            \
      size_t place = 0;                                                                                              \
      for (; place + 32 <= width; place += 32) {                                                                     \
        for (size_t line = 0; line < 32 * sizeof(element); line += 64)                                               \
          __builtin_prefetch((const char *)(weights + place) + PLATFORM_READ_AHEAD + line);                          \
        PLATFORM_SIXTEEN_##kind(a, b, place)                                                                         \
        PLATFORM_SIXTEEN_##kind(c, d, place + 16)                                                                    \
      }                                                                                                              \
      if (place + 16 <= width) {                                                                                     \
        PLATFORM_SIXTEEN_##kind(a, b, place)                                                                         \
        place += 16;                                                                                                 \
      }                                                                                                              \
      float sum = platform_sum((a + b) + (c + d));                                                                   \
      for (; place < width; place++) sum += platform_one_##kind(weights[place]) * x[place];                          \
      y[row] = sum;                                                                                                  \
    }                                                                                                                \
  }
#else
#define PLATFORM_DOT_ROWS(kind, element) \
  static inline void platform_rows_##kind(const element *weights, size_t width, size_t rows, const float *x, float *y) {}
#endif

PLATFORM_DOT_ROWS(bf16, uint16_t)
PLATFORM_DOT_ROWS(f16, uint16_t)
PLATFORM_DOT_ROWS(f32, float)
