/* Include the header SEM_BODY for float and for double.
 *
 * SEM_BODY sees SEM_REAL (the type), SEM_IS_FLOAT (1 or 0) and SEM_T(name) for things that depend on
 * the type. No include guard: define SEM_BODY, include this, undefine it, repeat.
 */
#define SEM_REAL float
#define SEM_IS_FLOAT 1
#define SEM_T(name) name##_f32
#include SEM_BODY
#undef SEM_REAL
#undef SEM_IS_FLOAT
#undef SEM_T
#define SEM_REAL double
#define SEM_IS_FLOAT 0
#define SEM_T(name) name##_f64
#include SEM_BODY
#undef SEM_REAL
#undef SEM_IS_FLOAT
#undef SEM_T
