/*
 * Versions as vendors write them, and the one order of them; spot(1) has it for users.
 *
 * A version is [0-9][0-9A-Za-z.+~_-]{0,63}, ends in a letter or digit, and has no ".." in it: it is
 * the name of a folder. Numbers separated by dots come first and are compared as numbers, one that
 * is missing as 0. What follows them, up to a "-" or "+", is compared as Debian does
 * (deb-version(7):
 * "~" before the end, letters before other characters, digits as numbers). Then, as in SemVer, who
 * has a "-" and more is a pre-release and comes before who has not; more of it is compared piece by
 * piece between dots, numbers before words. What follows a "+" is a build, which comes after none.
 */
#ifndef CATALOGUE_VERSION_H
#define CATALOGUE_VERSION_H

#include <stdbool.h>

bool version_is_valid(const char *text);

/* Below, equal to or above 0 as the version A is below, equal to or above B. Two spellings may be
 * equal ("1.0" and "1", "2026.03" and "2026.3"). What is no version has a place in the same order.
 */
int version_compare(const char *a, const char *b);

#endif
