/* The texts of a configuration. */
#include "config_texts.h"

#include "config_scalars.h"

void
config_texts_each(struct config *self, config_text_fn *fn, void *arg)
{
	fn(&self->file, arg);
	fn(&self->content, arg);
	config_scalars_each_text(self, fn, arg);
	for (size_t i = 0; i < self->listen_count; i++)
		fn(&self->listens[i].text, arg);
	for (size_t i = 0; i < self->server_name_count; i++)
		fn(&self->server_names[i], arg);
	for (size_t i = 0; i < self->store_count; i++) {
		fn(&self->stores[i].name, arg);
		fn(&self->stores[i].host, arg);
		fn(&self->stores[i].base, arg);
		fn(&self->stores[i].tls_name, arg);
	}
}
