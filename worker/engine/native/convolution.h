/* Layers of the codec's decoder: a kernel of several taps slides over rows, and what it gives may be added to and activated.
 *
 * Frames lie before channels, so the inputs of all taps lie in one run (with dilation, in a run a tap), and a layer is a
 * product of overlapping rows. Weights are packed in strips of two vectors of outputs, by input: narrow, so that many rows
 * share what is read of them. A row's sums are taken in the order of its inputs, whatever the number of rows.
 */
#ifndef OSTINATO_CONVOLUTION_H
#define OSTINATO_CONVOLUTION_H

#include "recurrence.h"
#include "step.h"
#include "team.h"
#include "vectors.h"

enum {
    STRIP = 2 * LANES,
#if defined(__AVX2__) && !defined(__AVX512F__)
    SLIDING = 6, /* rows at once; sixteen registers */
#else
    SLIDING = 12,
#endif
    TILE_ROWS = 4 * SLIDING, /* of an item, at least */
    TILE_SHARE = 4,          /* and an item has as many as a row has inputs, by this: the more weights, the more rows for them */
    SOON = 4096              /* bytes to prefetch ahead */
};

typedef struct {
    Floats v[SLIDING][2];
} Slid;

/* x where it is above 0, elsewhere alpha (e to the x - 1): one of the two terms is 0. */
ALWAYS Floats elu_of(Floats x, float alpha) {
    return larger(x, all(0.0f)) + (exp_of(smaller(x, all(0.0f))) - 1.0f) * alpha;
}

/* Up to LANES numbers. */
ALWAYS Floats take(const float *from, int count) {
    Floats v = {0};
    if (count >= LANES)
        return load(from);
    memcpy(&v, from, (size_t)count * sizeof *from);
    return v;
}

ALWAYS void put(float *to, Floats v, int count) {
    if (count >= LANES)
        store(to, v);
    else
        memcpy(to, &v, (size_t)count * sizeof *to);
}

/* One function, so that a row is the same whatever the number of rows that it was multiplied with. */
static __attribute__((noinline)) void settle(const Convolution *c, const Floats *sums, int first, int64_t row) {
    for (int t = 0; t < 2 && first < c->outputs; t++, first += LANES) {
        int64_t at = row * c->outputs + first;
        int count = c->outputs - first;
        Floats y = sums[t] + load(c->bias + first);
        if (c->more != NULL)
            y += take(c->more + at, count);
        if (c->y != NULL)
            put(c->y + at, y, count);
        if (c->activated != NULL)
            put(c->activated + at, elu_of(y, c->alpha), count);
    }
}

ALWAYS void slide_rows(const int rows, const Convolution *c, int strip, int64_t row) {
    const float *w = c->weights + (int64_t)strip * c->runs * c->run * STRIP;
    int64_t stride = c->stride;
    Slid sums;
    UNROLLED
    for (int r = 0; r < rows; r++)
        sums.v[r][0] = sums.v[r][1] = (Floats){0};
    for (int run = 0; run < c->runs; run++) {
        const float *x = c->x + row * stride + (int64_t)run * c->apart;
        for (int i = 0; i < c->run; i++, w += STRIP) {
            Floats a = load(w), b = load(w + LANES);
            for (int at = 0; at < STRIP * 4; at += 64)
                __builtin_prefetch((const char *)w + SOON + at);
            UNROLLED
            for (int r = 0; r < rows; r++) {
                Floats in = all(x[r * stride + i]);
                sums.v[r][0] += a * in;
                sums.v[r][1] += b * in;
            }
        }
    }
    for (int r = 0; r < rows; r++)
        settle(c, sums.v[r], strip * STRIP, row + r);
}

ALWAYS int strips_of(const Convolution *c) { return (c->outputs + STRIP - 1) / STRIP; }

ALWAYS int tile_of(const Convolution *c) {
    int rows = (c->runs * c->run / TILE_SHARE + SLIDING - 1) / SLIDING * SLIDING;
    return rows < TILE_ROWS ? TILE_ROWS : rows;
}

ALWAYS int tiles_of(const Convolution *c) { return (c->rows + tile_of(c) - 1) / tile_of(c); }

static void copy(const Copy *c) {
    for (int64_t row = 0; row < c->rows; row++)
        if (c->from != NULL)
            memcpy(c->to + row * c->to_pitch, c->from + row * c->from_pitch, (size_t)c->count * sizeof(float));
        else
            memset(c->to + row * c->to_pitch, 0, (size_t)c->count * sizeof(float));
}

static void copy_item(void *context, int layer, int item, int thread) {
    (void)thread;
    copy(((const Convolution *)context)[layer].copies + item);
}

static void repeat_item(void *context, int layer, int item, int thread) {
    const Convolution *c = (const Convolution *)context + layer;
    (void)thread;
    copy(c->copies + c->copied + item);
}

static void slide_item(void *context, int layer, int item, int thread) {
    const Convolution *c = (const Convolution *)context + layer;
    int strip = item % strips_of(c), row = item / strips_of(c) * tile_of(c), end = row + tile_of(c);
    (void)thread;
    end = end < c->rows ? end : c->rows;
    for (; end - row >= SLIDING; row += SLIDING)
        slide_rows(SLIDING, c, strip, row);
    switch (end - row) {
    case 1: slide_rows(1, c, strip, row); break;
    case 2: slide_rows(2, c, strip, row); break;
    case 3: slide_rows(3, c, strip, row); break;
    case 4: slide_rows(4, c, strip, row); break;
    case 5: slide_rows(5, c, strip, row); break;
#if !(defined(__AVX2__) && !defined(__AVX512F__))
    case 6: slide_rows(6, c, strip, row); break;
    case 7: slide_rows(7, c, strip, row); break;
    case 8: slide_rows(8, c, strip, row); break;
    case 9: slide_rows(9, c, strip, row); break;
    case 10: slide_rows(10, c, strip, row); break;
    case 11: slide_rows(11, c, strip, row); break;
#endif
    }
}

static void convolve(Team *team, const Convolution *layers, int32_t count) {
    Phase phases[MAX_PHASES], *next = phases;
    for (int i = 0; i < count; i++) {
        const Convolution *c = layers + i;
        *next++ = (Phase){copy_item, i, c->copied};
        *next++ = (Phase){repeat_item, i, c->repeated};
        *next++ = (Phase){slide_item, i, strips_of(c) * tiles_of(c)};
    }
    team_run(team, phases, (int)(next - phases), (void *)layers);
}

#endif
