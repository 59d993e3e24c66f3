/* Vectors of the width that this file is compiled for, by the compilers' vector extension: the same text for every CPU. */
#ifndef OSTINATO_VECTORS_H
#define OSTINATO_VECTORS_H

#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX2__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif

#define ALWAYS static inline __attribute__((always_inline))

typedef float Floats __attribute__((vector_size(LANES * 4)));
typedef int32_t Ints __attribute__((vector_size(LANES * 4)));

ALWAYS Floats load(const float *from) {
    Floats v;
    memcpy(&v, from, sizeof v);
    return v;
}

ALWAYS Ints load_ints(const void *from) {
    Ints v;
    memcpy(&v, from, sizeof v);
    return v;
}

ALWAYS void store(float *to, Floats v) { memcpy(to, &v, sizeof v); }

ALWAYS Floats all(float x) { return x - (Floats){0}; }

/* Make LANES numbers wider. By intrinsics, for the compilers take a vector conversion of other widths apart. */
ALWAYS Ints widen_bytes(const int8_t *from) {
#if defined(__AVX512F__)
    return (Ints)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)from));
#elif defined(__AVX2__)
    return (Ints)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)from));
#elif defined(__aarch64__)
    int32_t four;
    memcpy(&four, from, sizeof four);
    return (Ints)vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)))));
#else
    return (Ints){from[0], from[1], from[2], from[3]};
#endif
}

ALWAYS Ints widen_halves(const uint16_t *from) {
#if defined(__AVX512F__)
    return (Ints)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from));
#elif defined(__AVX2__)
    return (Ints)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)from));
#elif defined(__aarch64__)
    return (Ints)vmovl_u16(vld1_u16(from));
#else
    return (Ints){from[0], from[1], from[2], from[3]};
#endif
}

ALWAYS Floats floats_of_bytes(const int8_t *from) { return __builtin_convertvector(widen_bytes(from), Floats); }

ALWAYS Floats floats_of_bf16(const uint16_t *from) { return (Floats)(widen_halves(from) << 16); }

/* Round to the nearest bfloat16, ties to even. A NaN stays one. */
ALWAYS uint16_t bf16_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (x != x)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

ALWAYS float sum_of(Floats v) {
    float s = 0;
    for (int i = 0; i < LANES; i++)
        s += v[i];
    return s;
}

/* Of two numbers the larger, or the smaller; `a` where it is no number. By intrinsics, for the compilers take it apart. */
ALWAYS Floats larger(Floats a, Floats b) {
#if defined(__AVX512F__)
    return (Floats)_mm512_max_ps((__m512)b, (__m512)a);
#elif defined(__AVX2__)
    return (Floats)_mm256_max_ps((__m256)b, (__m256)a);
#elif defined(__aarch64__)
    return (Floats)vmaxq_f32((float32x4_t)a, (float32x4_t)b);
#else
    return (Floats)(((Ints)b & (b > a)) | ((Ints)a & ~(b > a)));
#endif
}

ALWAYS Floats smaller(Floats a, Floats b) { return -larger(-a, -b); }

/* e to the x for x up to 0, within 2 units in the last place: 2 to a whole number, times the series of e to the rest. */
ALWAYS Floats exp_of(Floats x) {
    x = larger(x, all(-87.0f));
    Floats shifted = x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
    Floats n = shifted - 12582912.0f;
    Floats r = x - n * 0.693359375f + n * 2.12194440e-4f; /* ln 2 in two parts */
    Floats p = all(1.0f / 5040);
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return (Floats)((Ints)p + ((Ints)shifted << 23)) + (x - x); /* what is no number stays none */
}

/* x * (1 + erf(x / sqrt 2)) / 2, with erf by Abramowitz and Stegun 7.1.26 (error at most 1.5e-7). */
ALWAYS Floats gelu(Floats x) {
    Floats z = x * 0.70710678f;
    z = (Floats)((Ints)z & 0x7FFFFFFF);
    Floats t = 1.0f / (1.0f + 0.3275911f * z);
    Floats p = all(1.061405429f);
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    Floats tail = p * t * exp_of(-(z * z)) * 0.5f; /* (1 - erf |z|) / 2 */
    Floats share = (Floats)(((Ints)tail & (x < 0.0f)) | ((Ints)(1.0f - tail) & ~(x < 0.0f)));
    return x * share;
}

#endif
