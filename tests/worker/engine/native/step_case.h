/* A model of one layer with random weights, and rows of many lengths with keys and values of their own. */
#ifndef STEP_CASE_H
#define STEP_CASE_H

#include "products_check.h"

enum { HEADS = 2, ROOM_PAGES = 4, LAST_PAGE = MOST_ROWS * ROOM_PAGES * 2, LOGITS = 70 };

static const int lengths[] = {1, 63, 64, 65, 130, 200, 2, 128, 129, 100, 7, 192, 193};

typedef struct {
    Model model;
    Layer layer;
    Weight qkv, out, queries, cross_out, widen, narrow, logits;
    float *norms; /* [2, dim]: weight and bias of all */
    float *own[MOST_ROWS], *text[MOST_ROWS]; /* keys and values as they were given [positions, 2, heads, head_dim] */
    int32_t pages[2][MOST_ROWS][ROOM_PAGES];
    float *x;
} Case;

static int text_length(int row) { return lengths[(row + 4) % MOST_ROWS]; }

static Norm norm_of(const Case *c) { return (Norm){c->norms, c->norms + c->model.dim, 1e-5f}; }

static void make_cache(const Kernels *k, Case *c) {
    Model *m = &c->model;
    size_t tiles = (size_t)LAST_PAGE * HEADS;
    c->layer.keys = clear(tiles * m->head_dim * PAGE * sizeof(float));
    c->layer.values = clear(tiles * m->padded_dim * PAGE * sizeof(float));
    memset(c->layer.keys, 0xFF, tiles * m->head_dim * PAGE * sizeof(float)); /* what is not filled must not be read as a number */
    c->layer.key_scales = room(tiles * PAGE);
    c->layer.value_scales = room(tiles * PAGE);
    for (int row = 0; row < MOST_ROWS; row++)
        for (int p = 0; p < ROOM_PAGES; p++) {
            c->pages[0][row][p] = (row * ROOM_PAGES + p) * 7 % (LAST_PAGE / 2); /* 7 and the number of pages share no factor */
            c->pages[1][row][p] = LAST_PAGE - 1 - c->pages[0][row][p];
        }
    for (int row = 0; row < MOST_ROWS; row++) {
        c->own[row] = noises((size_t)lengths[row] * 2 * m->dim);
        c->text[row] = noises((size_t)text_length(row) * 2 * m->dim);
        k->fill(m, 0, c->pages[0][row], 0, lengths[row] - 1, c->own[row]);
        k->fill(m, 0, c->pages[1][row], 0, text_length(row), c->text[row]);
    }
}

static void make_case(const Kernels *k, Case *c, int head_dim, int kv_kind, int kind) {
    int dim = HEADS * head_dim;
    *c = (Case){.model = {1, dim, HEADS, head_dim, (head_dim + 15) / 16 * 16, 2 * dim, kv_kind, &c->layer, {0}, {0}}};
    c->norms = noises(2 * (size_t)dim);
    for (int i = 0; i < 2 * dim; i++)
        c->norms[i] /= 4; /* so that attention looks at many positions */
    c->qkv = make_weight(k, 3 * dim, dim, kind, 0);
    c->out = make_weight(k, dim, dim, kind, 0);
    c->queries = make_weight(k, dim, dim, kind, 0);
    c->cross_out = make_weight(k, dim, dim, kind, 0);
    c->widen = make_weight(k, 2 * dim, dim, kind, 0);
    c->narrow = make_weight(k, dim, 2 * dim, kind, 0);
    c->logits = make_weight(k, LOGITS, dim, kind, 1);
    Norm norm = norm_of(c);
    c->layer = (Layer){norm, norm, norm, c->qkv.matrix, c->out.matrix, c->queries.matrix, c->cross_out.matrix, c->widen.matrix,
                       c->narrow.matrix, 0, 0, 0, 0};
    c->model.norm_out = norm;
    c->model.logits = c->logits.matrix;
    c->x = noises((size_t)MOST_ROWS * dim);
    make_cache(k, c);
}

static void free_case(Case *c) {
    Weight *weights[] = {&c->qkv, &c->out, &c->queries, &c->cross_out, &c->widen, &c->narrow, &c->logits};
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        free_weight(weights[i]);
    for (int row = 0; row < MOST_ROWS; row++) {
        free(c->own[row]);
        free(c->text[row]);
    }
    void *rest[] = {c->layer.keys, c->layer.values, c->layer.key_scales, c->layer.value_scales, c->norms, c->x};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        free(rest[i]);
}

#endif
