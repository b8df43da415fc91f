/* What is installed. Nothing is hard here. */
#include "install_command.h"

#include "base/json_writer.h"
#include "client/fetch/fetch.h"

bool
install_command_rollback(const char *folder, const struct config_hooks *hooks, struct buffer *out,
    struct failure *failure)
{
	struct fetch_result result = {0};
	bool done = fetch_rollback(folder, hooks, &result, failure);

	if (done) {
		buffer_append(out, "{", 1);
		json_writer_member(out, "folder", folder);
		json_writer_member(out, "version", result.version);
		buffer_append(out, "}\n", 2);
	}
	fetch_result_fini(&result);
	return done;
}
