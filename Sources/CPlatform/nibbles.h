// Codes of four bits as values.
#pragma once

#include "conversion.h"

// Words of eight integers, the lowest bits first: (code − zero) · scale.
#define PLATFORM_NIBBLES(name, attributes)                                                                           \
  static inline attributes void platform_nibbles_##name(const void *words, size_t count, float scale, float zero,    \
                                                        float *values) {                                             \
    const platform_words shifts = {0, 4, 8, 12, 16, 20, 24, 28};                                                     \
    for (size_t index = 0; index < count; index++, values += 8) {                                                    \
      uint32_t word;                                                                                                 \
      memcpy(&word, (const char *)words + 4 * index, sizeof word);                                                   \
      platform_words codes = (platform_words)(word) >> shifts & 15;                                                  \
      platform_floats result = (__builtin_convertvector((platform_masks)codes, platform_floats) - zero) * scale;     \
      memcpy(values, &result, sizeof result);                                                                        \
    }                                                                                                                \
  }

// The values of a table of sixteen, of eight codes.
PLATFORM_INLINE platform_floats platform_sixteen_any(const float *table, platform_words codes) {
  platform_floats values;
  for (int lane = 0; lane < 8; lane++) values[lane] = table[codes[lane] & 15];
  return values;
}

#if defined(__x86_64__)
PLATFORM_INLINE __attribute__((target("avx2"))) platform_floats platform_sixteen_wide(const float *table,
                                                                                     platform_words codes) {
  platform_singles lower, upper;
  memcpy(&lower, table, sizeof lower);
  memcpy(&upper, table + 8, sizeof upper);
  typedef int integers __attribute__((vector_size(32)));
  platform_singles these = __builtin_ia32_permvarsf256(lower, (integers)codes);
  platform_singles others = __builtin_ia32_permvarsf256(upper, (integers)codes);
  return (platform_floats)PLATFORM_CHOOSE((platform_masks)(codes << 28) < 0, (platform_words)others, (platform_words)these);
}
#endif

// Words of eight codes of a table, two a byte, the lower four bits first or the upper: table[code] · scale.
#define PLATFORM_TABLE(name, attributes, sixteen)                                                                    \
  static inline attributes void platform_table_##name(const void *words, size_t count, int upper_first,              \
                                                      const float *table, float scale, float *values) {              \
    const platform_words lower = {0, 4, 8, 12, 16, 20, 24, 28}, shifts = upper_first ? lower ^ 4 : lower;            \
    for (size_t index = 0; index < count; index++, values += 8) {                                                    \
      uint32_t word;                                                                                                 \
      memcpy(&word, (const char *)words + 4 * index, sizeof word);                                                   \
      platform_floats result = sixteen(table, (platform_words)(word) >> shifts) * scale;                             \
      memcpy(values, &result, sizeof result);                                                                        \
    }                                                                                                                \
  }

// The values of E2M1 without their signs, of eight codes.
PLATFORM_INLINE platform_floats platform_e2m1_any(platform_words codes) {
  const platform_floats table = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  platform_floats values;
  for (int lane = 0; lane < 8; lane++) values[lane] = table[codes[lane] & 7];
  return values;
}

#if defined(__x86_64__)
PLATFORM_INLINE __attribute__((target("avx2"))) platform_floats platform_e2m1_wide(platform_words codes) {
  typedef float singles __attribute__((vector_size(32)));
  typedef int integers __attribute__((vector_size(32)));
  const singles table = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  return (platform_floats)__builtin_ia32_permvarsf256(table, (integers)codes);
}
#endif

