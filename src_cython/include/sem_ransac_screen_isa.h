/* The part of sem_ransac_screen.h that is compiled for each instruction set, float only. */
#if SEM_IS_FLOAT

#undef SEM_VEC_ISA
#undef SEM_VEC_F64
#if defined(__AVX512F__)
#  define SEM_VEC_ISA 4
#  define SEM_RS_VECTORS 4
#elif defined(__AVX2__)
#  define SEM_VEC_ISA 3
#  define SEM_RS_VECTORS 2
#elif defined(__SSE2__)
#  define SEM_VEC_ISA 1
#  define SEM_RS_VECTORS 2
#else
#  define SEM_VEC_ISA 0
#  define SEM_RS_VECTORS 2
#endif
#define SEM_VEC_F64 0
#include "sem_vec.h"

static void SEM_K(sem_rs_screen)(const float *block, ptrdiff_t p, const float *models,
                                 const float *limits, int quadratic, float *gains)
{
    /* Four models by SEM_RS_VECTORS vectors of rows: as many sums as hide the latency of a fused
     * multiplication and still fit the registers. */
    V total[SEM_RS_GROUP], limit[SEM_RS_GROUP];
    const V zero = V_SET1(0.0f), one = V_SET1(1.0f);
    for (int h = 0; h < SEM_RS_GROUP; h++) {
        total[h] = zero;
        limit[h] = V_SET1(quadratic ? -limits[h] : limits[h]);
    }
    for (int first = 0; first < SEM_RS_BLOCK; first += SEM_RS_VECTORS * VL) {
        V r[SEM_RS_GROUP][SEM_RS_VECTORS];
        for (int v = 0; v < SEM_RS_VECTORS; v++) {
            const V y = V_LOAD(block + p * SEM_RS_BLOCK + first + v * VL);
            for (int h = 0; h < SEM_RS_GROUP; h++)
                r[h][v] = V_ADD(y, V_SET1(models[p * SEM_RS_GROUP + h]));
        }
        for (ptrdiff_t j = 0; j < p; j++) {
            const float *x = block + j * SEM_RS_BLOCK + first;
            V part[SEM_RS_VECTORS];
            for (int v = 0; v < SEM_RS_VECTORS; v++)
                part[v] = V_LOAD(x + v * VL);
            for (int h = 0; h < SEM_RS_GROUP; h++) {
                const V w = V_SET1(models[j * SEM_RS_GROUP + h]);
                for (int v = 0; v < SEM_RS_VECTORS; v++)
                    r[h][v] = V_FMA(part[v], w, r[h][v]);
            }
        }
        if (quadratic)
            for (int h = 0; h < SEM_RS_GROUP; h++)
                for (int v = 0; v < SEM_RS_VECTORS; v++)
                    total[h] = V_ADD(total[h], V_MIN(V_FMA(r[h][v], r[h][v], limit[h]), zero));
        else
            for (int h = 0; h < SEM_RS_GROUP; h++)
                for (int v = 0; v < SEM_RS_VECTORS; v++)
                    total[h] = V_ADD(total[h], V_BLEND(V_LT(V_MUL(r[h][v], r[h][v]), limit[h]),
                                                       one, zero));
    }
    for (int h = 0; h < SEM_RS_GROUP; h++) {
        float lanes[16], sum = 0;
        V_STORE(lanes, total[h]);
        for (int v = 0; v < VL; v++)
            sum += lanes[v];
        gains[h] = quadratic ? -sum : sum;
    }
}

#undef SEM_RS_VECTORS
#endif
