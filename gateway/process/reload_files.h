/*
 * Which files a reload changed, and for which it was refused: sets of enum reload_file, bit N for
 * file N.
 */
#ifndef GATEWAY_RELOAD_FILES_H
#define GATEWAY_RELOAD_FILES_H

#include <stdint.h>

#include "gateway/config/config.h"
#include "gateway/generation/generation.h"
#include "gateway/node/metrics.h"
#include "gateway/node/reload_cell.h"

/* Those that differ, but for the configuration, which other bytes may say as well. Compares them
 * byte by byte, which takes a moment for a large policy. */
uint32_t reload_files_changed(const struct generation *before, const struct generation *after);

/* The one that PROBLEM, a text of struct problems about the files of CONFIG, is about. */
uint32_t reload_files_blamed(const char *problem, const struct config *config);

/* Counts each of FILES in WORKER's slot. */
void reload_files_count(
    struct metrics *metrics, unsigned worker, enum reload_result result, uint32_t files);

#endif
