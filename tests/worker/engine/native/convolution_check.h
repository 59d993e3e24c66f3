/* Layers of the codec against the same in double precision, rows alone against rows among others, and copies. */
#ifndef CONVOLUTION_CHECK_H
#define CONVOLUTION_CHECK_H

#include "checking.h"

enum { INPUTS = 20, OUTPUTS = 70, TAPS = 3, APART = 2 * INPUTS, MOST_FRAMES = 131 };

typedef struct {
    float *weight, *packed, *bias, *x, *more; /* [OUTPUTS, TAPS, INPUTS], in strips, [OUTPUTS], [MOST_FRAMES + 4, INPUTS], [MOST_FRAMES, OUTPUTS] */
} Slides;

static Slides slides_of(const Kernels *k) {
    int strip = k->group / 2, strips = (OUTPUTS + strip - 1) / strip, width = TAPS * INPUTS;
    Slides s = {noises(OUTPUTS * width), room((size_t)strips * strip * width), room((size_t)strips * strip), noises((MOST_FRAMES + 4) * INPUTS),
                noises(MOST_FRAMES * OUTPUTS)};
    for (int o = 0; o < OUTPUTS; o++) {
        s.bias[o] = noise();
        for (int i = 0; i < width; i++)
            s.packed[((size_t)(o / strip) * width + i) * strip + o % strip] = s.weight[o * width + i];
    }
    return s;
}

/* Every second frame is a tap. */
static Convolution slid(const Slides *s, int first, int rows, float *y, float *activated) {
    return (Convolution){.weights = s->packed, .bias = s->bias, .x = s->x + first * INPUTS, .more = s->more + first * OUTPUTS, .y = y,
                         .activated = activated, .alpha = 0.7f, .runs = TAPS, .run = INPUTS, .apart = APART, .stride = INPUTS,
                         .outputs = OUTPUTS, .rows = rows};
}

static void check_frame(const Slides *s, int row, const float *y, const float *activated) {
    for (int o = 0; o < OUTPUTS; o++) {
        double sum = (double)s->bias[o] + s->more[row * OUTPUTS + o];
        for (int tap = 0; tap < TAPS; tap++)
            for (int i = 0; i < INPUTS; i++)
                sum += (double)s->weight[(o * TAPS + tap) * INPUTS + i] * s->x[row * INPUTS + tap * APART + i];
        double elu = sum > 0 ? sum : 0.7f * (exp(sum) - 1);
        CHECK(fabs(sum - y[o]) < 5e-6, "frame %d, output %d of a convolution is off by %g", row, o, fabs(sum - y[o]));
        CHECK(fabs(elu - activated[o]) < 5e-6, "frame %d, output %d through ELU is off by %g", row, o, fabs(elu - activated[o]));
    }
}

/* A layer whose input is copied to it: three frames of zeros, one that is repeated, and two rows out of wider ones. */
static void check_copies(const Kernels *k, Team *team, const Slides *s) {
    float *x = noises(7 * INPUTS), *y = room(OUTPUTS);
    Copy copies[] = {{x, NULL, 3, INPUTS, INPUTS, 0}, {x + 3 * INPUTS, s->x, 2, INPUTS, INPUTS, 2 * INPUTS}, {x + 5 * INPUTS, x + 4 * INPUTS, 1, INPUTS, 0, 0}};
    Convolution layers[2] = {{.copies = copies, .copied = 2, .repeated = 1, .runs = 1, .run = 1}, slid(s, 0, 1, y, NULL)};
    layers[1].x = x;
    k->convolve(team, layers, 2);
    for (int i = 0; i < INPUTS; i++) {
        CHECK(x[i] == 0 && x[2 * INPUTS + i] == 0, "what was to be cleared is not");
        CHECK(x[3 * INPUTS + i] == s->x[i] && x[4 * INPUTS + i] == s->x[2 * INPUTS + i], "copied rows are others");
        CHECK(x[5 * INPUTS + i] == x[4 * INPUTS + i], "a repeated row is another");
    }
    CHECK(y[0] == y[0] && y[0] != 0, "the layer after the copies did not run");
    free(x);
    free(y);
}

static void check_convolution(const Kernels *k, Team *team) {
    begin(k->name, FP32, 0);
    Slides s = slides_of(k);
    float *y = room(MOST_FRAMES * OUTPUTS), *activated = room(MOST_FRAMES * OUTPUTS), *alone = room(13 * OUTPUTS);
    Convolution all = slid(&s, 0, MOST_FRAMES, y, activated);
    k->convolve(team, &all, 1);
    for (int row = 0; row < MOST_FRAMES; row++)
        check_frame(&s, row, y + row * OUTPUTS, activated + row * OUTPUTS);
    for (int rows = 1; rows <= 13; rows++) {
        Convolution few = slid(&s, 50, rows, NULL, alone);
        k->convolve(team, &few, 1);
        CHECK(memcmp(alone, activated + 50 * OUTPUTS, (size_t)rows * OUTPUTS * sizeof *alone) == 0, "%d frames are others alone", rows);
    }
    check_copies(k, team, &s);
    digest(y, MOST_FRAMES * OUTPUTS);
    report("products, convolution");
    void *used[] = {s.weight, s.packed, s.bias, s.x, s.more, y, activated, alone};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        free(used[i]);
}

#endif
