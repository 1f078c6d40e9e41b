/* Exact minimum spanning tree of the mutual reachability graph: Boruvka rounds over one k-d tree.
 * The algorithm is described at the head of _boruvka.pyx. */
#ifndef SEM_BORUVKA_H
#define SEM_BORUVKA_H

#include "sem_atomic.h"
#include "sem_kd_tree.h"

#define SEM_BODY "sem_boruvka_state.h"
#include "sem_both_types.h"
#undef SEM_BODY

#define SEM_BODY "sem_boruvka_search.h"
#include "sem_per_isa.h"

/* Search tiles [first, last); returns how many (query, tile) pairs were compared, -1 without
 * memory. */
static SEM_UNUSED int64_t sem_boruvka_search_f32(sem_boruvka_f32 *b, ptrdiff_t first,
                                                 ptrdiff_t last)
{
    return SEM_PICK(sem_boruvka_search_tiles_f32)(b, first, last);
}

static SEM_UNUSED int64_t sem_boruvka_search_f64(sem_boruvka_f64 *b, ptrdiff_t first,
                                                 ptrdiff_t last)
{
    return SEM_PICK(sem_boruvka_search_tiles_f64)(b, first, last);
}

#endif
