/* Include the header SEM_BODY once for each instruction set and floating type.
 *
 * SEM_CLONES (sem_simd.h) is the short way; this is the long one, for kernels whose innermost step
 * needs intrinsics (a comparison that yields a bit mask, sums held in registers): inside SEM_BODY the compiler's own
 * macros (__AVX512F__, __AVX2__) tell which set it is compiling for.
 *
 * SEM_BODY sees SEM_REAL (float or double), SEM_IS_FLOAT (1 or 0), SEM_T(name) for things that depend on the type, and
 * SEM_K(name) for things that depend on type and instruction set. SEM_PICK(name_f32) is the
 * function of this process's instruction set.
 *
 * No include guard: define SEM_BODY, include this, repeat.
 */
#include "sem_simd.h"
#if defined(__x86_64__) || defined(_M_X64)
#  include <immintrin.h>
#endif

#ifndef SEM_PICK
#  if defined(SEM_HAS_CLONES)
#    define SEM_PICK(name) \
         (sem_isa_level() == 2 ? name##_v4 : sem_isa_level() == 1 ? name##_v3 : name##_base)
#  else
#    define SEM_PICK(name) (name##_base)
#  endif
#endif

#if defined(SEM_HAS_CLONES)
#  pragma GCC push_options
#  pragma GCC target("arch=x86-64-v4,prefer-vector-width=512")
#  define SEM_REAL float
#  define SEM_IS_FLOAT 1
#  define SEM_T(name) name##_f32
#  define SEM_K(name) name##_f32_v4
#  include SEM_BODY
#  undef SEM_REAL
#  undef SEM_IS_FLOAT
#  undef SEM_T
#  undef SEM_K
#  define SEM_REAL double
#  define SEM_IS_FLOAT 0
#  define SEM_T(name) name##_f64
#  define SEM_K(name) name##_f64_v4
#  include SEM_BODY
#  undef SEM_REAL
#  undef SEM_IS_FLOAT
#  undef SEM_T
#  undef SEM_K
#  pragma GCC pop_options

#  pragma GCC push_options
#  pragma GCC target("arch=x86-64-v3")
#  define SEM_REAL float
#  define SEM_IS_FLOAT 1
#  define SEM_T(name) name##_f32
#  define SEM_K(name) name##_f32_v3
#  include SEM_BODY
#  undef SEM_REAL
#  undef SEM_IS_FLOAT
#  undef SEM_T
#  undef SEM_K
#  define SEM_REAL double
#  define SEM_IS_FLOAT 0
#  define SEM_T(name) name##_f64
#  define SEM_K(name) name##_f64_v3
#  include SEM_BODY
#  undef SEM_REAL
#  undef SEM_IS_FLOAT
#  undef SEM_T
#  undef SEM_K
#  pragma GCC pop_options
#endif

#if defined(__GNUC__) && defined(__x86_64__) && defined(SEM_SIMD_V4)
#  pragma GCC push_options
#  pragma GCC target("arch=x86-64-v4,prefer-vector-width=512")
#elif defined(__GNUC__) && defined(__x86_64__) && defined(SEM_SIMD_V3)
#  pragma GCC push_options
#  pragma GCC target("arch=x86-64-v3")
#endif
#define SEM_REAL float
#define SEM_IS_FLOAT 1
#define SEM_T(name) name##_f32
#define SEM_K(name) name##_f32_base
#include SEM_BODY
#undef SEM_REAL
#undef SEM_IS_FLOAT
#undef SEM_T
#undef SEM_K
#define SEM_REAL double
#define SEM_IS_FLOAT 0
#define SEM_T(name) name##_f64
#define SEM_K(name) name##_f64_base
#include SEM_BODY
#undef SEM_REAL
#undef SEM_IS_FLOAT
#undef SEM_T
#undef SEM_K
#if defined(__GNUC__) && defined(__x86_64__) && (defined(SEM_SIMD_V4) || defined(SEM_SIMD_V3))
#  pragma GCC pop_options
#endif

#undef SEM_BODY
