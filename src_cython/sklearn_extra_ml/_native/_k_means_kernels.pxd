"""The leaf loops of ``sem_k_means.h``, chosen by floating type."""

from ._typedefs cimport floating, int32_t, int64_t, intp_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "sem_k_means.h" nogil:
    enum:
        SEM_BLOCK
    int sem_vec_level()

    void sem_nearest_two_f64(int, const double*, intp_t, const double*, const double*, intp_t,
                             double, double*, double*, double*)
    void sem_nearest_two_f32(int, const float*, intp_t, const float*, const float*, intp_t,
                             double, float*, float*, float*)
    void sem_pack_f64(int, const double*, intp_t, const intp_t*, intp_t, const double*, double*)
    void sem_pack_f32(int, const float*, intp_t, const intp_t*, intp_t, const float*, float*)
    void sem_pack_f32_as_f64(const float*, intp_t, const intp_t*, intp_t, const float*, double*)
    void sem_distances_f64(int, const double*, intp_t, const double*, intp_t, intp_t, double*, intp_t)
    void sem_distances_f32(int, const float*, intp_t, const float*, intp_t, intp_t, float*, intp_t)
    void sem_potentials_f64(int, const double*, intp_t, const double*, intp_t, const double*,
                            const double*, double*)
    void sem_potentials_f32(int, const float*, intp_t, const float*, intp_t, const float*,
                            const float*, double*)
    void sem_lower_closest_f64(int, const double*, intp_t, const double*, double*)
    void sem_lower_closest_f32(int, const float*, intp_t, const float*, float*)
    void sem_row_to_candidates_f64(int, const double*, intp_t, const double* const*, int, double*)
    void sem_row_to_candidates_f32(int, const float*, intp_t, const float* const*, int, float*)

    double sem_sq_dist_f64(const double*, const double*, const double*, intp_t)
    double sem_sq_dist_f32(const float*, const float*, const float*, intp_t)
    void sem_sq_dist_to_label_f64(const double*, intp_t, intp_t, const double*, const double*,
                                  const int32_t*, double*)
    void sem_sq_dist_to_label_f32(const float*, intp_t, intp_t, const float*, const float*,
                                  const int32_t*, double*)
    intp_t sem_nearest_exact_f64(const double*, const double*, const double*, intp_t, intp_t)
    intp_t sem_nearest_exact_f32(const float*, const float*, const float*, intp_t, intp_t)
    intp_t sem_unsettled(const int32_t*, const float*, const float*, const double*, const double*,
                         const double*, intp_t, intp_t*)
    intp_t sem_still_unsettled_f64(const double*, intp_t, const double*, const double*,
                                   const int32_t*, float*, const float*, const double*,
                                   const double*, const double*, intp_t, intp_t*)
    intp_t sem_still_unsettled_f32(const float*, intp_t, const float*, const float*,
                                   const int32_t*, float*, const float*, const double*,
                                   const double*, const double*, intp_t, intp_t*)
    intp_t sem_commit_f64(const double*, const double*, const double*, const intp_t*, intp_t,
                          const double*, const double*, int32_t*, float*, float*, intp_t*)
    intp_t sem_commit_f32(const float*, const float*, const float*, const intp_t*, intp_t,
                          const double*, const double*, int32_t*, float*, float*, intp_t*)
    intp_t sem_move_rows_f64(const double*, intp_t, const double*, const double*, const int32_t*,
                             const int32_t*, intp_t, double*, double*, int64_t*, uint8_t*)
    intp_t sem_move_rows_f32(const float*, intp_t, const float*, const float*, const int32_t*,
                             const int32_t*, intp_t, double*, double*, int64_t*, uint8_t*)
    intp_t sem_move_sparse_rows_f64(const double*, const int32_t*, const int32_t*, intp_t,
                                    const double*, const int32_t*, const int32_t*, intp_t,
                                    double*, double*, int64_t*, uint8_t*)
    intp_t sem_move_sparse_rows_f32(const float*, const int32_t*, const int32_t*, intp_t,
                                    const float*, const int32_t*, const int32_t*, intp_t,
                                    double*, double*, int64_t*, uint8_t*)
    double sem_sparse_values_f64(const double*, const int32_t*, intp_t, const double*, intp_t,
                                 const double*, double*)
    double sem_sparse_values_f32(const float*, const int32_t*, intp_t, const double*, intp_t,
                                 const double*, double*)
    double sem_moments_f64(const double*, intp_t, intp_t, const double*, double*, double*)
    double sem_moments_f32(const float*, intp_t, intp_t, const float*, double*, double*)
    void sem_mask_candidates_f64(const double*, const int32_t*, const double*, int, intp_t, uint32_t*)
    void sem_mask_candidates_f32(const float*, const int32_t*, const float*, int, intp_t, uint32_t*)
    double sem_block_sum_f64(const double*, const double*)
    double sem_block_sum_f32(const float*, const float*)
    void sem_add_mass_f64(const double*, const double*, const uint16_t*, intp_t, double*)
    void sem_add_mass_f32(const float*, const float*, const uint16_t*, intp_t, double*)
    void sem_center_row_f64(const double*, const double*, intp_t, double*)
    void sem_center_row_f32(const float*, const float*, intp_t, float*)
    void sem_hash_rows_f64(const double*, intp_t, intp_t, const uint64_t*, uint64_t*)
    void sem_hash_rows_f32(const float*, intp_t, intp_t, const uint64_t*, uint64_t*)
    void sem_hash_sparse_rows_f64(const double*, const int32_t*, const int32_t*, intp_t,
                                  const uint64_t*, uint64_t*)
    void sem_hash_sparse_rows_f32(const float*, const int32_t*, const int32_t*, intp_t,
                                  const uint64_t*, uint64_t*)
    intp_t sem_rivals_f64(const double*, const double*, const double*, double, intp_t, intp_t, int32_t*)
    intp_t sem_rivals_f32(const float*, const double*, const double*, double, intp_t, intp_t, int32_t*)
    uint64_t sem_mix(uint64_t)
    int sem_lowest_bit(uint32_t)
    void sem_prefetch(const void*, intp_t)
    float sem_round_up(double)
    float sem_round_down(double)