// The compiler of Swift keeps no array in registers: rows are written out.
#define PLATFORM_EIGHT(each) each(0) each(1) each(2) each(3) each(4) each(5) each(6) each(7)
#define PLATFORM_LOAD(r)                                                                                             \
    uint32_t word##r;                                                                                                \
    memcpy(&word##r, blocks + 16 * stride * r + 4 * part, sizeof word##r);                                           \
    platform_words codes##r = (platform_words)(word##r) >> shifts;                                                   \
    platform_floats row##r = (platform_floats)((platform_words)sizes(codes##r) ^ (codes##r & 8) << 28) * factors[r];
#define PLATFORM_AHEAD(r) __builtin_prefetch(blocks + 16 * stride * (r + 8));
#define PLATFORM_STORE_ROW(r) memcpy(target + r * width, &out##r, sizeof out##r);

// Two vectors of a square of eight by eight, whose rows and columns change places.
#define PLATFORM_PAIR(a, b)                                                                                          \
    platform_floats even##a = __builtin_shufflevector(row##a, row##b, 0, 8, 2, 10, 4, 12, 6, 14);                    \
    platform_floats odd##a = __builtin_shufflevector(row##a, row##b, 1, 9, 3, 11, 5, 13, 7, 15);
#define PLATFORM_QUAD(kind, a, b)                                                                                    \
    platform_floats low##kind##a = __builtin_shufflevector(kind##a, kind##b, 0, 1, 8, 9, 4, 5, 12, 13);              \
    platform_floats high##kind##a = __builtin_shufflevector(kind##a, kind##b, 2, 3, 10, 11, 6, 7, 14, 15);
#define PLATFORM_HALVES(first, second, kind)                                                                         \
    platform_floats out##first = __builtin_shufflevector(kind##0, kind##4, 0, 1, 2, 3, 8, 9, 10, 11);                \
    platform_floats out##second = __builtin_shufflevector(kind##0, kind##4, 4, 5, 6, 7, 12, 13, 14, 15);

// MXFP4 blocks of eight rows, `stride` blocks apart, and their exponents, as 32 rows of eight values, `width` values
// apart. E8M0 is 2^(e - 127); 255 is NaN.
#define PLATFORM_MXFP4(name, attributes, e2m1)                                                                       \
  static inline attributes void platform_mxfp4_##name(const uint8_t *blocks, size_t stride,                          \
                                                      const uint8_t *exponents, float *values, size_t width) {       \
    const platform_words shifts = {0, 4, 8, 12, 16, 20, 24, 28};                                                     \
    platform_floats (*const sizes)(platform_words) = e2m1;                                                           \
    const uint8_t *e = exponents;                                                                                    \
    const platform_words powers = {e[0],          e[stride],     e[2 * stride], e[3 * stride],                       \
                                   e[4 * stride], e[5 * stride], e[6 * stride], e[7 * stride]};                      \
    platform_words bits = PLATFORM_CHOOSE((platform_masks)powers == 0, (platform_words)0x00400000, powers << 23);    \
    bits = PLATFORM_CHOOSE((platform_masks)powers == 255, (platform_words)0x7FC00000, bits);                         \
    const platform_floats factors = (platform_floats)bits;                                                           \
    PLATFORM_EIGHT(PLATFORM_AHEAD)                                                                                   \
    for (int part = 0; part < 4; part++) {                                                                           \
      float *target = values + 8 * part * width;                                                                     \
      PLATFORM_EIGHT(PLATFORM_LOAD)                                                                                  \
      PLATFORM_PAIR(0, 1) PLATFORM_PAIR(2, 3) PLATFORM_PAIR(4, 5) PLATFORM_PAIR(6, 7)                                \
      PLATFORM_QUAD(even, 0, 2) PLATFORM_QUAD(even, 4, 6) PLATFORM_QUAD(odd, 0, 2) PLATFORM_QUAD(odd, 4, 6)          \
      PLATFORM_HALVES(0, 4, loweven) PLATFORM_HALVES(1, 5, lowodd)                                                   \
      PLATFORM_HALVES(2, 6, higheven) PLATFORM_HALVES(3, 7, highodd)                                                 \
      PLATFORM_EIGHT(PLATFORM_STORE_ROW)                                                                             \
    }                                                                                                                \
  }

PLATFORM_NIBBLES(any, )
PLATFORM_TABLE(any, , platform_sixteen_any)
PLATFORM_MXFP4(any, , platform_e2m1_any)
#if defined(__x86_64__)
PLATFORM_NIBBLES(wide, __attribute__((target("avx2"))))
PLATFORM_TABLE(wide, __attribute__((target("avx2"))), platform_sixteen_wide)
PLATFORM_MXFP4(wide, __attribute__((target("avx2"))), platform_e2m1_wide)
#else
PLATFORM_NIBBLES(wide, )
PLATFORM_TABLE(wide, , platform_sixteen_any)
PLATFORM_MXFP4(wide, , platform_e2m1_any)
#endif

PLATFORM_CHOICE(platform_nibbles, (const void *words, size_t count, float scale, float zero, float *values),
                (words, count, scale, zero, values))
PLATFORM_CHOICE(platform_table,
                (const void *words, size_t count, int upper_first, const float *table, float scale, float *values),
                (words, count, upper_first, table, scale, values))
PLATFORM_CHOICE(platform_mxfp4,
                (const uint8_t *blocks, size_t stride, const uint8_t *exponents, float *values, size_t width),
                (blocks, stride, exponents, values, width))
