"""Types that all kernels share. No numpy header is included, so no kernel depends on numpy's ABI."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

ctypedef Py_ssize_t intp_t  # numpy's intp: every count and index

ctypedef fused floating:
    float
    double
