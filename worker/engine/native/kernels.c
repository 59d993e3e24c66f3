/* The kernels of one kind of CPU. Compiled once for each, with its flags and its name (build.py). */
#include "attention.h"
#include "convolution.h"
#include "program.h"
#include "products.h"
#include "recurrence.h"
#include "step.h"
#include "vectors.h"

#include <stddef.h>

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define TEXT2(a) #a
#define TEXT(a) TEXT2(a)

static int64_t packed_bytes(int32_t outputs, int32_t inputs, int32_t kind) { return groups_of(outputs) * group_bytes(inputs, kind); }

static void pack_one(float x, int64_t at, int32_t kind, float up, void *packed, int32_t *sum) {
    if (kind == FP32)
        ((float *)packed)[at] = x;
    else if (kind == BF16)
        ((uint16_t *)packed)[at] = bf16_of(x);
    else {
        int8_t byte = (int8_t)__builtin_rintf(x * up);
        ((int8_t *)packed)[at] = byte;
        *sum += 128 * byte;
    }
}

static void pack(const float *weight, int32_t outputs, int32_t inputs, int32_t kind, const float *scales, void *packed, int32_t *sums) {
    int together = kind == FP32 ? 1 : kind == BF16 ? 2 : 4; /* inputs in a word */
    int64_t whole = (int64_t)inputs * GROUP;
    for (int o = 0; o < groups_of(outputs) * GROUP; o++) {
        float up = kind == INT8 && o < outputs ? 1 / scales[o] : 0;
        int32_t sum = 0;
        for (int i = 0; i < inputs; i++) {
            int64_t at = o / GROUP * whole + (int64_t)(i / together) * GROUP * together + o % GROUP * together + i % together;
            pack_one(o < outputs ? weight[(int64_t)o * inputs + i] : 0, at, kind, up, packed, &sum);
        }
        if (kind == INT8)
            sums[o] = sum;
    }
}

static void product_bytes(void *context, int argument, int row, int thread) {
    const Product *p = context;
    (void)argument, (void)thread;
    make_bytes(p->x + (int64_t)row * p->matrix->inputs, p->matrix->inputs, p->bytes + (int64_t)row * p->matrix->inputs, p->byte_scales + row);
}

static void product_group(void *context, int argument, int item, int thread) {
    const Product *p = context;
    (void)argument, (void)thread;
    Operands o = {p->x, p->byte_inputs ? p->bytes : NULL, p->byte_scales, p->y, p->rows, PUT};
    multiply_item(p->matrix, item, p->threads, &o);
}

static void product(Team *team, const Product *asked) {
    Product set = *asked, *p = &set;
    p->threads = team_threads(team);
    Phase phases[] = {{product_bytes, 0, p->byte_inputs ? p->rows : 0}, {product_group, 0, groups_of(p->matrix->outputs)}};
    team_run(team, phases, 2, p);
}

static void fill(const Model *m, int32_t layer, const int32_t *pages, int32_t first, int32_t positions, const float *kv) {
    for (int p = 0; p < positions; p++)
        for (int head = 0; head < m->heads; head++) {
            const float *key = kv + ((int64_t)p * 2 * m->heads + head) * m->head_dim;
            int at = first + p;
            put_position(m, &m->layer[layer], pages[at / PAGE], at % PAGE, head, key, key + (int64_t)m->heads * m->head_dim);
        }
}

const Kernels JOIN(kernels_, NAME) = {TEXT(NAME), GROUP, BYTE_PRODUCTS, packed_bytes, pack, product, step, fill, recur, convolve};
