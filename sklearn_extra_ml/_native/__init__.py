"""Compiled kernels: arrays in, arrays out. Built from ``src_cython/``; imports nothing of ours."""
