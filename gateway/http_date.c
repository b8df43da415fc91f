/* IMF-fixdate. Parsing prints again and compares, so that exactly one text is accepted. */
#include "http_date.h"

#include <stdio.h>
#include <string.h>

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[12][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void
http_date_print(time_t when, char text[HTTP_DATE_LEN + 1])
{
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL || tm.tm_year + 1900 > 9999 || tm.tm_year + 1900 < 0) {
		when = 0;
		gmtime_r(&when, &tm);
	}
	(void)snprintf(text, HTTP_DATE_LEN + 1, "%s, %02u %s %04u %02u:%02u:%02u GMT",
	    days[tm.tm_wday], (unsigned)tm.tm_mday % 100, months[tm.tm_mon],
	    (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
	    (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

static int
two_digits(const char *text)
{
	if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
		return -1;
	return (text[0] - '0') * 10 + (text[1] - '0');
}

bool
http_date_parse(const char *text, size_t len, time_t *when)
{
	char again[HTTP_DATE_LEN + 1];
	struct tm tm = {0};

	if (len != HTTP_DATE_LEN)
		return false;
	tm.tm_mday = two_digits(text + 5);
	tm.tm_mon = -1;
	for (int i = 0; i < 12; i++)
		if (memcmp(text + 8, months[i], 3) == 0)
			tm.tm_mon = i;
	int century = two_digits(text + 12), year = two_digits(text + 14);
	tm.tm_hour = two_digits(text + 17);
	tm.tm_min = two_digits(text + 20);
	tm.tm_sec = two_digits(text + 23);
	if (tm.tm_mday < 1 || tm.tm_mon < 0 || century < 0 || year < 0 || tm.tm_hour < 0 ||
	    tm.tm_min < 0 || tm.tm_sec < 0)
		return false;
	tm.tm_year = century * 100 + year - 1900;
	*when = timegm(&tm);
	http_date_print(*when, again);
	return memcmp(text, again, HTTP_DATE_LEN) == 0;
}
