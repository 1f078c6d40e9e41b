/* Leaf loops of k-means and of its seeding.
 *
 * Two sorts. The block kernels of sem_k_means_blocks.h live on registers and are compiled for each
 * instruction set by hand; `level` (4, 3, 1, 0: see sem_vec.h) chooses among them. The loops
 * below them are plain C under SEM_CLONES. All of them give the same labels and, without fused
 * products, the same sums on every path.
 */
#ifndef SEM_K_MEANS_H
#define SEM_K_MEANS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sem_simd.h"

typedef ptrdiff_t intp;

#define SEM_BLOCK 64 /* points in a transposed block */
#define SEM_INF INFINITY

#if defined(__GNUC__)
#  define SEM_INLINE inline __attribute__((always_inline))
#else
#  define SEM_INLINE inline
#endif
#if defined(__GNUC__) && !defined(__clang__)
#  define SEM_UNROLL _Pragma("GCC unroll 16")
#elif defined(__clang__)
#  define SEM_UNROLL _Pragma("clang loop unroll(full)")
#else
#  define SEM_UNROLL
#endif

/* The sum of 16 lanes in one fixed order. */
#define SEM_SUM16(a)                                                                          \
    (((((double)a[0] + a[8]) + ((double)a[4] + a[12])) +                                      \
      (((double)a[2] + a[10]) + ((double)a[6] + a[14]))) +                                    \
     ((((double)a[1] + a[9]) + ((double)a[5] + a[13])) +                                      \
      (((double)a[3] + a[11]) + ((double)a[7] + a[15]))))

/* ------------------------------------------------- the block kernels, for each instruction set */

#if defined(__GNUC__) && defined(__x86_64__)
#  include <immintrin.h>
#  if defined(SEM_SIMD_AUTO) || defined(SEM_SIMD_V4)
#    define SEM_WITH_4
#  endif
#  if defined(SEM_SIMD_AUTO) || defined(SEM_SIMD_V3)
#    define SEM_WITH_3
#  endif
#  define SEM_WITH_1
#endif

#define SEM_CAT_(a, b) a##_##b
#define SEM_CAT(a, b) SEM_CAT_(a, b)
#define NAME(x) SEM_CAT(x, SEM_SUFFIX)

#ifdef SEM_WITH_4
#  define SEM_VEC_ISA 4
#  define SEM_FEW 6
#  define SEM_VEC_F64 1
#  define SEM_SUFFIX v4_f64
#  include "sem_vec.h"
#  include "sem_k_means_blocks.h"
#  undef SEM_VEC_F64
#  undef SEM_SUFFIX
#  define SEM_VEC_F64 0
#  define SEM_SUFFIX v4_f32
#  include "sem_vec.h"
#  include "sem_k_means_blocks.h"
#  undef SEM_VEC_F64
#  undef SEM_SUFFIX
#  undef SEM_FEW
#  undef SEM_VEC_ISA
#endif
#ifdef SEM_WITH_3
#  define SEM_VEC_ISA 3
#  define SEM_FEW 3
#  define SEM_VEC_F64 1
#  define SEM_SUFFIX v3_f64
#  include "sem_vec.h"
#  include "sem_k_means_blocks.h"
#  undef SEM_VEC_F64
#  undef SEM_SUFFIX
#  define SEM_VEC_F64 0
#  define SEM_SUFFIX v3_f32
#  include "sem_vec.h"
#  include "sem_k_means_blocks.h"
#  undef SEM_VEC_F64
#  undef SEM_SUFFIX
#  undef SEM_FEW
#  undef SEM_VEC_ISA
#endif
#ifdef SEM_WITH_1
#  define SEM_VEC_ISA 1
#  define SEM_FEW 1
#  define SEM_VEC_F64 1
#  define SEM_SUFFIX v1_f64
#  include "sem_vec.h"
#  include "sem_k_means_blocks.h"
#  undef SEM_VEC_F64
#  undef SEM_SUFFIX
#  define SEM_VEC_F64 0
#  define SEM_SUFFIX v1_f32
#  include "sem_vec.h"
#  include "sem_k_means_blocks.h"
#  undef SEM_VEC_F64
#  undef SEM_SUFFIX
#  undef SEM_FEW
#  undef SEM_VEC_ISA
#endif
#define SEM_VEC_ISA 0
#define SEM_FEW 1
#define SEM_VEC_F64 1
#define SEM_SUFFIX v0_f64
#include "sem_vec.h"
#include "sem_k_means_blocks.h"
#undef SEM_VEC_F64
#undef SEM_SUFFIX
#define SEM_VEC_F64 0
#define SEM_SUFFIX v0_f32
#include "sem_vec.h"
#include "sem_k_means_blocks.h"
#undef SEM_VEC_F64
#undef SEM_SUFFIX
#undef SEM_FEW
#undef SEM_VEC_ISA

