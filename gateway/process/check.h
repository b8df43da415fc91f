/* `mirrorgate -t`: whether all that a start or a reload would use is good. */
#ifndef GATEWAY_CHECK_H
#define GATEWAY_CHECK_H

#include "gateway/config/config.h"

/* Builds a generation and throws it away; logs every problem. Returns the exit status. */
int check_run(struct config *config);

#endif
