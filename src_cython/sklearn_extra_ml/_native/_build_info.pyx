"""What the kernels were built with, and what they use in this process."""

cdef extern from "sem_simd.h" nogil:
    const char *sem_simd_path()
    int sem_openmp_version()
    int sem_max_threads()

cdef extern from *:
    """
    #if defined(__VERSION__)
    #  define SEM_COMPILER __VERSION__
    #else
    #  define SEM_COMPILER "unknown"
    #endif
    """
    const char *SEM_COMPILER
    const char *SEM_SIMD_SWITCH
    const char *SEM_COMPILE_FLAGS


def build_info():
    """Return the build flags, the SIMD path in use and the OpenMP version (0: serial)."""
    return {
        "compiler": SEM_COMPILER.decode(),
        "compile_flags": SEM_COMPILE_FLAGS.decode(),
        "simd_build": SEM_SIMD_SWITCH.decode(),
        "simd_path": sem_simd_path().decode(),
        "openmp": sem_openmp_version(),
    }


def openmp_max_threads():
    """Return the number of threads that OpenMP would use now (``OMP_NUM_THREADS``, threadpoolctl)."""
    return sem_max_threads()
