/* Attention of one query over the pages of its own row, and what is written to them.
 *
 * Keys lie transposed, [head_dim, PAGE] for a page and head, so that scores are sums of vectors along positions; values
 * lie [PAGE, padded_dim]. INT8 scales each position of each head by its largest value. A row's sums run over its own
 * pages in their order, so they do not depend on what else is in the step.
 */
#ifndef OSTINATO_ATTENTION_H
#define OSTINATO_ATTENTION_H

#include "step.h"
#include "vectors.h"

enum { WIDEST_HEAD = 256, PAGE_VECTORS = PAGE / LANES };

ALWAYS Floats load_kind(const void *base, int64_t at, int kind) {
    if (kind == FP32)
        return load((const float *)base + at);
    if (kind == BF16)
        return floats_of_bf16((const uint16_t *)base + at);
    return floats_of_bytes((const int8_t *)base + at);
}

ALWAYS void store_kind(void *base, int64_t at, int kind, float x, float up) {
    if (kind == FP32)
        ((float *)base)[at] = x;
    else if (kind == BF16)
        ((uint16_t *)base)[at] = bf16_of(x);
    else
        ((int8_t *)base)[at] = (int8_t)((int32_t)__builtin_fmaf(x, up, 128.5f) - 128);
}

/* Write one position of one head, `stride` apart. Returns INT8's scale: not a number for a row that is not all numbers. */
ALWAYS float write_position(void *base, int64_t at, int64_t stride, int kind, const float *x, int count) {
    float largest = 1e-12f, faults = 0;
    if (kind == INT8)
        for (int d = 0; d < count; d++) {
            float size = x[d] < 0 ? -x[d] : x[d];
            largest = size > largest ? size : largest;
            faults += x[d] - x[d];
        }
    float up = faults == 0 ? 127 / largest : 0;
    for (int d = 0; d < count; d++)
        store_kind(base, at + d * stride, kind, faults == 0 ? x[d] : 0, up);
    return largest / 127 + faults;
}

/* Write a position's keys and values of one head. */
ALWAYS void put_position(const Model *m, const Layer *l, int page, int offset, int head, const float *key, const float *value) {
    int64_t tile = (int64_t)page * m->heads + head;
    float keys = write_position(l->keys, tile * m->head_dim * PAGE + offset, PAGE, m->kv_kind, key, m->head_dim);
    float values = write_position(l->values, (tile * PAGE + offset) * m->padded_dim, 1, m->kv_kind, value, m->head_dim);
    if (m->kv_kind == INT8) {
        l->key_scales[tile * PAGE + offset] = keys;
        l->value_scales[tile * PAGE + offset] = values;
    }
}

/* Scores of one page's positions. */
ALWAYS void score_page(const Model *m, const Layer *l, const int kind, int64_t tile, const float *query, float *scores) {
    Floats sums[PAGE_VECTORS];
    int64_t at = tile * m->head_dim * PAGE;
    for (int v = 0; v < PAGE_VECTORS; v++)
        sums[v] = (Floats){0};
    for (int d = 0; d < m->head_dim; d++, at += PAGE)
        for (int v = 0; v < PAGE_VECTORS; v++)
            sums[v] += load_kind(l->keys, at + v * LANES, kind) * query[d];
    for (int v = 0; v < PAGE_VECTORS; v++) {
        if (kind == INT8)
            sums[v] = sums[v] * load(l->key_scales + tile * PAGE + v * LANES);
        store(scores + v * LANES, sums[v]);
    }
}

/* Make scores weights that sum to 1; what lies beyond `length` weighs nothing. */
ALWAYS void soften(float *scores, int length) {
    int padded = (length + PAGE - 1) / PAGE * PAGE;
    for (int i = length; i < padded; i++)
        scores[i] = -__builtin_inff();
    Floats most = load(scores), sum = (Floats){0};
    for (int i = LANES; i < padded; i += LANES)
        most = larger(most, load(scores + i));
    float largest = most[0];
    for (int i = 1; i < LANES; i++)
        largest = most[i] > largest ? most[i] : largest;
    for (int i = 0; i < padded; i += LANES) {
        Floats e = exp_of(larger(load(scores + i), all(-1e30f)) - largest);
        sum += e;
        store(scores + i, e);
    }
    for (int i = length; i < padded; i++) {
        sum[i % LANES] -= scores[i];
        scores[i] = 0;
    }
    float share = 1 / sum_of(sum);
    for (int i = 0; i < padded; i += LANES)
        store(scores + i, load(scores + i) * share);
}

/* Add one page's values, weighted, to `out` [vectors]. */
ALWAYS void add_values(const Model *m, const Layer *l, const int kind, int64_t tile, const float *weights, int positions, const int vectors, Floats *out) {
    int64_t at = tile * PAGE * m->padded_dim;
    for (int p = 0; p < positions; p++, at += m->padded_dim) {
        float weight = weights[p];
        if (kind == INT8)
            weight *= l->value_scales[tile * PAGE + p];
        for (int v = 0; v < vectors; v++)
            out[v] += load_kind(l->values, at + v * LANES, kind) * weight;
    }
}

ALWAYS void attend_kind(const Model *m, const Layer *l, const int kind, const Span *span, int head, const float *query, float *scores, float *seen) {
    int pages = (span->length + PAGE - 1) / PAGE, vectors = m->padded_dim / LANES;
    float scaled[WIDEST_HEAD], together[WIDEST_HEAD];
    float scale = 1 / __builtin_sqrtf((float)m->head_dim);
    for (int d = 0; d < m->head_dim; d++)
        scaled[d] = query[d] * scale;
    for (int p = 0; p < pages; p++)
        score_page(m, l, kind, (int64_t)span->pages[p] * m->heads + head, scaled, scores + p * PAGE);
    soften(scores, span->length);
    Floats out[WIDEST_HEAD / LANES];
    for (int v = 0; v < vectors; v++)
        out[v] = (Floats){0};
    for (int p = 0; p < pages; p++) {
        int left = span->length - p * PAGE;
        int64_t tile = (int64_t)span->pages[p] * m->heads + head;
        if (vectors == 64 / LANES) /* MusicGen's heads: the sums stay in registers */
            add_values(m, l, kind, tile, scores + p * PAGE, left < PAGE ? left : PAGE, 64 / LANES, out);
        else
            add_values(m, l, kind, tile, scores + p * PAGE, left < PAGE ? left : PAGE, vectors, out);
    }
    for (int v = 0; v < vectors; v++)
        store(together + v * LANES, out[v]);
    memcpy(seen, together, (size_t)m->head_dim * sizeof *seen);
}

static void attend(const Model *m, const Layer *l, const Span *span, int head, const float *query, float *scores, float *seen) {
    if (m->kv_kind == FP32)
        attend_kind(m, l, FP32, span, head, query, scores, seen);
    else if (m->kv_kind == BF16)
        attend_kind(m, l, BF16, span, head, query, scores, seen);
    else
        attend_kind(m, l, INT8, span, head, query, scores, seen);
}

#endif
