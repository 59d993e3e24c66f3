/* Products of every kind against plain sums, and a row alone against the same row among others. */
#ifndef PRODUCTS_CHECK_H
#define PRODUCTS_CHECK_H

#include "checking.h"

typedef struct {
    Matrix matrix;
    double *exact; /* the weights as they are packed [outputs, inputs] */
} Weight;

/* Make a weight whose values each kind keeps: int8's are whole multiples of their output's scale. */
static Weight make_weight(const Kernels *k, int outputs, int inputs, int kind, int with_bias) {
    int padded = (outputs + k->group - 1) / k->group * k->group;
    float *weight = room((size_t)outputs * inputs), *scales = room(padded), *bias = with_bias ? room(padded) : NULL;
    int32_t *sums = clear((size_t)padded * sizeof *sums);
    void *packed = clear((size_t)k->packed_bytes(outputs, inputs, kind));
    double *exact = clear((size_t)outputs * inputs * sizeof *exact);
    for (int o = 0; o < outputs; o++) {
        scales[o] = 0x1p-9f * (float)(1 + o % 5);
        for (int i = 0; i < inputs; i++) {
            float value = kind == INT8 ? scales[o] * rintf(127 * noise()) : noise();
            weight[(size_t)o * inputs + i] = value;
            exact[(size_t)o * inputs + i] = kind == BF16 ? rounded_to_bf16(value) : value;
        }
        if (with_bias)
            bias[o] = noise();
    }
    k->pack(weight, outputs, inputs, kind, scales, packed, sums);
    free(weight);
    return (Weight){{packed, scales, sums, bias, outputs, inputs, kind}, exact};
}

static void free_weight(Weight *w) {
    free((void *)w->matrix.weights);
    free((void *)w->matrix.scales);
    free((void *)w->matrix.sums);
    free((void *)w->matrix.bias);
    free(w->exact);
}

static void multiply(const Kernels *k, Team *team, const Weight *w, const float *x, float *y, int rows, int by_bytes) {
    uint8_t *bytes = clear((size_t)rows * w->matrix.inputs);
    float *scales = room(rows);
    Product p = {.matrix = &w->matrix, .x = x, .y = y, .bytes = bytes, .byte_scales = scales, .rows = rows, .byte_inputs = by_bytes};
    k->product(team, &p);
    free(bytes);
    free(scales);
}

/* The sums in double precision; each may be off by float's rounding, and by half a step of each activation's 8 bits. */
static void check_sums(const Weight *w, const float *x, const float *y, int rows, int by_bytes) {
    const Matrix *m = &w->matrix;
    for (int r = 0; r < rows; r++) {
        float largest = 0;
        for (int i = 0; i < m->inputs; i++)
            largest = fmaxf(largest, fabsf(x[(size_t)r * m->inputs + i]));
        for (int o = 0; o < m->outputs; o++) {
            double sum = m->bias != NULL ? m->bias[o] : 0, size = fabs(sum), weights = 0;
            for (int i = 0; i < m->inputs; i++) {
                double weight = w->exact[(size_t)o * m->inputs + i], term = weight * x[(size_t)r * m->inputs + i];
                sum += term;
                size += fabs(term);
                weights += fabs(weight);
            }
            double allowed = 3e-6 * size + (by_bytes ? 0.51 * weights * largest / 127 : 0) + 1e-30;
            CHECK(fabs(y[(size_t)r * m->outputs + o] - sum) <= allowed, "row %d output %d: %g is not %g within %g", r, o,
                  (double)y[(size_t)r * m->outputs + o], sum, allowed);
        }
    }
}

static void check_product(const Kernels *k, Team *team, int outputs, int inputs, int kind, int by_bytes) {
    Weight w = make_weight(k, outputs, inputs, kind, outputs % 2);
    float *x = noises((size_t)MOST_ROWS * inputs), *y = room((size_t)MOST_ROWS * outputs), *alone = room(outputs);
    for (int rows = 1; rows <= MOST_ROWS; rows++) {
        multiply(k, team, &w, x, y, rows, by_bytes);
        check_sums(&w, x, y, rows, by_bytes);
        for (int r = 0; r < rows; r++) {
            multiply(k, team, &w, x + (size_t)r * inputs, alone, 1, by_bytes);
            CHECK(memcmp(alone, y + (size_t)r * outputs, (size_t)outputs * sizeof *y) == 0, "row %d of %d is another alone", r, rows);
        }
    }
    digest(y, (size_t)MOST_ROWS * outputs);
    free(x);
    free(y);
    free(alone);
    free_weight(&w);
}

/* What is no number stays none, in its own row alone. */
static void check_faults(const Kernels *k, Team *team, int kind, int by_bytes) {
    enum { OUT = 70, IN = 64, ROWS = 7 };
    Weight w = make_weight(k, OUT, IN, kind, 1);
    const float faults[] = {NAN, INFINITY, -INFINITY};
    for (int f = 0; f < 3; f++) {
        float *x = noises(ROWS * IN), *y = room(ROWS * OUT);
        x[3 * IN + 5] = faults[f];
        multiply(k, team, &w, x, y, ROWS, by_bytes);
        for (int at = 0; at < ROWS * OUT; at++)
            CHECK(at / OUT == 3 || isfinite(y[at]), "row %d has another row's fault", at / OUT);
        for (int o = 0; o < OUT; o++)
            CHECK(w.exact[o * IN + 5] == 0 || !isfinite(y[3 * OUT + o]), "%g became %g", (double)faults[f], (double)y[3 * OUT + o]);
        free(x);
        free(y);
    }
    free_weight(&w);
}

static void check_products(const Kernels *k, Team *team) {
    static const int outputs[] = {1, 63, 64, 65, 200}, inputs[] = {4, 36, 260};
    for (int kind = FP32; kind <= INT8; kind++)
        for (int by_bytes = 0; by_bytes <= (kind == INT8 && k->byte_inputs); by_bytes++) {
            begin(k->name, kind, by_bytes);
            for (size_t o = 0; o < sizeof outputs / sizeof *outputs; o++)
                for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
                    check_product(k, team, outputs[o], inputs[i], kind, by_bytes);
            check_faults(k, team, kind, by_bytes);
            report("products");
        }
}

#endif
