/* Body of sem_dbscan.h for one instruction set (see there). */
#if SEM_T(sem_is)

#include "sem_lanes.h"

#include "sem_dbscan_tile.h"

#include "sem_dbscan_pass_1.h"
#include "sem_dbscan_pass_2.h"
#include "sem_dbscan_pass_3.h"

/* ---- the loops ----------------------------------------------------------------------------- */

/* Constants for what is common, so that loops over features unroll. */
#ifndef SEM_DBSCAN_EACH
#  define SEM_DBSCAN_EACH(STEP)                                                                    \
      switch (w->tree->metric) {                                                                   \
      case SEM_EUCLIDEAN:                                                                          \
          if (d == 1) STEP(1, SEM_EUCLIDEAN) else if (d == 2) STEP(2, SEM_EUCLIDEAN)               \
          else if (d == 3) STEP(3, SEM_EUCLIDEAN) else STEP(d, SEM_EUCLIDEAN)                      \
          break;                                                                                   \
      case SEM_MANHATTAN: STEP(d, SEM_MANHATTAN) break;                                            \
      case SEM_CHEBYSHEV: STEP(d, SEM_CHEBYSHEV) break;                                            \
      default: STEP(d, SEM_MINKOWSKI)                                                              \
      }
#endif

static SEM_UNUSED int SEM_K(sem_dbscan_count)(sem_dbscan *w, ptrdiff_t first, ptrdiff_t last,
                                              double *scratch)
{
    const ptrdiff_t d = w->tree->n_features;
    int doubt = 0;
#define STEP(D, METRIC)                                                                            \
    {                                                                                              \
        for (ptrdiff_t i = first; i < last; i++)                                                   \
            SEM_K(sem_dbscan_count_tile)(w, i, scratch, D, METRIC, &doubt);                        \
    }
    SEM_DBSCAN_EACH(STEP)
#undef STEP
    return doubt;
}

static SEM_UNUSED int SEM_K(sem_dbscan_inside)(sem_dbscan *w, ptrdiff_t first, ptrdiff_t last,
                                               double *scratch)
{
    const ptrdiff_t d = w->tree->n_features;
    int doubt = 0;
#define STEP(D, METRIC)                                                                            \
    {                                                                                              \
        for (ptrdiff_t i = first; i < last; i++)                                                   \
            if (!w->tight[w->units[i]])                                                            \
                SEM_K(sem_dbscan_link_inside)(w, w->units[i], scratch, D, METRIC, &doubt);         \
    }
    SEM_DBSCAN_EACH(STEP)
#undef STEP
    return doubt;
}

static SEM_UNUSED int SEM_K(sem_dbscan_link)(sem_dbscan *w, ptrdiff_t first, ptrdiff_t last,
                                             double *scratch)
{
    const ptrdiff_t d = w->tree->n_features;
    int doubt = 0;
#define STEP(D, METRIC)                                                                            \
    {                                                                                              \
        for (ptrdiff_t i = first; i < last; i++)                                                   \
            SEM_K(sem_dbscan_link_unit)(w, w->units[i], scratch, D, METRIC, &doubt);               \
    }
    SEM_DBSCAN_EACH(STEP)
#undef STEP
    return doubt;
}

static SEM_UNUSED int SEM_K(sem_dbscan_label)(sem_dbscan *w, const sem_kd_tree_f64 *queries,
                                              const uint16_t *wanted, ptrdiff_t first,
                                              ptrdiff_t last, int32_t *best, double *scratch)
{
    const ptrdiff_t d = w->tree->n_features;
    int doubt = 0;
#define STEP(D, METRIC)                                                                            \
    {                                                                                              \
        for (ptrdiff_t i = first; i < last; i++)                                                   \
            if (wanted[i])                                                                         \
                SEM_K(sem_dbscan_label_tile)(w, queries, wanted[i], i, best, scratch, D, METRIC,   \
                                             &doubt);                                              \
    }
    SEM_DBSCAN_EACH(STEP)
#undef STEP
    return doubt;
}

#endif
