/* Dates of certificates and lists. */
#include "asn1_seconds.h"

#include <stddef.h>

time_t
asn1_seconds(const ASN1_TIME *when)
{
	struct tm tm;

	return when != NULL && ASN1_TIME_to_tm(when, &tm) == 1 ? timegm(&tm) : 0;
}
