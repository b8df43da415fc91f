/*
 * What is written, brought to the disk in batches.
 *
 * fsync() of each of many files waits for the disk once for each, and a file system with a journal
 * writes that out each time. syncfs() brings all that was written to the file system so far, bytes
 * and names, and waits once; but it waits for what others have written there, too, so it is for
 * many files only.
 */
#ifndef CLIENT_DISK_H
#define CLIENT_DISK_H

#include <stdbool.h>

/* True when COUNT files below FOLDER are better brought to the disk by one disk_sync(): there are
 * many, and the file system keeps a journal, so that of the names that were given between two syncs
 * a crash leaves those that came first, and syncfs() tells of what could not be written
 * (Linux 5.8). FOLDER must have been opened before the first of them is written, or errors are
 * missed. */
bool disk_takes_batch(int folder, unsigned long count);

/* Brings to the disk what was written to the file system of FOLDER. False with errno set: what was
 * not, nobody knows. */
bool disk_sync(int folder);

#endif