/* The best level of sem_vec.h that was built and that this CPU has. */
static inline int sem_vec_level(void)
{
#if defined(SEM_WITH_1)
    __builtin_cpu_init();
#endif
#ifdef SEM_WITH_4
    if (__builtin_cpu_supports("x86-64-v4"))
        return 4;
#endif
#ifdef SEM_WITH_3
    if (__builtin_cpu_supports("x86-64-v3"))
        return 3;
#endif
#ifdef SEM_WITH_1
    return 1;
#else
    return 0;
#endif
}

#ifdef SEM_WITH_4
#  define SEM_CASE_4(call) case 4: call(v4); break;
#else
#  define SEM_CASE_4(call)
#endif
#ifdef SEM_WITH_3
#  define SEM_CASE_3(call) case 3: call(v3); break;
#else
#  define SEM_CASE_3(call)
#endif
#ifdef SEM_WITH_1
#  define SEM_CASE_1(call) case 1: call(v1); break;
#else
#  define SEM_CASE_1(call)
#endif
#define SEM_CHOOSE(call)                                                                      \
    switch (level) {                                                                          \
        SEM_CASE_4(call) SEM_CASE_3(call) SEM_CASE_1(call)                                    \
        default: call(v0); break;                                                             \
    }

#define SEM_DEFINE_CHOICE(T, S)                                                               \
static inline void sem_nearest_two_##S(int level, const T *x, intp d, const T *cm2,           \
    const T *c2, intp k, double gamma, T *label, T *upper, T *lower)                          \
{                                                                                             \
    SEM_CHOOSE(SEM_CALL_NEAREST_##S)                                                          \
}                                                                                             \
static inline void sem_pack_##S(int level, const T *X, intp d, const intp *rows, intp m,         \
    const T *offset, T *out)                                                                  \
{                                                                                             \
    SEM_CHOOSE(SEM_CALL_PACK_##S)                                                             \
}                                                                                             \
static inline void sem_distances_##S(int level, const T *x, intp d, const T *centers, intp k, \
    intp m, T *out, intp ld)                                                                  \
{                                                                                             \
    SEM_CHOOSE(SEM_CALL_DISTANCES_##S)                                                        \
}                                                                                             \
static inline void sem_potentials_##S(int level, const T *x, intp d, const T *candidates,     \
    intp n_candidates, const T *closest, const T *weight, double *pot)                        \
{                                                                                             \
    SEM_CHOOSE(SEM_CALL_POTENTIALS_##S)                                                       \
}                                                                                             \
static inline void sem_lower_closest_##S(int level, const T *x, intp d, const T *center,      \
    T *closest)                                                                               \
{                                                                                             \
    SEM_CHOOSE(SEM_CALL_LOWER_##S)                                                            \
}                                                                                             \
static inline void sem_row_to_candidates_##S(int level, const T *row, intp d,                 \
    const T *const *candidates, int m, T *out)                                                \
{                                                                                             \
    SEM_CHOOSE(SEM_CALL_ROW_##S)                                                              \
}

#define SEM_CALL_NEAREST_f64(v) nearest_two_##v##_f64(x, d, cm2, c2, k, gamma, label, upper, lower)
#define SEM_CALL_NEAREST_f32(v) nearest_two_##v##_f32(x, d, cm2, c2, k, gamma, label, upper, lower)
#define SEM_CALL_PACK_f64(v) pack_##v##_f64(X, d, rows, m, offset, out)
#define SEM_CALL_PACK_f32(v) pack_##v##_f32(X, d, rows, m, offset, out)
#define SEM_CALL_DISTANCES_f64(v) distances_##v##_f64(x, d, centers, k, m, out, ld)
#define SEM_CALL_DISTANCES_f32(v) distances_##v##_f32(x, d, centers, k, m, out, ld)
#define SEM_CALL_POTENTIALS_f64(v) \
    potentials_##v##_f64(x, d, candidates, n_candidates, closest, weight, pot)
#define SEM_CALL_POTENTIALS_f32(v) \
    potentials_##v##_f32(x, d, candidates, n_candidates, closest, weight, pot)
#define SEM_CALL_LOWER_f64(v) lower_closest_##v##_f64(x, d, center, closest)
#define SEM_CALL_LOWER_f32(v) lower_closest_##v##_f32(x, d, center, closest)
#define SEM_CALL_ROW_f64(v) row_to_candidates_##v##_f64(row, d, candidates, m, out)
#define SEM_CALL_ROW_f32(v) row_to_candidates_##v##_f32(row, d, candidates, m, out)

SEM_DEFINE_CHOICE(double, f64)
SEM_DEFINE_CHOICE(float, f32)

/* --------------------------------------------------------------------------------- plain loops */

/* Bounds are stored less the drift of the centres so far, so that a row that stays is never
 * written: upper + up_drift[label] is a bound on the distance to its centre, and
 * lower - low_drift[label] on the distance to any other. Both are rounded outward. */
static inline float sem_round_up(double v) { return (float)(v + fabs(v) * 2.4e-7 + 1e-37); }
static inline float sem_round_down(double v) { return (float)(v - fabs(v) * 2.4e-7 - 1e-37); }

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t sem_mix(uint64_t h)
{
    h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
    return h ^ (h >> 31);
}

static inline int sem_lowest_bit(uint32_t bits)
{
#if defined(__GNUC__)
    return __builtin_ctz(bits);
#else
    int l = 0;
    while (!((bits >> l) & 1))
        ++l;
    return l;
#endif
}

/* rows[]: those of the n rows whose label the bounds do not settle. */
SEM_UNUSED SEM_CLONES
static intp sem_unsettled(const int32_t *labels, const float *upper, const float *lower,
                          const double *up_drift, const double *low_drift,
                          const double *half_gap, intp n, intp *rows)
{
    uint8_t open[256];
    intp m = 0, p, i0;
    for (i0 = 0; i0 < n; i0 += 256) {
        const intp count = n - i0 < 256 ? n - i0 : 256;
        for (p = 0; p < count; ++p) {
            const int32_t j = labels[i0 + p];
            const double u = (upper[i0 + p] + up_drift[j]) * (1 + 1e-9);
            open[p] = !(u < lower[i0 + p] - low_drift[j]) & !(u < half_gap[j]);
        }
        for (p = 0; p < count; ++p) {
            rows[m] = i0 + p;
            m += open[p];
        }
    }
    return m;
}

/* Rows in single precision as a transposed block in double precision. */
static inline void sem_pack_f32_as_f64(const float *X, intp d, const intp *rows, intp m,
                                       const float *offset, double *out)
{
    for (intp t = 0; t < d; ++t)
        for (intp p = 0; p < SEM_BLOCK; ++p)
            out[t * SEM_BLOCK + p] =
                p < m ? (double)(float)(X[rows[p] * d + t] - offset[t]) : 0.0;
}

#undef REAL
#define REAL double
#define SEM_SUFFIX f64
#include "sem_k_means_loops.h"
#undef REAL
#undef SEM_SUFFIX
#define REAL float
#define SEM_SUFFIX f32
#include "sem_k_means_loops.h"
#undef REAL
#undef SEM_SUFFIX

#endif
