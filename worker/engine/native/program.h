/* A decode step as a program: for each layer its norms, products and attention, each a phase of independent items. */
#ifndef OSTINATO_PROGRAM_H
#define OSTINATO_PROGRAM_H

#include "attention.h"
#include "products.h"
#include "step.h"
#include "team.h"

#include <stddef.h>

static void normalise(const Norm *norm, const float *x, float *y, int dim) {
    Floats sum = (Floats){0}, squares = (Floats){0};
    int whole = dim / LANES * LANES;
    float rest = 0, rest_squares = 0;
    for (int i = 0; i < whole; i += LANES)
        sum += load(x + i);
    for (int i = whole; i < dim; i++)
        rest += x[i];
    float mean = (sum_of(sum) + rest) / (float)dim;
    for (int i = 0; i < whole; i += LANES)
        squares += (load(x + i) - mean) * (load(x + i) - mean);
    for (int i = whole; i < dim; i++)
        rest_squares += (x[i] - mean) * (x[i] - mean);
    float scale = 1 / __builtin_sqrtf((sum_of(squares) + rest_squares) / (float)dim + norm->eps);
    for (int i = 0; i < dim; i++)
        y[i] = (x[i] - mean) * scale * norm->weight[i] + (norm->bias != NULL ? norm->bias[i] : 0);
}

#define STEP(context) const Step *s = (const Step *)(context); const Model *m = s->model
#define ROW(array, row, width) ((array) + (int64_t)(row) * (width))

/* Multiply one group of a layer's matrix, by bytes where the step's rows are many. */
static void group_of(const Step *s, const Matrix *w, int item, const float *x, float *y, int rows, Then then) {
    Operands o = {x, s->byte_inputs && w->kind == INT8 ? s->bytes : NULL, s->byte_scales, y, rows, then};
    multiply_item(w, item, s->threads, &o);
}

static void bytes_of(const Step *s, const float *x, int row, int width) {
    if (s->byte_inputs)
        make_bytes(ROW(x, row, width), width, ROW(s->bytes, row, width), s->byte_scales + row);
}

static void norm_attention(void *context, int layer, int row, int thread) {
    STEP(context);
    (void)thread;
    normalise(&m->layer[layer].norm_attention, ROW(s->x, row, m->dim), ROW(s->normed, row, m->dim), m->dim);
    bytes_of(s, s->normed, row, m->dim);
}

static void qkv(void *context, int layer, int item, int thread) {
    STEP(context);
    (void)thread;
    group_of(s, &m->layer[layer].qkv, item, s->normed, s->qkv, s->rows, PUT);
}

static void attend_own(void *context, int layer, int item, int thread) {
    STEP(context);
    int row = item / m->heads, head = item % m->heads, at = head * m->head_dim;
    const Layer *l = &m->layer[layer];
    const Span *span = &s->own[row];
    const float *q = ROW(s->qkv, row, 3 * m->dim) + at;
    int last = span->length - 1;
    put_position(m, l, span->pages[last / PAGE], last % PAGE, head, q + m->dim, q + 2 * m->dim);
    attend(m, l, span, head, q, ROW(s->scores, thread, s->score_capacity), ROW(s->seen, row, m->dim) + at);
}

static void seen_bytes(void *context, int layer, int row, int thread) {
    STEP(context);
    (void)layer, (void)thread;
    bytes_of(s, s->seen, row, m->dim);
}

static void out(void *context, int layer, int item, int thread) {
    STEP(context);
    (void)thread;
    group_of(s, &m->layer[layer].out, item, s->seen, s->x, s->rows, ADD);
}

/* The rows that cross-attend are gathered at the front of `normed`, and `hidden` takes what they get. */
static void norm_cross(void *context, int layer, int row, int thread) {
    STEP(context);
    (void)thread;
    normalise(&m->layer[layer].norm_cross, ROW(s->x, s->text[row].row, m->dim), ROW(s->normed, row, m->dim), m->dim);
    bytes_of(s, s->normed, row, m->dim);
}

static void cross_queries(void *context, int layer, int item, int thread) {
    STEP(context);
    (void)thread;
    group_of(s, &m->layer[layer].cross_queries, item, s->normed, s->qkv, s->cross_rows, PUT);
}

