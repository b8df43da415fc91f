/* Making a catalogue of a folder: the vendor's side. */
#ifndef CLIENT_CATALOGUE_MAKE_H
#define CLIENT_CATALOGUE_MAKE_H

#include "catalogue/catalogue.h"
#include "client/common/failure.h"

/* Reads all below FOLDER; NULL with FAILURE filled when something there could not be delivered as
 * it is: a link, a device, a name that no path may have. A catalogue that is there already, and
 * its signature, are passed over. Product, version and expiry are the caller's to set. */
struct catalogue *catalogue_make(const char *folder, struct failure *failure);

#endif
