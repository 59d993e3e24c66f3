/* A step of one layer against the same in double precision, and a row alone against the same row among others. */
#ifndef STEP_CHECK_H
#define STEP_CHECK_H

#include "plain_step.h"

enum { THREADS = 3 };

/* Step these rows; every second one cross-attends. */
static void run_step(const Kernels *k, Team *team, const Case *c, int first, int rows, int by_bytes, float *logits) {
    const Model *m = &c->model;
    Span own[MOST_ROWS], text[MOST_ROWS];
    int texts = 0;
    for (int row = first; row < first + rows; row++) {
        own[row - first] = (Span){c->pages[0][row], lengths[row], row - first};
        if (row % 2 == 0)
            text[texts++] = (Span){c->pages[1][row], text_length(row), row - first};
    }
    size_t count = (size_t)rows;
    Step step = {.model = m, .rows = rows, .cross_rows = texts, .byte_inputs = by_bytes, .own = own, .text = text, .logits = logits};
    step.x = room(count * m->dim);
    step.normed = room(count * m->dim);
    step.qkv = room(count * 3 * m->dim);
    step.seen = room(count * m->dim);
    step.hidden = room(count * m->widened);
    step.bytes = clear(count * m->widened);
    step.byte_scales = room(count);
    step.score_capacity = ROOM_PAGES * PAGE;
    step.scores = room((size_t)THREADS * step.score_capacity);
    memcpy(step.x, c->x + (size_t)first * m->dim, count * m->dim * sizeof(float));
    k->step(team, &step);
    void *scratch[] = {step.x, step.normed, step.qkv, step.seen, step.hidden, step.bytes, step.byte_scales, step.scores};
    for (size_t i = 0; i < sizeof scratch / sizeof *scratch; i++)
        free(scratch[i]);
}

static void check_step(const Kernels *k, Team *team, int head_dim, int kv_kind, int kind, int by_bytes) {
    Case c;
    make_case(k, &c, head_dim, kv_kind, kind);
    float *together = room(MOST_ROWS * LOGITS), *alone = room(LOGITS);
    run_step(k, team, &c, 0, MOST_ROWS, by_bytes, together);
    digest(together, MOST_ROWS * LOGITS);
    for (int row = 0; row < MOST_ROWS; row++) {
        run_step(k, team, &c, row, 1, by_bytes, alone);
        CHECK(memcmp(alone, together + (size_t)row * LOGITS, LOGITS * sizeof *alone) == 0, "heads of %d: row %d is another alone",
              head_dim, row);
    }
    if (kind == FP32)
        check_logits(&c, together);
    free(together);
    free(alone);
    free_case(&c);
}

static void check_steps(const Kernels *k, Team *team) {
    static const int head_dims[] = {40, 64, 80};
    for (int kind = FP32; kind <= INT8; kind++)
        for (int by_bytes = 0; by_bytes <= (kind == INT8 && k->byte_inputs); by_bytes++) {
            begin(k->name, kind, by_bytes);
            for (size_t d = 0; d < sizeof head_dims / sizeof *head_dims; d++)
                for (int kv_kind = FP32; kv_kind <= INT8; kv_kind++)
                    check_step(k, team, head_dims[d], kv_kind, kind, by_bytes);
            report("steps");
        }
}

#endif