/* The text's pages belong to no layer's own positions, but lie in the same store. */
static void attend_text(void *context, int layer, int item, int thread) {
    STEP(context);
    int row = item / m->heads, at = item % m->heads * m->head_dim;
    attend(m, &m->layer[layer], &s->text[row], item % m->heads, ROW(s->qkv, row, m->dim) + at, ROW(s->scores, thread, s->score_capacity),
           ROW(s->seen, row, m->dim) + at);
}

static void cross_out(void *context, int layer, int item, int thread) {
    STEP(context);
    (void)thread;
    group_of(s, &m->layer[layer].cross_out, item, s->seen, s->hidden, s->cross_rows, PUT);
}

static void norm_feed(void *context, int layer, int row, int thread) {
    STEP(context);
    (void)thread;
    normalise(&m->layer[layer].norm_feed, ROW(s->x, row, m->dim), ROW(s->normed, row, m->dim), m->dim);
    bytes_of(s, s->normed, row, m->dim);
}

static void add_cross(void *context, int layer, int row, int thread) {
    STEP(context);
    (void)layer, (void)thread;
    float *x = ROW(s->x, s->text[row].row, m->dim);
    const float *more = ROW(s->hidden, row, m->dim);
    for (int i = 0; i < m->dim; i++)
        x[i] += more[i];
}

static void widen(void *context, int layer, int item, int thread) {
    STEP(context);
    (void)thread;
    group_of(s, &m->layer[layer].widen, item, s->normed, s->hidden, s->rows, GELU);
}

static void hidden_bytes(void *context, int layer, int row, int thread) {
    STEP(context);
    (void)layer, (void)thread;
    bytes_of(s, s->hidden, row, m->widened);
}

static void narrow(void *context, int layer, int item, int thread) {
    STEP(context);
    (void)thread;
    group_of(s, &m->layer[layer].narrow, item, s->hidden, s->x, s->rows, ADD);
}

static void norm_out(void *context, int layer, int row, int thread) {
    STEP(context);
    (void)layer, (void)thread;
    const float *x = ROW(s->x, row, m->dim);
    if (m->norm_out.weight != NULL)
        normalise(&m->norm_out, x, ROW(s->normed, row, m->dim), m->dim);
    else
        memcpy(ROW(s->normed, row, m->dim), x, (size_t)m->dim * sizeof *x);
    bytes_of(s, s->normed, row, m->dim);
}

static void logits(void *context, int layer, int item, int thread) {
    STEP(context);
    (void)layer, (void)thread;
    group_of(s, &m->logits, item, s->normed, s->logits, s->rows, PUT);
}

static Phase *layer_phases(const Step *s, int layer, Phase *next) {
    const Layer *l = &s->model->layer[layer];
    int heads = s->model->heads, extra = s->byte_inputs ? s->rows : 0, texts = l->cross_queries.weights != NULL ? s->cross_rows : 0;
    *next++ = (Phase){norm_attention, layer, s->rows};
    *next++ = (Phase){qkv, layer, groups_of(l->qkv.outputs)};
    *next++ = (Phase){attend_own, layer, s->rows * heads};
    *next++ = (Phase){seen_bytes, layer, extra};
    *next++ = (Phase){out, layer, groups_of(l->out.outputs)};
    if (texts) {
        *next++ = (Phase){norm_cross, layer, texts};
        *next++ = (Phase){cross_queries, layer, groups_of(l->cross_queries.outputs)};
        *next++ = (Phase){attend_text, layer, texts * heads};
        *next++ = (Phase){seen_bytes, layer, s->byte_inputs ? texts : 0};
        *next++ = (Phase){cross_out, layer, groups_of(l->cross_out.outputs)};
        *next++ = (Phase){add_cross, layer, texts};
    }
    *next++ = (Phase){norm_feed, layer, s->rows};
    *next++ = (Phase){widen, layer, groups_of(l->widen.outputs)};
    *next++ = (Phase){hidden_bytes, layer, extra};
    *next++ = (Phase){narrow, layer, groups_of(l->narrow.outputs)};
    return next;
}

static void step(Team *team, const Step *asked) {
    Step set = *asked, *s = &set;
    s->threads = team_threads(team);
    Phase phases[MAX_PHASES], *next = phases;
    for (int layer = 0; layer < s->model->layers; layer++)
        next = layer_phases(s, layer, next);
    *next++ = (Phase){norm_out, 0, s->rows};
    *next++ = (Phase){logits, 0, groups_of(s->model->logits.outputs)};
    team_run(team, phases, (int)(next - phases), s);
}

#endif
