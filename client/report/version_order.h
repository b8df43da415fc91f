/*
 * The order of versions in snapshots, which are those of any software: that of catalogues, behind
 * the epoch of Debian's (deb-version(7)), a number and a colon; where there is none it is 0.
 */
#ifndef CLIENT_VERSION_ORDER_H
#define CLIENT_VERSION_ORDER_H

/* Below, equal to or above 0 as the version A is below, equal to or above B, which both may be in a
 * snapshot. Two spellings may be equal: 1.0 and 1. */
int version_order_compare(const char *a, const char *b);

#endif
