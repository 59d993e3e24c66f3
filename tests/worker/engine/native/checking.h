/* What the checks share: noise, a digest of what was computed, and a way to fail that says where. */
#ifndef CHECKING_H
#define CHECKING_H

#include "step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 13 };

typedef struct {
    const char *kernels;
    int kind, by_bytes;
    uint64_t digest; /* FNV-1a: builds whose results are bitwise the same print the same */
} Subject;

static Subject subject;

#define CHECK(holds, ...)                                                                                    \
    do {                                                                                                     \
        if (!(holds)) {                                                                                      \
            printf("%s, kind %d, bytes %d: ", subject.kernels, subject.kind, subject.by_bytes);              \
            printf(__VA_ARGS__);                                                                             \
            printf("\n");                                                                                    \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

/* Exactly so many bytes, so that a sanitizer sees what reads beyond them. */
static inline void *clear(size_t bytes) {
    void *found = NULL;
    if (posix_memalign(&found, 64, bytes) != 0)
        exit(2);
    memset(found, 0, bytes);
    return found;
}

static inline float *room(size_t count) { return clear(count * sizeof(float)); }

static uint64_t noise_state;

/* Uniform in [-1, 1), the same for every subject. */
static inline float noise(void) {
    noise_state ^= noise_state << 13;
    noise_state ^= noise_state >> 7;
    noise_state ^= noise_state << 17;
    return (float)(int32_t)(noise_state >> 32) * 0x1p-31f;
}

static inline void begin(const char *kernels, int kind, int by_bytes) {
    subject = (Subject){kernels, kind, by_bytes, 14695981039346656037u};
    noise_state = 88172645463325252u;
}

static inline float *noises(size_t count) {
    float *found = room(count);
    for (size_t i = 0; i < count; i++)
        found[i] = noise();
    return found;
}

static inline double rounded_to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline void digest(const float *values, size_t count) {
    const unsigned char *bytes = (const unsigned char *)values;
    for (size_t i = 0; i < count * sizeof *values; i++)
        subject.digest = (subject.digest ^ bytes[i]) * 1099511628211u;
}

static inline void report(const char *what) {
    printf("%s, %s, kind %d, bytes %d: %016llx\n", subject.kernels, what, subject.kind, subject.by_bytes, (unsigned long long)subject.digest);
}

#endif
