/* Include the header SEM_BODY once for each instruction set and floating type.
 *
 * SEM_CLONES (sem_simd.h) is the short way; this is the long one, for kernels whose innermost step
 * needs intrinsics (a comparison that yields a bit mask, sums held in registers): inside SEM_BODY the
 * compiler's own macros (__AVX512F__, __AVX2__) tell which set it is compiling for.
 *
 * SEM_BODY sees what sem_both_types.h gives it, and SEM_K(name) for things that depend on type and
 * instruction set. SEM_PICK(name_f32) is the function of this process's instruction set.
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

#ifndef SEM_JOIN
#  define SEM_JOIN(a, b) SEM_JOIN_AS_IS(a, b)
#  define SEM_JOIN_AS_IS(a, b) a##b
#endif

#if defined(SEM_HAS_CLONES)
#  pragma GCC push_options
#  pragma GCC target("arch=x86-64-v4,prefer-vector-width=512")
#  define SEM_K(name) SEM_JOIN(SEM_T(name), _v4)
#  include "sem_both_types.h"
#  undef SEM_K
#  pragma GCC pop_options

#  pragma GCC push_options
#  pragma GCC target("arch=x86-64-v3")
#  define SEM_K(name) SEM_JOIN(SEM_T(name), _v3)
#  include "sem_both_types.h"
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
#define SEM_K(name) SEM_JOIN(SEM_T(name), _base)
#include "sem_both_types.h"
#undef SEM_K
#if defined(__GNUC__) && defined(__x86_64__) && (defined(SEM_SIMD_V4) || defined(SEM_SIMD_V3))
#  pragma GCC pop_options
#endif

#undef SEM_BODY
