/* Which kernels this CPU runs: asked of the CPU itself, and of the system, which has to save the wide registers. */
#include "step.h"

#include <stddef.h>

#if defined(__x86_64__)
extern const Kernels kernels_avx2, kernels_avx512, kernels_avx512_vnni;

static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4]) {
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(subleaf));
}

static uint64_t saved_by_system(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static int bit(uint32_t word, int number) { return word >> number & 1; }

const Kernels *const *kernels_here(void) {
    static const Kernels *found[4];
    int count = 0;
    uint32_t r[4];
    cpuid(0, 0, r);
    uint32_t leaves = r[0];
    cpuid(1, 0, r);
    if (leaves < 7 || !bit(r[2], 27)) /* the system uses XSAVE */
        return found;
    int fma = bit(r[2], 12), avx = bit(r[2], 28);
    uint64_t saved = saved_by_system();
    cpuid(7, 0, r);
    int avx2 = avx && fma && bit(r[1], 5) && (saved & 0x06) == 0x06;
    int avx512 = avx2 && bit(r[1], 16) && bit(r[1], 17) && bit(r[1], 30) && bit(r[1], 31) && (saved & 0xE6) == 0xE6; /* F, DQ, BW, VL */
    if (avx512 && bit(r[2], 11))
        found[count++] = &kernels_avx512_vnni;
    if (avx512)
        found[count++] = &kernels_avx512;
    if (avx2)
        found[count++] = &kernels_avx2;
    found[count] = NULL;
    return found;
}

#elif defined(__aarch64__)
#if defined(__linux__)
#include <sys/auxv.h>
#endif
extern const Kernels kernels_neon, kernels_neon_dot;

const Kernels *const *kernels_here(void) {
    static const Kernels *found[3];
    int count = 0;
#if defined(__APPLE__)
    found[count++] = &kernels_neon_dot; /* all of Apple's own */
#elif defined(__linux__)
    if (getauxval(AT_HWCAP) >> 20 & 1) /* ASIMDDP */
        found[count++] = &kernels_neon_dot;
#endif
    found[count++] = &kernels_neon;
    found[count] = NULL;
    return found;
}
#endif
