/* Products of rows with a packed weight: y[r][o] = sum over i of w[o][i] * x[r][i].
 *
 * Outputs are packed in groups of GROUP, four vectors. FP32: by input, the group's outputs. BF16: by two inputs, the
 * group's outputs, each as the two inputs' halves. INT8: by four inputs, the group's outputs, each as the four inputs'
 * bytes: so one word of a vector is an output's, and every kernel reads its weights in one stream.
 *
 * A row's sums are taken in the order of the inputs, whatever the number of rows: so a row's result does not depend on
 * how many others there are. Weights are read once for ROWS rows.
 */
#ifndef OSTINATO_PRODUCTS_H
#define OSTINATO_PRODUCTS_H

#include "step.h"
#include "vectors.h"

#if defined(__AVX512VNNI__) || defined(__ARM_FEATURE_DOTPROD)
#define BYTE_PRODUCTS 1
#else
#define BYTE_PRODUCTS 0
#endif

enum {
    VECTORS = 4,
    GROUP = VECTORS * LANES,
#if defined(__AVX2__) && !defined(__AVX512F__)
    ROWS = 3, /* sixteen registers */
#else
    ROWS = 6,
#endif
    AHEAD = 8192 /* bytes to prefetch ahead: a core alone waits for too few lines at once to read at the memory's speed */
};

/* Before a loop over the rows or the vectors of a group: their sums stay in registers only where it is taken apart. */
#if defined(__clang__)
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 16")
#endif

typedef struct {
    Floats v[ROWS][VECTORS];
} Sums;

ALWAYS int groups_of(int outputs) { return (outputs + GROUP - 1) / GROUP; }

/* Bytes of one group. */
ALWAYS int64_t group_bytes(int inputs, int kind) {
    return (int64_t)inputs * GROUP * (kind == FP32 ? 4 : kind == BF16 ? 2 : 1);
}

/* Ask for the GROUP words that come AHEAD. */
ALWAYS void prefetch(const char *w) {
    for (int at = 0; at < GROUP * 4; at += 64)
        __builtin_prefetch(w + AHEAD + at);
}

ALWAYS void multiply_fp32(const int rows, const char *w, const float *x, int inputs, Sums *sums) {
    for (int i = 0; i < inputs; i++, w += GROUP * 4) {
        prefetch(w);
        UNROLLED
        for (int t = 0; t < VECTORS; t++) {
            Floats weight = load((const float *)w + t * LANES);
            UNROLLED
            for (int r = 0; r < rows; r++)
                sums->v[r][t] += weight * x[(int64_t)r * inputs + i];
        }
    }
}

ALWAYS void multiply_bf16(const int rows, const char *w, const float *x, int inputs, Sums *sums) {
    for (int i = 0; i < inputs; i += 2, w += GROUP * 4) {
        prefetch(w);
        UNROLLED
        for (int t = 0; t < VECTORS; t++) {
            Ints pair = load_ints(w + t * LANES * 4);
            Floats even = (Floats)(pair << 16), odd = (Floats)(pair & (int32_t)0xFFFF0000);
            UNROLLED
            for (int r = 0; r < rows; r++) {
                sums->v[r][t] += even * x[(int64_t)r * inputs + i];
                sums->v[r][t] += odd * x[(int64_t)r * inputs + i + 1];
            }
        }
    }
}

/* Each byte is moved to the top of its word and made a float there: a weight times 2^24, which the scale takes back. */
ALWAYS void multiply_int8(const int rows, const char *w, const float *x, int inputs, Sums *sums) {
    const int32_t top = (int32_t)0xFF000000;
    for (int i = 0; i < inputs; i += 4, w += GROUP * 4) {
        prefetch(w);
        UNROLLED
        for (int t = 0; t < VECTORS; t++) {
            Ints four = load_ints(w + t * LANES * 4);
            Floats a = __builtin_convertvector(four << 24, Floats), b = __builtin_convertvector((four << 16) & top, Floats);
            Floats c = __builtin_convertvector((four << 8) & top, Floats), d = __builtin_convertvector(four & top, Floats);
            UNROLLED
            for (int r = 0; r < rows; r++) {
                const float *in = x + (int64_t)r * inputs + i;
                sums->v[r][t] += a * in[0];
                sums->v[r][t] += b * in[1];
                sums->v[r][t] += c * in[2];
                sums->v[r][t] += d * in[3];
            }
        }
    }
}

