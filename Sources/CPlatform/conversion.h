// F32 from and to the 16-bit floats, eight at a time: once for any processor, and once for those with registers of
// 256 bits, which are told of at run time. Every bit is the same on all machines, those of a NaN too. Swift makes vectors
// of its own loops, but not wider than any processor has.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef float platform_floats __attribute__((ext_vector_type(8)));
typedef uint32_t platform_words __attribute__((ext_vector_type(8)));
typedef int32_t platform_masks __attribute__((ext_vector_type(8)));
typedef uint16_t platform_units __attribute__((ext_vector_type(8)));

#define PLATFORM_INLINE static inline __attribute__((always_inline))

// Vectors of this processor, as far as the system lets programs use them: 1 for AVX, 2 for AVX2 with FMA and F16C, 4 for
// AVX-512 F, CD, BW, DQ and VL.
enum { platform_avx = 1, platform_fma = 2, platform_avx512 = 4 };
#if defined(__x86_64__)
// Functions for processors with AVX2 and FMA, all of which have F16C.
#define PLATFORM_FMA __attribute__((target("avx2,fma,f16c")))
// Functions for processors with AVX-512 F, CD, BW, DQ and VL.
#define PLATFORM_AVX512 __attribute__((target("avx512f,avx512cd,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))

static inline int platform_vector_extensions(void) {
  int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
  int fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  return (__builtin_cpu_supports("avx") ? platform_avx : 0) | (fma ? platform_fma : 0) | (avx512 ? platform_avx512 : 0);
}
#else
static inline int platform_vector_extensions(void) { return 0; }
#endif
static inline int platform_has_fma(void) { return (platform_vector_extensions() & platform_fma) != 0; }
static inline int platform_has_avx512(void) { return (platform_vector_extensions() & platform_avx512) != 0; }

// Vectors are handed over in memory: in what registers is not the same for all processors.
#define PLATFORM_CHOOSE(where, these, others) (((platform_words)(where) & (these)) | (~(platform_words)(where) & (others)))

// To nearest even; a NaN stays a NaN.
PLATFORM_INLINE void platform_bf16(const platform_floats *values, platform_units *units) {
  platform_words bits = (platform_words)*values, upper = bits >> 16;
  platform_words rounded = (bits + 0x7FFF + (upper & 1)) >> 16;
  platform_masks isNaN = (platform_masks)(bits & 0x7FFFFFFF) > 0x7F800000;
  *units = __builtin_convertvector(PLATFORM_CHOOSE(isNaN, upper | 0x40, rounded), platform_units);
}

// To nearest even; a NaN stays a NaN.
PLATFORM_INLINE void platform_f16(const platform_floats *values, platform_units *units) {
  platform_words bits = (platform_words)*values, size = bits & 0x7FFFFFFF;
  // Normal results: rebias the exponent by 15 - 127 and round 13 bits away.
  platform_words normal = (size - 0x38000000 + 0xFFF + (size >> 13 & 1)) >> 13;
  // Subnormal results: adding 0.5 aligns the last bit of a half with the last bit of the sum, and the addition rounds.
  platform_words subnormal = (platform_words)((platform_floats)size + 0.5f) - 0x3F000000;
  platform_masks isNaN = (platform_masks)size > 0x7F800000;
  platform_words special = PLATFORM_CHOOSE(isNaN, (platform_words)0x7E00, (platform_words)0x7C00);
  platform_words small = PLATFORM_CHOOSE((platform_masks)size < 0x38800000, subnormal, normal);
  platform_words result = PLATFORM_CHOOSE((platform_masks)size >= 0x47800000, special, small);
  *units = __builtin_convertvector(result | (bits >> 16 & 0x8000), platform_units);
}

PLATFORM_INLINE void platform_from_bf16(const platform_units *units, platform_floats *values) {
  *values = (platform_floats)(__builtin_convertvector(*units, platform_words) << 16);
}

PLATFORM_INLINE void platform_from_f16(const platform_units *units, platform_floats *values) {
  platform_words bits = __builtin_convertvector(*units, platform_words), size = bits & 0x7FFF;
  platform_words scaled = (platform_words)((platform_floats)(size << 13) * 0x1p112f);
  platform_words special = (platform_words)((platform_masks)size >= 0x7C00) & 0x7F800000;
  *values = (platform_floats)(scaled | special | (bits & 0x8000) << 16);
}

