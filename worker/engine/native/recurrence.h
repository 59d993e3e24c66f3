/* Frames of an LSTM's layer: for each frame one phase, whose items multiply a group of outputs and pass its gates.
 *
 * The recurrent weight is packed such that a group's vectors are the gates i, f, g and o of the same LANES units
 * (recurrence.py), so who has multiplied a group has all that its units need. A frame reads the complete weight; what the
 * input gives to the gates is known before.
 */
#ifndef OSTINATO_RECURRENCE_H
#define OSTINATO_RECURRENCE_H

#include "products.h"
#include "step.h"
#include "team.h"
#include "vectors.h"

ALWAYS Floats size_of(Floats x) { return (Floats)((Ints)x & 0x7FFFFFFF); }

ALWAYS Floats choose(Ints where, Floats a, Floats b) { return (Floats)(((Ints)a & where) | ((Ints)b & ~where)); }

/* 1 / (1 + e to the -x), by an exponential that is at most 1. */
ALWAYS Floats sigmoid_of(Floats x) {
    Floats e = exp_of(-size_of(x));
    return choose(x < 0.0f, e, all(1.0f)) / (1.0f + e);
}

/* A series where x is small and 1 - e to the -2|x| would lose its digits (least squares over |x| < 0.63, error 2e-8 of tanh). */
ALWAYS Floats tanh_of(Floats x) {
    Floats size = size_of(x), e = exp_of(-2.0f * size), z = x * x;
    Floats p = all(-0.0060536974f);
    p = p * z + 0.020968187f;
    p = p * z - 0.053844989f;
    p = p * z + 0.133327328f;
    p = p * z - 0.333333286f;
    Floats far = (1.0f - e) / (1.0f + e);
    Floats with_sign = (Floats)((Ints)far | ((Ints)x & (int32_t)0x80000000));
    return choose(size < 0.625f, x + x * z * p, with_sign);
}

/* One function, so that a row's gates are the same whatever the number of rows it was multiplied with. */
static __attribute__((noinline)) void pass_gates(const Floats *sums, const float *known, float *cell, float *h) {
    Floats gates[VECTORS];
    for (int t = 0; t < VECTORS; t++)
        gates[t] = sums[t] + load(known + t * LANES);
    Floats kept = sigmoid_of(gates[1]) * load(cell), taken = sigmoid_of(gates[0]) * tanh_of(gates[2]);
    Floats now = kept + taken;
    store(cell, now);
    store(h, sigmoid_of(gates[3]) * tanh_of(now));
}

ALWAYS void recur_rows(const int rows, const Recurrence *r, int frame, int group, int first) {
    const Matrix *m = r->back;
    int64_t before = (int64_t)frame * r->rows + first, units = m->inputs;
    Sums sums;
    for (int row = 0; row < rows; row++)
        for (int t = 0; t < VECTORS; t++)
            sums.v[row][t] = (Floats){0};
    multiply_fp32(rows, (const char *)m->weights + group * group_bytes(m->inputs, FP32), r->h + before * units, m->inputs, &sums);
    for (int row = 0; row < rows; row++)
        pass_gates(sums.v[row], r->known + (before + row) * m->outputs + group * GROUP, r->c + (first + row) * units + group * LANES,
                   r->h + (before + r->rows + row) * units + group * LANES);
}

static void recur_group(void *context, int frame, int item, int thread) {
    const Recurrence *r = context;
    int group = group_at(groups_of(r->back->outputs), item, r->threads), first = 0;
    (void)thread;
    for (; r->rows - first >= ROWS; first += ROWS)
        recur_rows(ROWS, r, frame, group, first);
    switch (r->rows - first) {
    case 1: recur_rows(1, r, frame, group, first); break;
    case 2: recur_rows(2, r, frame, group, first); break;
#if !(defined(__AVX2__) && !defined(__AVX512F__))
    case 3: recur_rows(3, r, frame, group, first); break;
    case 4: recur_rows(4, r, frame, group, first); break;
    case 5: recur_rows(5, r, frame, group, first); break;
#endif
    }
}

static void recur(Team *team, const Recurrence *asked) {
    Recurrence set = *asked, *r = &set;
    Phase phases[MAX_PHASES];
    r->threads = team_threads(team);
    for (int frame = 0; frame < r->frames; frame++)
        phases[frame] = (Phase){recur_group, frame, groups_of(r->back->outputs)};
    team_run(team, phases, r->frames, r);
}

#endif
