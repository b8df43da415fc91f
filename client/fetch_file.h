/* One file of a fetch: downloaded to a temporary name, checked while it comes, then put in place.
 */
#ifndef CLIENT_FETCH_FILE_H
#define CLIENT_FETCH_FILE_H

#include <stdbool.h>

#include "../policy/catalogue.h"
#include "failure.h"
#include "https.h"

/* Makes FILE stand below the folder ROOT, by downloading URL_PATH unless it is there already;
 * *LOADED tells which. The caller has locked ROOT, in which the temporary file stands. Folders are
 * made as needed; a symbolic link below ROOT is never followed. The name holds either what it held
 * before or the right bytes, also after a crash. */
bool fetch_file(int root, const struct catalogue_file *file, const char *url_path,
    struct https *https, bool *loaded, struct failure *failure);

#endif
