/* One product in a mirror: its index says which versions belong there. */
#ifndef CLIENT_MIRROR_PRODUCT_H
#define CLIENT_MIRROR_PRODUCT_H

#include <stdbool.h>

#include "client/common/failure.h"
#include "mirror_copy.h"
#include "mirror_memory.h"

/* Brings the product of COPY, whose `folder` is not set yet, to what its index says, and tells the
 * report, failures too. A version that fails keeps no other back; what tells clients of versions is
 * replaced only once these are in place, and nothing leaves before. Returns false when a failure
 * means that there is no use in going on, with this product or any other. */
bool mirror_product(const struct mirror_copy *copy, struct mirror_memory *memory);

#endif
