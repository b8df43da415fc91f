/* What the command line takes, in short: `spot -h`. */
#ifndef CLIENT_USAGE_H
#define CLIENT_USAGE_H

#include <stdio.h>

#define USAGE_DEFAULT_CONFIG "/etc/spot/spot.yaml"

void usage_print(FILE *out);

#endif
