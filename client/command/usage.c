/* The summary of the command line. packaging/completion/spot.bash reads it. */
#include "usage.h"

void
usage_print(FILE *out)
{
	fputs("usage: spot [-c FILE] [-q | -v] [--json] list\n"
	      "       spot [-c FILE] [-q | -v] [--json] fetch PRODUCT [VERSION] --to DIR\n"
	      "               [--rate SIZE] [--mode MODE] [--owner USER[:GROUP]]\n"
	      "       spot [-c FILE] [-q | -v] [--json] update [PRODUCT] [--rate SIZE]\n"
	      "               [--mode MODE] [--owner USER[:GROUP]]\n"
	      "       spot [-c FILE] [-q | -v] [--json] plan [PRODUCT [VERSION]] [--to DIR]\n"
	      "               [--rate SIZE]\n"
	      "       spot [-c FILE] [-q | -v] [--json] status [DIR...]\n"
	      "       spot [-c FILE] [-q | -v] [--json] crl\n"
	      "       spot [-c FILE] [-q | -v] [--json] rollback DIR\n"
	      "       spot [-c FILE] [-q | -v] [--json] cache gc --max SIZE\n"
	      "       spot [-c FILE] [-q | -v] [--json] cache verify\n"
	      "       spot [-c FILE] [-q | -v] [--json] snapshot SYSTEM [--from FILE |\n"
	      "               --under DIR] [--dry-run]\n"
	      "       spot [-c FILE] [-q | -v] [--json] snapshot --send | --pending\n"
	      "       spot [-c FILE] [-q | -v] [--json] mirror DIR [PRODUCT...] [--verify]\n"
	      "               [--grace DURATION] [--max-removals N | N%]\n"
	      "               [--remove-unlicensed] [--rate SIZE]\n"
	      "       spot catalogue make DIR --product ID --version N --expires DATE\n"
	      "               --sign CERT [--config-files GLOB]... [--key KEY]\n"
	      "               [--ca CERT --crl FILE]\n"
	      "       spot catalogue check DIR --signer CERT [--ca CERT --crl FILE]\n"
	      "       spot catalogue index DIR --product ID --sign CERT\n"
	      "               [--expires-in DURATION | --expires DATE] [--key KEY]\n"
	      "               [--ca CERT --crl FILE]\n"
	      "       spot [-q] [--json] report DIR [--format FORMAT] [--newest FILE]\n"
	      "               [--bad FILE] [--strict]\n"
	      "       spot -V | -h\n"
	      "FILE is " USAGE_DEFAULT_CONFIG " unless it is named.\n",
	    out);
}
