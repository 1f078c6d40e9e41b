/* The few atomic steps that kernels need. Relaxed but for sem_cas_i32, which publishes. */
#ifndef SEM_ATOMIC_H
#define SEM_ATOMIC_H

#include <stdint.h>
#include <string.h>

#include "sem_kd_tree.h"

#if defined(__GNUC__)

SEM_INLINE int32_t sem_load_i32(const int32_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }

/* Replace `*expected` by `value`; where another value stands, write that to `*expected`. */
SEM_INLINE int sem_cas_i32(int32_t *at, int32_t *expected, int32_t value)
{
    return __atomic_compare_exchange_n(at, expected, value, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* *at = min(*at, value), for numbers that are not negative: their bits order as integers. */
SEM_INLINE void sem_atomic_min_f32(float *at, float value)
{
    uint32_t *bits = (uint32_t *)at, wanted, seen = __atomic_load_n(bits, __ATOMIC_RELAXED);
    memcpy(&wanted, &value, sizeof wanted);
    while (wanted < seen && !__atomic_compare_exchange_n(bits, &seen, wanted, 1, __ATOMIC_RELAXED,
                                                         __ATOMIC_RELAXED)) {
    }
}

SEM_INLINE void sem_atomic_min_f64(double *at, double value)
{
    uint64_t *bits = (uint64_t *)at, wanted, seen = __atomic_load_n(bits, __ATOMIC_RELAXED);
    memcpy(&wanted, &value, sizeof wanted);
    while (wanted < seen && !__atomic_compare_exchange_n(bits, &seen, wanted, 1, __ATOMIC_RELAXED,
                                                         __ATOMIC_RELAXED)) {
    }
}

SEM_INLINE float sem_atomic_load_f32(const float *at)
{
    uint32_t bits = __atomic_load_n((const uint32_t *)at, __ATOMIC_RELAXED);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

SEM_INLINE double sem_atomic_load_f64(const double *at)
{
    uint64_t bits = __atomic_load_n((const uint64_t *)at, __ATOMIC_RELAXED);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#else /* MSVC: an aligned volatile access of this size is atomic */

SEM_INLINE int32_t sem_load_i32(const int32_t *at) { return *(const volatile int32_t *)at; }

SEM_INLINE int sem_cas_i32(int32_t *at, int32_t *expected, int32_t value)
{
    const int32_t seen = _InterlockedCompareExchange((volatile long *)at, value, *expected);
    const int done = seen == *expected;
    *expected = seen;
    return done;
}

SEM_INLINE float sem_atomic_load_f32(const float *at) { return *(const volatile float *)at; }
SEM_INLINE double sem_atomic_load_f64(const double *at) { return *(const volatile double *)at; }

SEM_INLINE void sem_atomic_min_f32(float *at, float value)
{
    long wanted;
    memcpy(&wanted, &value, sizeof wanted);
    for (;;) {
        const long seen = *(const volatile long *)at;
        if (wanted >= seen ||
            _InterlockedCompareExchange((volatile long *)at, wanted, seen) == seen)
            return;
    }
}

SEM_INLINE void sem_atomic_min_f64(double *at, double value)
{
    __int64 wanted;
    memcpy(&wanted, &value, sizeof wanted);
    for (;;) {
        const __int64 seen = *(const volatile __int64 *)at;
        if (wanted >= seen ||
            _InterlockedCompareExchange64((volatile __int64 *)at, wanted, seen) == seen)
            return;
    }
}

#endif
#endif
