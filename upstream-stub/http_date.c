/*
 * HTTP dates. The C library does the work; the program never leaves the "C" locale, so the
 * names of days and months are the English ones.
 */
#include "http_date.h"

#define IMF_FIXDATE "%a, %d %b %Y %H:%M:%S GMT"

void
http_date_format(char out[HTTP_DATE_SIZE], time_t when)
{
	struct tm tm;

	gmtime_r(&when, &tm);
	if (strftime(out, HTTP_DATE_SIZE, IMF_FIXDATE, &tm) == 0)
		out[0] = '\0';
}

bool
http_date_parse(const char *text, time_t *when)
{
	struct tm tm = {0};
	const char *end = strptime(text, IMF_FIXDATE, &tm);

	if (end == NULL || *end != '\0')
		return false;
	*when = timegm(&tm);
	return true;
}
