/*
 * The options of the command line: one table. Which of them a command takes is for main.c to say.
 */
#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* name, spelling, whether it has a value */
#define OPTIONS(X)                                              \
	X(OPTION_PRODUCT, "product", true)                      \
	X(OPTION_VERSION, "version", true)                      \
	X(OPTION_EXPIRES, "expires", true)                      \
	X(OPTION_EXPIRES_IN, "expires-in", true)                \
	X(OPTION_SIGN, "sign", true)                            \
	X(OPTION_KEY, "key", true)                              \
	X(OPTION_SIGNER, "signer", true)                        \
	X(OPTION_CA, "ca", true)                                \
	X(OPTION_CRL, "crl", true)                              \
	X(OPTION_TO, "to", true)                                \
	X(OPTION_FROM, "from", true)                            \
	X(OPTION_UNDER, "under", true)                          \
	X(OPTION_DRY_RUN, "dry-run", false)                     \
	X(OPTION_SEND, "send", false)                           \
	X(OPTION_PENDING, "pending", false)                     \
	X(OPTION_RATE, "rate", true)                            \
	X(OPTION_MAX, "max", true)                              \
	X(OPTION_GRACE, "grace", true)                          \
	X(OPTION_VERIFY, "verify", false)                       \
	X(OPTION_MODE, "mode", true)                            \
	X(OPTION_OWNER, "owner", true)                          \
	X(OPTION_CONFIG_FILES, "config-files", true)            \
	X(OPTION_MAX_REMOVALS, "max-removals", true)            \
	X(OPTION_REMOVE_UNLICENSED, "remove-unlicensed", false) \
	X(OPTION_FORMAT, "format", true)                        \
	X(OPTION_NEWEST, "newest", true)                        \
	X(OPTION_BAD, "bad", true)                              \
	X(OPTION_STRICT, "strict", false)

enum option_name {
#define OPTION_ENUM(name, spelling, has_value) name,
	OPTIONS(OPTION_ENUM)
#undef OPTION_ENUM
	    OPTION_COUNT
};

/* A set of options is a sum of these. */
#define OPTION_BIT(name) (1U << (name))

enum { OPTIONS_MAX_PATTERNS = 64 };

struct options {
	const char *config;              /* -c */
	bool json;                       /* --json */
	const char *given[OPTION_COUNT]; /* the value, "" when it has none; NULL: not given */
	const char *patterns[OPTIONS_MAX_PATTERNS]; /* each value of --config-files */
	size_t pattern_count;
	char *const *words; /* all that is no option; main() takes the command's own off */
	size_t word_count;
};

/* Word I; NULL when there are not so many. */
static inline const char *
options_word(const struct options *self, size_t i)
{
	return i < self->word_count ? self->words[i] : NULL;
}

enum options_result { OPTIONS_READ, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_WRONG };

/* Reads the command line into SELF, where `config` has its default. -q and -v take effect at once.
 * WRONG: what is wrong was printed to standard error. */
enum options_result options_read(struct options *self, int argc, char **argv);

/* The spelling of an option that was given and is not in the set ALLOWED; NULL when there is none.
 */
const char *options_excess(const struct options *self, unsigned allowed);

#endif
