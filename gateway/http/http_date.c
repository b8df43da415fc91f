/* IMF-fixdate. Parsing prints again and compares, so that exactly one text is accepted. */
#include "http_date.h"

#include <string.h>

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[12][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* Two digits; NUMBER is below 100. */
static void
print_two(char *at, int number)
{
	at[0] = (char)('0' + number / 10 % 10);
	at[1] = (char)('0' + number % 10);
}

static void
print_parts(const struct tm *tm, char text[HTTP_DATE_LEN + 1])
{
	memcpy(text, "Thu, 01 Jan 1970 00:00:00 GMT", HTTP_DATE_LEN + 1);
	memcpy(text, days[tm->tm_wday], 3);
	print_two(text + 5, tm->tm_mday);
	memcpy(text + 8, months[tm->tm_mon], 3);
	print_two(text + 12, (tm->tm_year + 1900) / 100);
	print_two(text + 14, (tm->tm_year + 1900) % 100);
	print_two(text + 17, tm->tm_hour);
	print_two(text + 20, tm->tm_min);
	print_two(text + 23, tm->tm_sec);
}

void
http_date_print(time_t when, char text[HTTP_DATE_LEN + 1])
{
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL || tm.tm_year + 1900 > 9999 || tm.tm_year + 1900 < 0) {
		when = 0;
		gmtime_r(&when, &tm);
	}
	print_parts(&tm, text);
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
