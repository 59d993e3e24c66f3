/* The same step in double precision, a row at a time, as the papers write it. */
#ifndef PLAIN_STEP_H
#define PLAIN_STEP_H

#include "step_case.h"

enum { WIDEST = 512 };

static void plain_product(const Weight *w, const double *x, double *y) {
    for (int o = 0; o < w->matrix.outputs; o++) {
        y[o] = w->matrix.bias != NULL ? w->matrix.bias[o] : 0;
        for (int i = 0; i < w->matrix.inputs; i++)
            y[o] += w->exact[(size_t)o * w->matrix.inputs + i] * x[i];
    }
}

static void plain_norm(const Norm *norm, const double *x, double *y, int dim) {
    double mean = 0, variance = 0;
    for (int i = 0; i < dim; i++)
        mean += x[i] / dim;
    for (int i = 0; i < dim; i++)
        variance += (x[i] - mean) * (x[i] - mean) / dim;
    for (int i = 0; i < dim; i++)
        y[i] = (x[i] - mean) / sqrt(variance + norm->eps) * norm->weight[i] + norm->bias[i];
}

/* One query over given keys and values; `last` are those of the position that the step itself adds, or NULL. */
static void plain_attention(const Model *m, const float *kv, const double *last, int length, const double *q, double *seen) {
    double scores[ROOM_PAGES * PAGE];
    for (int head = 0; head < m->heads; head++) {
        int at = head * m->head_dim;
        double largest = -1e300, sum = 0;
        for (int p = 0; p < length; p++) {
            scores[p] = 0;
            for (int d = at; d < at + m->head_dim; d++)
                scores[p] += q[d] * (last != NULL && p == length - 1 ? last[d] : kv[(size_t)p * 2 * m->dim + d]) / sqrt(m->head_dim);
            largest = fmax(largest, scores[p]);
        }
        for (int p = 0; p < length; p++)
            sum += scores[p] = exp(scores[p] - largest);
        for (int d = at; d < at + m->head_dim; d++) {
            seen[d] = 0;
            for (int p = 0; p < length; p++)
                seen[d] += scores[p] / sum * (last != NULL && p == length - 1 ? last[m->dim + d] : kv[((size_t)p * 2 + 1) * m->dim + d]);
        }
    }
}

static void plain_step(const Case *c, int row, double *logits) {
    const Model *m = &c->model;
    double x[WIDEST] = {0}, normed[WIDEST], qkv[WIDEST], seen[WIDEST], more[WIDEST], hidden[WIDEST];
    for (int i = 0; i < m->dim; i++)
        x[i] = c->x[(size_t)row * m->dim + i];
    plain_norm(&c->layer.norm_attention, x, normed, m->dim);
    plain_product(&c->qkv, normed, qkv);
    plain_attention(m, c->own[row], qkv + m->dim, lengths[row], qkv, seen);
    plain_product(&c->out, seen, more);
    for (int i = 0; i < m->dim; i++)
        x[i] += more[i];
    if (row % 2 == 0) {
        plain_norm(&c->layer.norm_cross, x, normed, m->dim);
        plain_product(&c->queries, normed, qkv);
        plain_attention(m, c->text[row], NULL, text_length(row), qkv, seen);
        plain_product(&c->cross_out, seen, more);
        for (int i = 0; i < m->dim; i++)
            x[i] += more[i];
    }
    plain_norm(&c->layer.norm_feed, x, normed, m->dim);
    plain_product(&c->widen, normed, hidden);
    for (int i = 0; i < m->widened; i++)
        hidden[i] *= (1 + erf(hidden[i] / sqrt(2))) / 2;
    plain_product(&c->narrow, hidden, more);
    for (int i = 0; i < m->dim; i++)
        x[i] += more[i];
    plain_norm(&m->norm_out, x, normed, m->dim);
    plain_product(&c->logits, normed, logits);
}

static void check_logits(const Case *c, const float *logits) {
    static const double allowed[] = {1e-5, 0.03, 0.06}; /* three times what was seen, by the kind of keys and values */
    for (int row = 0; row < MOST_ROWS; row++) {
        double plain[LOGITS];
        plain_step(c, row, plain);
        for (int o = 0; o < LOGITS; o++) {
            double off = fabs(logits[row * LOGITS + o] - plain[o]);
            CHECK(off <= allowed[c->model.kv_kind], "heads of %d, keys of kind %d: row %d logit %d is off by %g", c->model.head_dim,
                  c->model.kv_kind, row, o, off);
        }
    }
}

#endif
