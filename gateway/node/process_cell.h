/* The cells of METRICS_FAMILY_PROCESS, of each process, and of the families of the loader and the
 * key holder. */
#ifndef GATEWAY_PROCESS_CELL_H
#define GATEWAY_PROCESS_CELL_H

enum process_cell { PROCESS_CPU_MICROSECONDS, PROCESS_RESIDENT_BYTES };

#endif