#if defined(__x86_64__)
#define PLATFORM_WIDE __attribute__((target("avx2,f16c")))
typedef short platform_shorts __attribute__((vector_size(16)));
typedef float platform_singles __attribute__((vector_size(32)));

// The same by the processor's instructions, which keep a NaN's bits when they round it, and make it quiet when they widen.
PLATFORM_INLINE PLATFORM_WIDE void platform_f16_wide(const platform_floats *values, platform_units *units) {
  platform_words bits = (platform_words)*values;
  platform_units rounded = (platform_units)__builtin_ia32_vcvtps2ph256((platform_singles)*values, 0);
  platform_masks isNaN = (platform_masks)(bits & 0x7FFFFFFF) > 0x7F800000;
  platform_words quiet = (bits >> 16 & 0x8000) | 0x7E00;
  *units = __builtin_convertvector(PLATFORM_CHOOSE(isNaN, quiet, __builtin_convertvector(rounded, platform_words)),
                                   platform_units);
}

PLATFORM_INLINE PLATFORM_WIDE void platform_from_f16_wide(const platform_units *units, platform_floats *values) {
  platform_words widened = (platform_words)__builtin_ia32_vcvtph2ps256((platform_shorts)*units);
  platform_words bits = __builtin_convertvector(*units, platform_words), size = bits & 0x7FFF;
  platform_words NaN = (bits & 0x8000) << 16 | 0x7F800000 | size << 13;
  *values = (platform_floats)PLATFORM_CHOOSE((platform_masks)size > 0x7C00, NaN, widened);
}
#endif

// A function of `count` elements: eight at a time, and what is left in the lower part of eight.
#define PLATFORM_LOOP(name, attributes, from, from_vector, to, to_vector, body)  \
  static inline attributes void name(const from *source, to *target, size_t count) { \
    from_vector before = 0;                                                       \
    to_vector after;                                                              \
    size_t index = 0;                                                             \
    for (; index + 8 <= count; index += 8) {                                      \
      memcpy(&before, (const char *)source + sizeof before / 8 * index, sizeof before); \
      body(&before, &after);                                                       \
      memcpy((char *)target + sizeof after / 8 * index, &after, sizeof after);    \
    }                                                                             \
    if (index == count) return;                                                   \
    memcpy(&before, (const char *)source + sizeof before / 8 * index, sizeof before / 8 * (count - index)); \
    body(&before, &after);                                                         \
    memcpy((char *)target + sizeof after / 8 * index, &after, sizeof after / 8 * (count - index)); \
  }

#define PLATFORM_CONVERSIONS(name, attributes, from_f16, f16)                                                       \
  PLATFORM_LOOP(platform_widen_bf16_##name, attributes, void, platform_units, float, platform_floats, platform_from_bf16) \
  PLATFORM_LOOP(platform_widen_f16_##name, attributes, void, platform_units, float, platform_floats, from_f16) \
  PLATFORM_LOOP(platform_round_bf16_##name, attributes, float, platform_floats, void, platform_units, platform_bf16) \
  PLATFORM_LOOP(platform_round_f16_##name, attributes, float, platform_floats, void, platform_units, f16)

PLATFORM_CONVERSIONS(any, , platform_from_f16, platform_f16)

#if defined(__x86_64__)
PLATFORM_CONVERSIONS(wide, PLATFORM_WIDE, platform_from_f16_wide, platform_f16_wide)
static inline int platform_is_wide(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c"); }
#else
PLATFORM_CONVERSIONS(wide, , platform_from_f16, platform_f16)
static inline int platform_is_wide(void) { return 0; }
#endif

// The form for this processor.
#define PLATFORM_CHOICE(name, parameters, arguments)   \
  static inline void name parameters {                 \
    if (platform_is_wide()) name##_wide arguments;     \
    else name##_any arguments;                         \
  }

PLATFORM_CHOICE(platform_widen_bf16, (const void *units, float *values, size_t count), (units, values, count))
PLATFORM_CHOICE(platform_widen_f16, (const void *units, float *values, size_t count), (units, values, count))
PLATFORM_CHOICE(platform_round_bf16, (const float *values, void *units, size_t count), (values, units, count))
PLATFORM_CHOICE(platform_round_f16, (const float *values, void *units, size_t count), (values, units, count))
