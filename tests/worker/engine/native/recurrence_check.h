/* Frames of an LSTM's layer against the same in double precision, and a row alone against the same row among others. */
#ifndef RECURRENCE_CHECK_H
#define RECURRENCE_CHECK_H

#include "checking.h"

enum { UNITS = 48, GATES = 4 * UNITS, FRAMES = 5 };

typedef struct {
    float *weight, *known, *h, *c; /* [4 UNITS, UNITS] in the kernels' order, [FRAMES, MOST_ROWS, 4 UNITS], [MOST_ROWS, UNITS] twice */
    Matrix back;
} Lstm;

/* Run these rows; y is [FRAMES, rows, UNITS]. */
static void run_recurrence(const Kernels *k, Team *team, const Lstm *l, int first, int rows, float *y) {
    size_t count = (size_t)rows * UNITS;
    float *known = room((size_t)FRAMES * rows * GATES), *h = room((1 + FRAMES) * count), *c = room(count);
    for (int frame = 0; frame < FRAMES; frame++)
        memcpy(known + (size_t)frame * rows * GATES, l->known + ((size_t)frame * MOST_ROWS + first) * GATES, (size_t)rows * GATES * sizeof *known);
    memcpy(h, l->h + (size_t)first * UNITS, count * sizeof *h);
    memcpy(c, l->c + (size_t)first * UNITS, count * sizeof *c);
    k->recur(team, &(Recurrence){.back = &l->back, .known = known, .h = h, .c = c, .rows = rows, .frames = FRAMES});
    memcpy(y, h + count, FRAMES * count * sizeof *y);
    free(known);
    free(h);
    free(c);
}

static double gate(const Kernels *k, const Lstm *l, const double *h, int frame, int row, int which, int unit) {
    int lanes = k->group / 4, at = unit / lanes * k->group + which * lanes + unit % lanes;
    double sum = l->known[((size_t)frame * MOST_ROWS + row) * GATES + at];
    for (int i = 0; i < UNITS; i++)
        sum += (double)l->weight[at * UNITS + i] * h[i];
    return which == 2 ? tanh(sum) : 1 / (1 + exp(-sum));
}

static void check_row(const Kernels *k, const Lstm *l, int row, const float *y) {
    double h[UNITS], c[UNITS], next[UNITS];
    for (int unit = 0; unit < UNITS; unit++) {
        h[unit] = l->h[row * UNITS + unit];
        c[unit] = l->c[row * UNITS + unit];
    }
    for (int frame = 0; frame < FRAMES; frame++) {
        for (int unit = 0; unit < UNITS; unit++) {
            c[unit] = gate(k, l, h, frame, row, 1, unit) * c[unit] + gate(k, l, h, frame, row, 0, unit) * gate(k, l, h, frame, row, 2, unit);
            next[unit] = gate(k, l, h, frame, row, 3, unit) * tanh(c[unit]);
            double off = fabs(next[unit] - y[((size_t)frame * MOST_ROWS + row) * UNITS + unit]);
            CHECK(off < 2e-6, "row %d, frame %d, unit %d of the LSTM is off by %g", row, frame, unit, off);
        }
        memcpy(h, next, sizeof h);
    }
}

static void check_recurrence(const Kernels *k, Team *team) {
    begin(k->name, FP32, 0);
    Lstm l = {noises(GATES * UNITS), noises((size_t)FRAMES * MOST_ROWS * GATES), noises(MOST_ROWS * UNITS), noises(MOST_ROWS * UNITS), {0}};
    void *packed = clear((size_t)k->packed_bytes(GATES, UNITS, FP32));
    k->pack(l.weight, GATES, UNITS, FP32, NULL, packed, NULL);
    l.back = (Matrix){.weights = packed, .outputs = GATES, .inputs = UNITS, .kind = FP32};
    float *together = room(FRAMES * MOST_ROWS * UNITS), *alone = room(FRAMES * UNITS);
    run_recurrence(k, team, &l, 0, MOST_ROWS, together);
    for (int row = 0; row < MOST_ROWS; row++) {
        check_row(k, &l, row, together);
        run_recurrence(k, team, &l, row, 1, alone);
        for (int frame = 0; frame < FRAMES; frame++)
            CHECK(memcmp(alone + frame * UNITS, together + ((size_t)frame * MOST_ROWS + row) * UNITS, UNITS * sizeof *alone) == 0,
                  "row %d of the LSTM is another alone", row);
    }
    digest(together, FRAMES * MOST_ROWS * UNITS);
    report("recurrence");
    void *used[] = {l.weight, l.known, l.h, l.c, packed, together, alone};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        free(used[i]);
}

#endif
