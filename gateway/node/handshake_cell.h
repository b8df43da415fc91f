/* Which cell of METRICS_FAMILY_HANDSHAKES a handshake is counted in, and the labels of a cell. */
#ifndef GATEWAY_HANDSHAKE_CELL_H
#define GATEWAY_HANDSHAKE_CELL_H

#include <stdbool.h>

/* VERSION and GROUP as OpenSSL names them; GROUP NULL: no key exchange. */
unsigned handshake_cell_of(const char *version, const char *group, bool resumed);

enum { HANDSHAKE_CELL_TEXT = 96 };
void handshake_cell_print(unsigned cell, char text[HANDSHAKE_CELL_TEXT]);

#endif