cdef inline void nearest_two(int level, const floating *x, intp_t d, const floating *cm2,
                             const floating *c2, intp_t k, double gamma, floating *label,
                             floating *upper, floating *lower) noexcept nogil:
    if floating is double:
        sem_nearest_two_f64(level, x, d, cm2, c2, k, gamma, label, upper, lower)
    else:
        sem_nearest_two_f32(level, x, d, cm2, c2, k, gamma, label, upper, lower)


cdef inline void pack(int level, const floating *X, intp_t d, const intp_t *rows, intp_t m,
                      const floating *offset, floating *out) noexcept nogil:
    if floating is double:
        sem_pack_f64(level, X, d, rows, m, offset, out)
    else:
        sem_pack_f32(level, X, d, rows, m, offset, out)


cdef inline void distances(int level, const floating *x, intp_t d, const floating *centers,
                           intp_t k, intp_t m, floating *out, intp_t ld) noexcept nogil:
    if floating is double:
        sem_distances_f64(level, x, d, centers, k, m, out, ld)
    else:
        sem_distances_f32(level, x, d, centers, k, m, out, ld)


cdef inline void potentials(int level, const floating *x, intp_t d, const floating *candidates,
                            intp_t n_candidates, const floating *closest, const floating *weight,
                            double *pot) noexcept nogil:
    if floating is double:
        sem_potentials_f64(level, x, d, candidates, n_candidates, closest, weight, pot)
    else:
        sem_potentials_f32(level, x, d, candidates, n_candidates, closest, weight, pot)


cdef inline void lower_closest(int level, const floating *x, intp_t d, const floating *center,
                               floating *closest) noexcept nogil:
    if floating is double:
        sem_lower_closest_f64(level, x, d, center, closest)
    else:
        sem_lower_closest_f32(level, x, d, center, closest)


cdef inline void row_to_candidates(int level, const floating *row, intp_t d,
                                   const floating * const *candidates, int m,
                                   floating *out) noexcept nogil:
    if floating is double:
        sem_row_to_candidates_f64(level, row, d, candidates, m, out)
    else:
        sem_row_to_candidates_f32(level, row, d, candidates, m, out)


cdef inline double sq_dist(const floating *x, const floating *offset, const floating *c,
                           intp_t d) noexcept nogil:
    if floating is double:
        return sem_sq_dist_f64(x, offset, c, d)
    else:
        return sem_sq_dist_f32(x, offset, c, d)


cdef inline void sq_dist_to_label(const floating *X, intp_t m, intp_t d, const floating *offset,
                                  const floating *centers, const int32_t *labels,
                                  double *out) noexcept nogil:
    if floating is double:
        sem_sq_dist_to_label_f64(X, m, d, offset, centers, labels, out)
    else:
        sem_sq_dist_to_label_f32(X, m, d, offset, centers, labels, out)


cdef inline intp_t nearest_exact(const floating *x, const floating *offset,
                                 const floating *centers, intp_t k, intp_t d) noexcept nogil:
    if floating is double:
        return sem_nearest_exact_f64(x, offset, centers, k, d)
    else:
        return sem_nearest_exact_f32(x, offset, centers, k, d)


cdef inline intp_t still_unsettled(
        const floating *X, intp_t d, const floating *offset, const floating *centers,
        const int32_t *labels, float *upper, const float *lower, const double *up_drift,
        const double *low_drift, const double *half_gap, intp_t m, intp_t *rows) noexcept nogil:
    if floating is double:
        return sem_still_unsettled_f64(X, d, offset, centers, labels, upper, lower, up_drift,
                                       low_drift, half_gap, m, rows)
    else:
        return sem_still_unsettled_f32(X, d, offset, centers, labels, upper, lower, up_drift,
                                       low_drift, half_gap, m, rows)


