/*
 * Repeatable random numbers for property tests: the same seed gives the same cases on every
 * machine, so that a failure can be run again.
 */
#ifndef TESTS_UNIT_RANDOM_H
#define TESTS_UNIT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* splitmix64. STATE is the seed, and then the place in the sequence. */
static inline uint64_t
random_next(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* A number from 0 to BOUND - 1. */
static inline size_t
random_below(uint64_t *state, size_t bound)
{
	return (size_t)(random_next(state) % bound);
}

#endif
