"""The recursions of ``sem_hmm.h``."""

from ._typedefs cimport int32_t, intp_t, uint8_t

cdef extern from "sem_hmm.h" nogil:
    enum:
        SEM_HMM_LANES
        SEM_HMM_BLOCK
        SEM_HMM_RENORM

    ctypedef struct sem_hmm_chain:
        intp_t K
        intp_t KP
        const double *start
        const double *A
        const double *At
        const double *Ap
        const double *Atp

    ctypedef struct sem_hmm_end:
        int bad

    ctypedef struct sem_hmm_lanes:
        const double *logb
        intp_t[8] first
        intp_t[8] len
        double[8] weight
        double *gamma
        double *row
        int32_t *path
        double *xi
        double *start
        double[8] loglik
        int[8] bad

    ctypedef struct sem_hmm_task:
        const double *logb
        double *gamma
        double *row
        double *stored
        double *xi
        double *scratch
        intp_t T
        intp_t middle
        int step
        double weight
        intp_t t
        double sum
        sem_hmm_end end

    intp_t sem_hmm_lanes_work(intp_t K, intp_t T)
    intp_t sem_hmm_rows_work(intp_t KP)
    double sem_hmm_loglik(const sem_hmm_end *)
    void sem_hmm_lanes_smooth(const sem_hmm_chain *, sem_hmm_lanes *, double *)
    void sem_hmm_lanes_filter(const sem_hmm_chain *, sem_hmm_lanes *, double *)
    void sem_hmm_lanes_viterbi(const sem_hmm_chain *, sem_hmm_lanes *, double *)
    void sem_hmm_run_task(const sem_hmm_chain *, sem_hmm_task *, intp_t until)
    void sem_hmm_viterbi_rows(const sem_hmm_chain *, const double *, intp_t, intp_t, double *, double *)
    double sem_hmm_viterbi_back(const sem_hmm_chain *, intp_t, const double *, const double *, int32_t *)
    double sem_hmm_log_forward(const sem_hmm_chain *, const double *, intp_t, double *, uint8_t *,
                               double *, double *)
    void sem_hmm_log_backward(const sem_hmm_chain *, const double *, intp_t, const double *,
                              const uint8_t *, double, double *, double *, double *)
    double sem_hmm_log_viterbi(const sem_hmm_chain *, const double *, intp_t, double *, uint8_t *,
                               int32_t *)

cdef extern from "sem_simd.h" nogil:
    int sem_thread_num()
