/* Distances from one row to tiles of 32 rows, by direct differences in float64.
 *
 * A tile is stored transposed, (n_features, 32): the inner loop runs over rows, so it fills SIMD
 * registers whatever the number of features is, and features are added in their order, so every
 * instruction set gives the same bits. The last tile is padded with copies of its last row.
 *
 * What is computed first is the "reduced" distance (no root); sem_finish() turns it into the
 * distance. Both are monotone, so neighbours may be chosen by the reduced one.
 */
#ifndef SEM_TILE_DISTANCE_H
#define SEM_TILE_DISTANCE_H

#include <math.h>
#include <stddef.h>
#include "sem_simd.h"

#define SEM_TILE 32

enum sem_metric {
    SEM_EUCLIDEAN = 0,
    SEM_MANHATTAN = 1,
    SEM_CHEBYSHEV = 2,
    SEM_MINKOWSKI = 3,
    SEM_SQEUCLIDEAN = 4,
    SEM_COSINE = 5, /* rows have unit length: 1 - <x, y> = |x - y|^2 / 2, without cancellation */
    SEM_HAVERSINE = 6 /* rows on the unit sphere: the angle is 2 asin(chord / 2) */
};

static inline double sem_angle(double reduced)
{
    const double half = 0.5 * sqrt(reduced);
    return 2.0 * asin(half < 1.0 ? half : 1.0);
}

static inline double sem_finish(double reduced, int metric, double p)
{
    switch (metric) {
    case SEM_EUCLIDEAN: return sqrt(reduced);
    case SEM_MINKOWSKI: return pow(reduced, 1.0 / p);
    case SEM_COSINE: return 0.5 * reduced;
    case SEM_HAVERSINE: return sem_angle(reduced);
    default: return reduced;
    }
}

/* Reduced distances of `query` to the rows of one tile. */
static inline void sem_one_tile(const double *tile, const double *query, ptrdiff_t n_features,
                                int metric, double p, double *restrict out)
{
    for (int l = 0; l < SEM_TILE; l++)
        out[l] = 0.0;
    if (metric == SEM_MANHATTAN) {
        for (ptrdiff_t f = 0; f < n_features; f++, tile += SEM_TILE)
            for (int l = 0; l < SEM_TILE; l++)
                out[l] += fabs(tile[l] - query[f]);
    } else if (metric == SEM_CHEBYSHEV) {
        for (ptrdiff_t f = 0; f < n_features; f++, tile += SEM_TILE)
            for (int l = 0; l < SEM_TILE; l++) {
                double gap = fabs(tile[l] - query[f]);
                out[l] = gap > out[l] ? gap : out[l];
            }
    } else if (metric == SEM_MINKOWSKI) {
        for (ptrdiff_t f = 0; f < n_features; f++, tile += SEM_TILE)
            for (int l = 0; l < SEM_TILE; l++)
                out[l] += pow(fabs(tile[l] - query[f]), p);
    } else {
        for (ptrdiff_t f = 0; f < n_features; f++, tile += SEM_TILE)
            for (int l = 0; l < SEM_TILE; l++) {
                double gap = tile[l] - query[f];
                out[l] += gap * gap;
            }
    }
}

/* Reduced distances of `query` to `n_tiles` tiles: out has 32 n_tiles entries. */
SEM_CLONES
static void sem_reduced_distances(const double *tiles, ptrdiff_t n_tiles, const double *query,
                                  ptrdiff_t n_features, int metric, double p, double *out)
{
    for (ptrdiff_t t = 0; t < n_tiles; t++)
        sem_one_tile(tiles + t * n_features * SEM_TILE, query, n_features, metric, p,
                     out + t * SEM_TILE);
}

/* sem_finish() of `n` entries in place. */
SEM_CLONES
static void sem_finish_all(double *values, ptrdiff_t n, int metric, double p)
{
    if (metric == SEM_EUCLIDEAN)
        for (ptrdiff_t i = 0; i < n; i++)
            values[i] = sqrt(values[i]);
    else if (metric == SEM_COSINE)
        for (ptrdiff_t i = 0; i < n; i++)
            values[i] *= 0.5;
    else if (metric == SEM_MINKOWSKI)
        for (ptrdiff_t i = 0; i < n; i++)
            values[i] = pow(values[i], 1.0 / p);
    else if (metric == SEM_HAVERSINE)
        for (ptrdiff_t i = 0; i < n; i++)
            values[i] = sem_angle(values[i]);
}

/* One step of Prim's algorithm over the slots [0, n): `distance` holds d(source, slot).
 *
 * best[j], best_distance[j]: lightest edge from the tree to slot j so far and its distance; among
 * edges of equal weight (one core distance is the weight of several) the shortest counts. A slot
 * in the tree is not `open`. Returns the slot with the lightest, then shortest edge, the first
 * among equals, or -1 when no slot of the range is open.
 */
SEM_CLONES
static ptrdiff_t sem_prim_relax(const double *distance, ptrdiff_t n, const double *core,
                                double core_of_source, ptrdiff_t source,
                                const unsigned char *open, double *restrict best,
                                double *restrict best_distance, ptrdiff_t *restrict best_source,
                                double *lightest, double *shortest)
{
    double least = INFINITY, nearest = INFINITY;
    for (ptrdiff_t j = 0; j < n; j++) {
        double weight = core[j] > distance[j] ? core[j] : distance[j];
        weight = core_of_source > weight ? core_of_source : weight;
        int lighter = (weight < best[j]) | ((weight == best[j]) & (distance[j] < best_distance[j]));
        lighter &= open[j];
        best[j] = lighter ? weight : best[j];
        best_distance[j] = lighter ? distance[j] : best_distance[j];
        best_source[j] = lighter ? source : best_source[j];
        double offered = open[j] ? best[j] : INFINITY;
        least = offered < least ? offered : least;
    }
    for (ptrdiff_t j = 0; j < n; j++) {
        double offered = (open[j] & (best[j] == least)) ? best_distance[j] : INFINITY;
        nearest = offered < nearest ? offered : nearest;
    }
    *lightest = least;
    *shortest = nearest;
    for (ptrdiff_t j = 0; j < n; j++)
        if (open[j] && best[j] == least && best_distance[j] == nearest)
            return j;
    return -1;
}

/* The lightest mutual reachability from a row to the slots [0, n) of other groups. */
SEM_CLONES
static double sem_lightest_to_others(const double *distance, ptrdiff_t n, const double *core,
                                     double core_of_row, const ptrdiff_t *group,
                                     ptrdiff_t group_of_row)
{
    double least = INFINITY;
    for (ptrdiff_t j = 0; j < n; j++) {
        double weight = core[j] > distance[j] ? core[j] : distance[j];
        weight = core_of_row > weight ? core_of_row : weight;
        weight = group[j] == group_of_row ? INFINITY : weight;
        least = weight < least ? weight : least;
    }
    return least;
}

#endif
