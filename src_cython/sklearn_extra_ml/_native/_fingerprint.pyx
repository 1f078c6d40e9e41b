"""Shrink bytes to a thirty-second, so that a cryptographic hash of the rest costs next to nothing."""

from cython.parallel cimport prange
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from sklearn_extra_ml._native._typedefs cimport intp_t

cdef extern from "sem_nh.h" nogil:
    enum:
        SEM_NH_PAIRS
        SEM_NH_BLOCK
    void sem_nh(const unsigned char*, intp_t, const uint32_t*, const uint32_t*, uint64_t*)

BLOCK = SEM_NH_BLOCK  # bytes that become four numbers
N_KEYS = SEM_NH_PAIRS + 3

cdef enum:
    STRETCH = 64  # blocks that a thread takes at once


def nh_sums(
    const uint8_t[::1] data,  # IN (n_bytes,)
    const uint32_t[:, ::1] keys,  # IN (2, N_KEYS), random
    int n_threads,
    uint64_t[:, ::1] sums,  # OUT (ceil(n_bytes / BLOCK), 4)
):
    """NH sums of each block; the last one is filled up with zeros. See `sem_nh.h`."""
    cdef intp_t n_bytes = data.shape[0], n_full = n_bytes // SEM_NH_BLOCK, first
    cdef uint8_t[SEM_NH_BLOCK] rest
    if not n_bytes:
        return
    for first in prange(0, n_full, STRETCH, schedule="static", num_threads=n_threads, nogil=True):
        sem_nh(&data[first * SEM_NH_BLOCK], min(<intp_t> STRETCH, n_full - first), &keys[0, 0],
               &keys[1, 0], &sums[first, 0])
    if n_bytes > n_full * SEM_NH_BLOCK:
        memset(rest, 0, SEM_NH_BLOCK)
        memcpy(rest, &data[n_full * SEM_NH_BLOCK], n_bytes - n_full * SEM_NH_BLOCK)
        sem_nh(rest, 1, &keys[0, 0], &keys[1, 0], &sums[n_full, 0])
