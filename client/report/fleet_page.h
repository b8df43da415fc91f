/* A fleet as a page of HTML that needs nothing else: no script, no other file, light or dark as its
 * reader has it. */
#ifndef CLIENT_FLEET_PAGE_H
#define CLIENT_FLEET_PAGE_H

#include "fleet_print.h"

extern const struct fleet_form fleet_page_form; /* `html` */

#endif
