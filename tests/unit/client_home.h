/*
 * The folder of one test of the client: new before it, gone after it. Include after cmocka.h.
 */
#ifndef TESTS_UNIT_CLIENT_HOME_H
#define TESTS_UNIT_CLIENT_HOME_H

#include "client_fixture.h"

static char folder[CLIENT_FOLDER_SIZE];

static int
make_folder(void **state)
{
	(void)state;
	client_folder(folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	client_remove(folder);
	return 0;
}

#endif
