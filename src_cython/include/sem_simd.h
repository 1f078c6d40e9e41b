/* Which instruction sets a kernel is compiled for.
 *
 * Write SEM_CLONES before the definition of a block or leaf loop: the compiler then emits an
 * AVX-512, an AVX2 and a baseline version of it, and the loader picks one when the module is
 * imported. Two rules follow:
 *   - a cloned function is never inlined, so clone the loop over points, not the distance of one
 *     pair; helpers that it calls stay `static inline` and are compiled into each clone;
 *   - the name "avx2" would give a clone without FMA and another register set, so the
 *     micro-architecture levels are named instead.
 * The build switch SEM_SIMD pins one level (setup.py), which is how the tests reach each path.
 */
#ifndef SEM_SIMD_H
#define SEM_SIMD_H

#include <stddef.h>

#if defined(__GNUC__) && defined(__x86_64__)
#  if defined(SEM_SIMD_V4)
#    define SEM_CLONES __attribute__((target("arch=x86-64-v4,prefer-vector-width=512")))
#  elif defined(SEM_SIMD_V3)
#    define SEM_CLONES __attribute__((target("arch=x86-64-v3")))
#  elif defined(SEM_SIMD_AUTO) && defined(__linux__) && defined(__GLIBC__) && !defined(__clang__)
#    define SEM_CLONES \
         __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#    define SEM_HAS_CLONES 1
#  endif
#endif
#ifndef SEM_CLONES
#  define SEM_CLONES
#endif

/* A module takes what it needs of a header, and leaves the rest. */
#if defined(__GNUC__)
#  define SEM_UNUSED __attribute__((unused))
#else
#  define SEM_UNUSED
#endif

/* The path that the cloned kernels take in this process. */
static inline const char *sem_simd_path(void)
{
#if defined(SEM_HAS_CLONES)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4"))
        return "x86-64-v4 (AVX-512)";
    if (__builtin_cpu_supports("x86-64-v3"))
        return "x86-64-v3 (AVX2)";
    return "baseline";
#elif defined(SEM_SIMD_V4)
    return "x86-64-v4 (AVX-512)";
#elif defined(SEM_SIMD_V3)
    return "x86-64-v3 (AVX2)";
#else
    return "baseline";
#endif
}

/* The level that kernels compiled once per instruction set (sem_per_isa.h) use: 2, 1 or 0. */
static inline int sem_isa_level(void)
{
#if defined(SEM_HAS_CLONES)
    static int level = -1; /* every thread would write the same value */
    if (level < 0) {
        __builtin_cpu_init();
        level = __builtin_cpu_supports("x86-64-v4")   ? 2
                : __builtin_cpu_supports("x86-64-v3") ? 1
                                                      : 0;
    }
    return level;
#else
    return 0;
#endif
}

/* Ask for the cache lines of a stretch of memory that will soon be read. */
static inline void sem_prefetch(const void *start, ptrdiff_t bytes)
{
#if defined(__GNUC__)
    for (ptrdiff_t b = 0; b < bytes; b += 64)
        __builtin_prefetch((const char *)start + b);
#else
    (void)start;
    (void)bytes;
#endif
}

/* OpenMP, or its serial stand-in. */
#ifdef _OPENMP
#  include <omp.h>
static inline int sem_openmp_version(void) { return _OPENMP; }
static inline int sem_max_threads(void) { return omp_get_max_threads(); }
static inline int sem_thread_num(void) { return omp_get_thread_num(); }
#else
static inline int sem_openmp_version(void) { return 0; }
static inline int sem_max_threads(void) { return 1; }
static inline int sem_thread_num(void) { return 0; }
#endif

#endif
