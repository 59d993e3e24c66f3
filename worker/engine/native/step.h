/* What Python lays out for a decode step, and what it may call. Mirrored by structures.py. */
#ifndef OSTINATO_STEP_H
#define OSTINATO_STEP_H

#include "team.h"

#include <stdint.h>

enum { PAGE = 64 }; /* positions in a page of keys and values */

typedef enum { FP32 = 0, BF16 = 1, INT8 = 2 } Kind;
typedef enum { PUT = 0, ADD = 1, GELU = 2 } Then; /* what becomes of a product */

/* A weight [outputs, inputs], packed in groups of outputs (products.h). */
typedef struct {
    const void *weights;
    const float *scales; /* of int8, by output; padded with zeros to whole groups */
    const int32_t *sums; /* of int8: 128 times the sum of an output's weights */
    const float *bias;   /* or NULL; padded too */
    int32_t outputs, inputs, kind;
} Matrix;

typedef struct {
    const float *weight, *bias; /* bias or NULL */
    float eps;
} Norm;

typedef struct {
    Norm norm_attention, norm_cross, norm_feed;
    Matrix qkv, out, cross_queries, cross_out, widen, narrow; /* cross_queries.weights is NULL without cross-attention */
    void *keys, *values;           /* keys [pages, heads, head_dim, PAGE], values [pages, heads, PAGE, padded_dim] */
    float *key_scales, *value_scales; /* of int8: [pages, heads, PAGE] each */
} Layer;

typedef struct {
    int32_t layers, dim, heads, head_dim, padded_dim, widened, kv_kind;
    const Layer *layer;
    Norm norm_out; /* weight is NULL without one */
    Matrix logits;
} Model;

/* One row's positions: its own page list, and how many positions are filled once this step's is. */
typedef struct {
    const int32_t *pages;
    int32_t length;
    int32_t row; /* which row of x it is: rows that cross-attend need not be the first */
} Span;

typedef struct {
    const Model *model;
    int32_t rows, cross_rows, byte_inputs; /* byte_inputs: int8 products take activations of 8 bits */
    const Span *own, *text;   /* [rows], [cross_rows] */
    float *x;                 /* [rows, dim]: in, and overwritten */
    float *normed, *qkv, *seen, *hidden, *logits; /* [rows, dim], [rows, 3 dim], [rows, dim], [rows, widened], [rows, outputs] */
    uint8_t *bytes;           /* [rows, max(dim, widened)] */
    float *byte_scales;       /* [rows] */
    float *scores;            /* [threads, score_capacity] */
    int32_t score_capacity;   /* at least the longest span, in whole pages */
    int32_t threads;          /* of the team; `step` sets it */
} Step;

typedef struct {
    const Matrix *matrix;
    const float *x; /* [rows, inputs] */
    float *y;       /* [rows, outputs] */
    uint8_t *bytes; /* [rows, inputs] */
    float *byte_scales;
    int32_t rows, byte_inputs;
    int32_t threads; /* of the team; `product` sets it */
} Product;

/* Frames of one layer of an LSTM, of several songs (recurrence.h). */
typedef struct {
    const Matrix *back; /* float32 [4 units, units], units in whole vectors: a group has the four gates of LANES units */
    const float *known; /* [frames, rows, 4 units]: what the input gives to the gates, with the biases */
    float *h;           /* [1 + frames, rows, units]: the first is given */
    float *c;           /* [rows, units]: before, and after */
    int32_t rows, frames; /* at most MAX_PHASES frames */
    int32_t threads;    /* of the team; `recur` sets it */
} Recurrence;

/* Rows to be copied; zeros where `from` is NULL. */
typedef struct {
    float *to;
    const float *from;
    int32_t rows, count;          /* of so many numbers */
    int32_t to_pitch, from_pitch; /* numbers from row to row */
} Copy;

/* One layer of the codec's decoder (convolution.h): y[r] = bias + weights times the runs that begin at x[r stride]. */
typedef struct {
    const Copy *copies;   /* [copied + repeated]: done before, in any order, but the latter after the former */
    const float *weights; /* [strips, runs, run, STRIP]: outputs in strips of two vectors */
    const float *bias;    /* padded with zeros to whole strips */
    const float *x;
    const float *more;    /* [rows, outputs] is added; or NULL */
    float *y, *activated; /* [rows, outputs]: the sum, and ELU of it; each or NULL */
    float alpha;          /* of ELU */
    int32_t copied, repeated, runs, run, apart, stride; /* runs of `run` numbers, `apart` from each other; rows are `stride` apart */
    int32_t outputs, rows;
} Convolution;

/* The kernels of one kind of CPU. */
typedef struct {
    const char *name;
    int32_t group;       /* outputs that are packed together */
    int32_t byte_inputs; /* whether int8 weights can be multiplied by activations of 8 bits */
    int64_t (*packed_bytes)(int32_t outputs, int32_t inputs, int32_t kind);
    /* Pack float [outputs, inputs]; of int8, `scales` (by output) are given and `sums` filled in. */
    void (*pack)(const float *weight, int32_t outputs, int32_t inputs, int32_t kind, const float *scales, void *packed, int32_t *sums);
    void (*product)(Team *team, const Product *product);
    void (*step)(Team *team, const Step *step);
    /* Write keys and values [positions, 2, heads, head_dim] from position `first` on. */
    void (*fill)(const Model *model, int32_t layer, const int32_t *pages, int32_t first, int32_t positions, const float *kv);
    void (*recur)(Team *team, const Recurrence *recurrence);
    void (*convolve)(Team *team, const Convolution *layers, int32_t count); /* one after the other; at most MAX_PHASES / 3 */
} Kernels;

/* The kernels that this CPU runs, the best first; NULL at the end. */
const Kernels *const *kernels_here(void);

#endif
