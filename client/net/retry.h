/* When a request that failed is sent again. */
#ifndef CLIENT_RETRY_H
#define CLIENT_RETRY_H

#include <stdbool.h>

#include "client/common/failure.h"

enum { RETRY_AFTER_MAX = 300 }; /* seconds; who asks for more is not waited for */

/* True when it is worth sending a request once more after FAILURE, its TRIESth of at most MAX. */
bool retry_is_due(const struct failure *failure, unsigned tries, unsigned max);

/* Milliseconds to wait first: twice as long after each try, with a random part so that a fleet
 * does not come back all at once, and never less than the server asked for. */
long retry_pause(const struct failure *failure, unsigned tries);

#endif
