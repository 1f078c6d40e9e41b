/* Forward, backward and Viterbi recursions of hidden Markov models.
 *
 * The chain.  Emissions enter as log-densities, one row of K numbers for each time step. A row is
 * shifted by its maximum m_t before it is exponentiated, B_t = exp(logb_t - m_t), so at least one
 * state has B = 1 and a row cannot vanish for being far from every state. Then
 *
 *     forward    a_t = (a_{t-1} A) o B_t * g_t        g_t: a power of two near 1 / sum(a_{t-1})
 *     backward   b_{t-1} = (A u_t) * h_t,  u_t = B_t o b_t      h_t: near 1 / sum(u_t)
 *     posterior  gamma_t = a_t o b_t / N_t,           N_t = a_t . b_t
 *     pairs      xi(i, j) += a_{t-1}(i) u_t(j) g_t / N_t        (times A(i, j) once, at the end)
 *
 * Scaling by powers of two rounds nothing, needs neither division nor logarithm in the loop, and
 * leaves the log-likelihood as the sum of the shifts, of the exponents, and of one logarithm.
 * Forward and backward have scales of their own, so that they need not wait for each other.
 *
 * Where a sum falls below SEM_HMM_TINY (structural zeros against the data), what underflowed could
 * matter: the sequence is flagged, and done again with logarithms (sem_hmm_log.h).
 *
 * Two ways through the data.  Many sequences: eight of them side by side in the lanes of SIMD
 * registers (sem_hmm_lanes.h). One long sequence: states side by side (sem_hmm_rows.h), forward and
 * backward running towards each other. Both add in the same order (sums over states run in four
 * strided parts), so posteriors have the same bits on either way and on every instruction set.
 */
#ifndef SEM_HMM_H
#define SEM_HMM_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sem_exp.h"
#include "sem_simd.h"

typedef ptrdiff_t intp;

#if defined(__GNUC__)
#  define SEM_INLINE inline __attribute__((always_inline))
#else
#  define SEM_INLINE inline
#endif

#define SEM_HMM_LANES 8
#define SEM_HMM_TINY 1e-100 /* of a scaled sum: below it, go over to logarithms */
#define SEM_HMM_RENORM 16   /* Viterbi subtracts the maximum every so many steps */

/* A chain as the kernels want it. A(i, j): from state i to state j. */
typedef struct {
    intp K;           /* states */
    intp KP;          /* states, rounded up to a multiple of four */
    const double *start;  /* KP, zero-padded */
    const double *A;      /* K x K */
    const double *At;     /* K x K, transposed */
    const double *Ap;     /* KP x KP, zero-padded */
    const double *Atp;    /* KP x KP, transposed */
} sem_hmm_chain;

/* 2 ** -floor(log2(x)) for a normal x > 0; some large finite number for 0. */
static SEM_INLINE double sem_hmm_rescale(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, 8);
    bits = (2046 - (bits >> 52)) << 52;
    memcpy(&x, &bits, 8);
    return x;
}

/* floor(log2(x)) of a normal x > 0. */
static SEM_INLINE int64_t sem_hmm_exponent(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, 8);
    return (int64_t)(bits >> 52) - 1023;
}

/* x * sem_hmm_rescale(x), in [1, 2). */
static SEM_INLINE double sem_hmm_mantissa(double x) { return x * sem_hmm_rescale(x); }

#define SEM_HMM_LN2 0.6931471805599453

/* The end of a sequence's forward pass: log-likelihood and whether it must be done with logs. */
typedef struct {
    double shift;      /* sum of m_t */
    int64_t exponent;  /* sum of the exponents of all sums but the last */
    double last;       /* sum of a_{T-1} */
    int bad;
} sem_hmm_end;

static SEM_INLINE double sem_hmm_loglik(const sem_hmm_end *e)
{
    return e->shift + ((double)e->exponent * SEM_HMM_LN2 + log(e->last));
}

/* Numbers below 2.2e-308 count for nothing beside sums above SEM_HMM_TINY, but cost a hundred cycles
 * each: within the scaled recursions, and only there, this thread takes them for zero. */
#if defined(__SSE2__) || defined(_M_X64)
#  include <xmmintrin.h>
#  define SEM_HMM_FLUSH unsigned flush_state_ = _mm_getcsr(); _mm_setcsr(flush_state_ | 0x8040u);
#  define SEM_HMM_RESTORE _mm_setcsr(flush_state_);
#else
#  define SEM_HMM_FLUSH
#  define SEM_HMM_RESTORE
#endif

#include "sem_hmm_log.h"
#include "sem_hmm_rows.h"

/* The lane kernels, once for each width of register. */
#define SEM_CAT_(a, b) a##_##b
#define SEM_CAT(a, b) SEM_CAT_(a, b)
#define NAME(x) SEM_CAT(x, SEM_SUFFIX)

#if defined(__GNUC__) && defined(__x86_64__)
#  include <immintrin.h>
#  if defined(SEM_HAS_CLONES) || defined(SEM_SIMD_V4)
#    pragma GCC push_options
#    pragma GCC target("arch=x86-64-v4,prefer-vector-width=512")
#    define VL 8
#    define SEM_SUFFIX v4
#    include "sem_hmm_lanes.h"
#    pragma GCC pop_options
#  endif
#  if defined(SEM_HAS_CLONES) || defined(SEM_SIMD_V3)
#    pragma GCC push_options
#    pragma GCC target("arch=x86-64-v3")
#    define VL 4
#    define SEM_SUFFIX v3
#    include "sem_hmm_lanes.h"
#    pragma GCC pop_options
#  endif
#  define VL 2
#else
#  define VL 1
#endif
#define SEM_SUFFIX base
#include "sem_hmm_lanes.h"

#if defined(SEM_HAS_CLONES)
#  define SEM_HMM_PICK(name)                                                                  \
      (sem_isa_level() == 2 ? name##_v4 : sem_isa_level() == 1 ? name##_v3 : name##_base)
#elif defined(__GNUC__) && defined(__x86_64__) && defined(SEM_SIMD_V4)
#  define SEM_HMM_PICK(name) name##_v4
#elif defined(__GNUC__) && defined(__x86_64__) && defined(SEM_SIMD_V3)
#  define SEM_HMM_PICK(name) name##_v3
#else
#  define SEM_HMM_PICK(name) name##_base
#endif

SEM_UNUSED static void sem_hmm_lanes_smooth(const sem_hmm_chain *c, sem_hmm_lanes *g, double *work)
{
    SEM_HMM_FLUSH
    SEM_HMM_PICK(lanes_smooth)(c, g, work);
    SEM_HMM_RESTORE
}
SEM_UNUSED static void sem_hmm_lanes_filter(const sem_hmm_chain *c, sem_hmm_lanes *g, double *work)
{
    SEM_HMM_FLUSH
    SEM_HMM_PICK(lanes_filter)(c, g, work);
    SEM_HMM_RESTORE
}
SEM_UNUSED static void sem_hmm_lanes_viterbi(const sem_hmm_chain *c, sem_hmm_lanes *g, double *work)
{
    SEM_HMM_PICK(lanes_viterbi)(c, g, work);
}

#endif