/* The same with activations of 8 bits: exact sums, of which 128 for each activation's offset are taken off. */
ALWAYS void multiply_bytes(const int rows, const char *w, const uint8_t *x, int inputs, const int32_t *sums128, Sums *sums) {
#if BYTE_PRODUCTS
    Ints total[ROWS][VECTORS];
    UNROLLED
    for (int r = 0; r < rows; r++)
        UNROLLED
        for (int t = 0; t < VECTORS; t++)
            total[r][t] = (Ints){0};
    for (int i = 0; i < inputs; i += 4, w += GROUP * 4) {
        prefetch(w);
        UNROLLED
        for (int t = 0; t < VECTORS; t++) {
            Ints weight = load_ints(w + t * LANES * 4);
            UNROLLED
            for (int r = 0; r < rows; r++) {
                int32_t in;
                memcpy(&in, x + (int64_t)r * inputs + i, sizeof in);
#if defined(__AVX512VNNI__)
                total[r][t] = (Ints)_mm512_dpbusd_epi32((__m512i)total[r][t], _mm512_set1_epi32(in), (__m512i)weight);
#else
                int8x16_t signed_in = veorq_s8(vreinterpretq_s8_s32(vdupq_n_s32(in)), vdupq_n_s8(-128));
                total[r][t] = (Ints)vdotq_s32((int32x4_t)total[r][t], (int8x16_t)weight, signed_in);
#endif
            }
        }
    }
    UNROLLED
    for (int r = 0; r < rows; r++)
        UNROLLED
        for (int t = 0; t < VECTORS; t++) {
#if defined(__AVX512VNNI__)
            total[r][t] -= load_ints(sums128 + t * LANES);
#endif
            sums->v[r][t] = __builtin_convertvector(total[r][t], Floats);
        }
#else
    (void)rows, (void)w, (void)x, (void)inputs, (void)sums128, (void)sums;
#endif
}

/* Scale, add the bias, and put, add or activate what belongs to outputs that are there. */
ALWAYS void finish(const Matrix *m, int group, Floats sum, int t, float scale, float *y, Then then) {
    int first = group * GROUP + t * LANES, left = m->outputs - first;
    if (left <= 0)
        return;
    if (m->kind == INT8)
        sum = sum * (load(m->scales + first) * scale);
    if (m->bias != NULL)
        sum += load(m->bias + first);
    if (then == GELU)
        sum = gelu(sum);
    float *to = y + first;
    if (left >= LANES) {
        store(to, then == ADD ? load(to) + sum : sum);
        return;
    }
    for (int i = 0; i < left; i++)
        to[i] = then == ADD ? to[i] + sum[i] : sum[i];
}

typedef struct {
    const float *x;
    const uint8_t *bytes; /* NULL: the activations are floats */
    const float *byte_scales;
    float *y;
    int rows;
    Then then;
} Operands;

ALWAYS void multiply_rows(const int rows, const Matrix *m, int group, const Operands *o, int first) {
    const char *w = (const char *)m->weights + group * group_bytes(m->inputs, m->kind);
    const float *x = o->x + (int64_t)first * m->inputs;
    Sums sums;
    UNROLLED
    for (int r = 0; r < rows; r++)
        UNROLLED
        for (int t = 0; t < VECTORS; t++)
            sums.v[r][t] = (Floats){0};
    if (o->bytes != NULL)
        multiply_bytes(rows, w, o->bytes + (int64_t)first * m->inputs, m->inputs, m->sums + group * GROUP, &sums);
    else if (m->kind == FP32)
        multiply_fp32(rows, w, x, m->inputs, &sums);
    else if (m->kind == BF16)
        multiply_bf16(rows, w, x, m->inputs, &sums);
    else
        multiply_int8(rows, w, x, m->inputs, &sums);
    UNROLLED
    for (int r = 0; r < rows; r++)
        UNROLLED
        for (int t = 0; t < VECTORS; t++) {
            float scale = o->bytes != NULL ? o->byte_scales[first + r] : 0x1p-24f;
            finish(m, group, sums.v[r][t], t, scale, o->y + (int64_t)(first + r) * m->outputs, o->then);
        }
}

/* Threads take items by turns: return each item's group such that a thread's groups follow each other, one stream for each. */
ALWAYS int group_at(int groups, int item, int threads) {
    int each = groups / threads, strided = each * threads;
    return item < strided ? item % threads * each + item / threads : item;
}

/* Multiply one group. */
static void multiply_item(const Matrix *m, int item, int threads, const Operands *o) {
    int group = group_at(groups_of(m->outputs), item, threads), first = 0;
    for (; o->rows - first >= ROWS; first += ROWS)
        multiply_rows(ROWS, m, group, o, first);
    switch (o->rows - first) {
    case 1: multiply_rows(1, m, group, o, first); break;
    case 2: multiply_rows(2, m, group, o, first); break;
#if !(defined(__AVX2__) && !defined(__AVX512F__))
    case 3: multiply_rows(3, m, group, o, first); break;
    case 4: multiply_rows(4, m, group, o, first); break;
    case 5: multiply_rows(5, m, group, o, first); break;
#endif
    }
}

/* Make a row bytes: 128 stands for 0, and its largest value is 127 away from it. A row that is not all numbers has no scale. */
static void make_bytes(const float *x, int inputs, uint8_t *bytes, float *scale) {
    float largest = 1e-12f, faults = 0;
    for (int i = 0; i < inputs; i++) {
        float size = x[i] < 0 ? -x[i] : x[i];
        largest = size > largest ? size : largest;
        faults += x[i] - x[i]; /* 0, or not a number */
    }
    *scale = largest / 127 + faults;
    if (faults != 0) {
        memset(bytes, 128, (size_t)inputs);
        return;
    }
    float up = 127 / largest;
    for (int i = 0; i < inputs; i++)
        bytes[i] = (uint8_t)(int32_t)__builtin_fmaf(x[i], up, 128.5f);
}

#endif
