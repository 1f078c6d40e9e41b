"""How many threads a kernel may use; no global setting outlives the call that changed it."""

import functools
import os
from contextlib import contextmanager

import joblib
from threadpoolctl import ThreadpoolController

from .._native._build_info import openmp_max_threads
from ._validation import bad_value

_IMPORT_PID = os.getpid()


@functools.lru_cache(maxsize=1)
def _n_cpus():
    return joblib.cpu_count()


@functools.lru_cache(maxsize=1)
def _threadpool_controller():
    return ThreadpoolController()


def effective_n_threads(n_jobs=None):
    """Return the number of OpenMP threads for the next kernel call.

    None means what OpenMP would use (``OMP_NUM_THREADS``, `threadpoolctl.threadpool_limits`),
    though no more than the CPUs this process may run on unless ``OMP_NUM_THREADS`` says so. A
    positive `n_jobs` is taken as it is; -1 means all, -2 all but one, as in joblib; 0 is refused.

    In a child made by ``fork`` the answer is 1: the parent's OpenMP threads do not exist there, and
    a parallel region of GNU OpenMP would wait for them for ever.
    """
    if n_jobs == 0:
        raise bad_value(
            "n_jobs", 0, "is no number of threads", "None, 1 or more, -1 (all), -2 ...", "Use None."
        )
    if os.getpid() != _IMPORT_PID:
        return 1
    if n_jobs is not None and n_jobs > 0:
        return n_jobs
    available = openmp_max_threads()
    if "OMP_NUM_THREADS" not in os.environ:
        available = min(available, _n_cpus())
    return available if n_jobs is None else max(1, available + 1 + n_jobs)


@contextmanager
def single_threaded_blas():
    """Hold BLAS to one thread for the length of the block, as calls from our own threads need.

    The libraries are looked up once per process (a look-up takes milliseconds), then only limited
    and restored.
    """
    with _threadpool_controller().limit(limits=1, user_api="blas"):
        yield


@contextmanager
def library_threads():
    """Hold OpenMP of other libraries to one thread in a child made by ``fork``; else change nothing.

    Their parallel regions would wait there for ever, as ours would.
    """
    if os.getpid() == _IMPORT_PID:
        yield
    else:
        with _threadpool_controller().limit(limits=1, user_api="openmp"):
            yield


def threads_for_rows(n_rows, n_jobs=None):
    """Return `effective_n_threads`, but 1 for data so small that waking threads costs more."""
    n_threads = effective_n_threads(n_jobs)
    return n_threads if n_rows >= 1000 else 1