cdef inline intp_t commit(const floating *label, const floating *up, const floating *low,
                          const intp_t *rows, intp_t m, const double *up_drift,
                          const double *low_drift, int32_t *labels, float *upper, float *lower,
                          intp_t *undecided) noexcept nogil:
    if floating is double:
        return sem_commit_f64(label, up, low, rows, m, up_drift, low_drift, labels, upper, lower,
                              undecided)
    else:
        return sem_commit_f32(label, up, low, rows, m, up_drift, low_drift, labels, upper, lower,
                              undecided)


cdef inline intp_t move_rows(
        const floating *X, intp_t d, const floating *offset, const floating *weight,
        const int32_t *labels, const int32_t *old_labels, intp_t n, double *sums,
        double *weights, int64_t *counts, uint8_t *touched) noexcept nogil:
    if floating is double:
        return sem_move_rows_f64(X, d, offset, weight, labels, old_labels, n, sums, weights,
                                 counts, touched)
    else:
        return sem_move_rows_f32(X, d, offset, weight, labels, old_labels, n, sums, weights,
                                 counts, touched)


cdef inline intp_t move_sparse_rows(
        const floating *data, const int32_t *indices, const int32_t *indptr, intp_t d,
        const floating *weight, const int32_t *labels, const int32_t *old_labels, intp_t n,
        double *sums, double *weights, int64_t *counts, uint8_t *touched) noexcept nogil:
    if floating is double:
        return sem_move_sparse_rows_f64(data, indices, indptr, d, weight, labels, old_labels, n,
                                        sums, weights, counts, touched)
    else:
        return sem_move_sparse_rows_f32(data, indices, indptr, d, weight, labels, old_labels, n,
                                        sums, weights, counts, touched)


cdef inline double sparse_values(const floating *data, const int32_t *indices, intp_t nnz,
                                 const double *ct, intp_t ld, const double *c2,
                                 double *value) noexcept nogil:
    if floating is double:
        return sem_sparse_values_f64(data, indices, nnz, ct, ld, c2, value)
    else:
        return sem_sparse_values_f32(data, indices, nnz, ct, ld, c2, value)


cdef inline double moments(const floating *X, intp_t n, intp_t d, const floating *weight,
                           double *mean, double *m2) noexcept nogil:
    if floating is double:
        return sem_moments_f64(X, n, d, weight, mean, m2)
    else:
        return sem_moments_f32(X, n, d, weight, mean, m2)


cdef inline void mask_candidates(const floating *closest, const int32_t *owner,
                                 const floating *quarter, int n_candidates, intp_t n_seeds,
                                 uint32_t *mask) noexcept nogil:
    if floating is double:
        sem_mask_candidates_f64(closest, owner, quarter, n_candidates, n_seeds, mask)
    else:
        sem_mask_candidates_f32(closest, owner, quarter, n_candidates, n_seeds, mask)


cdef inline double block_sum(const floating *value, const floating *weight) noexcept nogil:
    if floating is double:
        return sem_block_sum_f64(value, weight)
    else:
        return sem_block_sum_f32(value, weight)


cdef inline void add_mass(const floating *closest, const floating *weight, const uint16_t *bucket,
                          intp_t n, double *mass) noexcept nogil:
    if floating is double:
        sem_add_mass_f64(closest, weight, bucket, n, mass)
    else:
        sem_add_mass_f32(closest, weight, bucket, n, mass)


cdef inline void center_row(const floating *x, const floating *offset, intp_t d,
                            floating *out) noexcept nogil:
    if floating is double:
        sem_center_row_f64(x, offset, d, out)
    else:
        sem_center_row_f32(x, offset, d, out)


cdef inline void hash_rows(const floating *X, intp_t n, intp_t d, const uint64_t *keys,
                           uint64_t *out) noexcept nogil:
    if floating is double:
        sem_hash_rows_f64(X, n, d, keys, out)
    else:
        sem_hash_rows_f32(X, n, d, keys, out)


cdef inline void hash_sparse_rows(const floating *data, const int32_t *indices,
                                  const int32_t *indptr, intp_t n, const uint64_t *keys,
                                  uint64_t *out) noexcept nogil:
    if floating is double:
        sem_hash_sparse_rows_f64(data, indices, indptr, n, keys, out)
    else:
        sem_hash_sparse_rows_f32(data, indices, indptr, n, keys, out)


cdef inline intp_t rivals_of(const floating *lower, const double *drift, const double *half,
                             double upper, intp_t k, intp_t label,
                             int32_t *rivals) noexcept nogil:
    if floating is double:
        return sem_rivals_f64(lower, drift, half, upper, k, label, rivals)
    else:
        return sem_rivals_f32(lower, drift, half, upper, k, label, rivals)
