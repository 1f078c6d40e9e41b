/* NH of UMAC over blocks of 1 KiB: 128 bits of each that tell blocks apart.
 *
 * With 32-bit words a_i, b_i of the two halves of a block and random keys k_i, l_i,
 *
 *     sum over i of (a_i + k_i mod 2^32) (b_i + l_i mod 2^32)   mod 2^64
 *
 * is equal for two given different blocks with probability 2^-32 at most; four such sums, their keys
 * shifted by one word each, are equal with probability 2^-128 (J. Black, S. Halevi, H. Krawczyk,
 * T. Krovetz, P. Rogaway 1999, UMAC: Fast and Secure Message Authentication, theorems 4.2 and 5.1).
 */
#ifndef SEM_NH_H
#define SEM_NH_H

#include <stddef.h>
#include <stdint.h>

#include "sem_simd.h"

#define SEM_NH_PAIRS 128 /* of words in a block */
#define SEM_NH_BLOCK 1024 /* bytes */

#if defined(__GNUC__)
typedef uint32_t __attribute__((may_alias, aligned(1))) sem_nh_word; /* floats lie there */
#else
typedef uint32_t sem_nh_word;
#endif

/* `k` and `l` hold SEM_NH_PAIRS + 3 words; `out` gets four sums for each block. */
SEM_CLONES
static void sem_nh(const unsigned char *data, ptrdiff_t n_blocks, const uint32_t *k, const uint32_t *l,
    uint64_t *out)
{
    for (ptrdiff_t block = 0; block < n_blocks; ++block) {
        const sem_nh_word *a = (const sem_nh_word *)(data + block * SEM_NH_BLOCK);
        const sem_nh_word *b = a + SEM_NH_PAIRS;
        uint64_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        for (int i = 0; i < SEM_NH_PAIRS; ++i) {
            s0 += (uint64_t)(uint32_t)(a[i] + k[i]) * (uint32_t)(b[i] + l[i]);
            s1 += (uint64_t)(uint32_t)(a[i] + k[i + 1]) * (uint32_t)(b[i] + l[i + 1]);
            s2 += (uint64_t)(uint32_t)(a[i] + k[i + 2]) * (uint32_t)(b[i] + l[i + 2]);
            s3 += (uint64_t)(uint32_t)(a[i] + k[i + 3]) * (uint32_t)(b[i] + l[i + 3]);
        }
        out[4 * block] = s0;
        out[4 * block + 1] = s1;
        out[4 * block + 2] = s2;
        out[4 * block + 3] = s3;
    }
}

#endif
