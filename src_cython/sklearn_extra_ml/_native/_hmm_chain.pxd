"""A chain laid out for the kernels, and the division of sequences into tasks."""

from ._hmm_kernels cimport sem_hmm_chain
from ._typedefs cimport intp_t


cdef class Chain:
    cdef double *memory
    cdef sem_hmm_chain c


cdef class Wave:
    cdef intp_t n_groups
    cdef intp_t size
    cdef intp_t n_chunks
    cdef intp_t per_wave
