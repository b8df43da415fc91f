/*
 * mirrorgate.yaml as libcyaml loads it: the keys and their kinds, and nothing about their values.
 *
 * Every scalar is kept as text, NULL when the file leaves it out, and every key is optional, so
 * that config.c makes all checks and can report all their results in one run.
 */
#ifndef GATEWAY_CONFIG_SCHEMA_H
#define GATEWAY_CONFIG_SCHEMA_H

#include <cyaml/cyaml.h>
#include <stdint.h>

struct config_schema_listen {
	char *address, *port;
	char **proxy_protocol_from;
	uint64_t proxy_protocol_from_count;
};

struct config_schema_tls {
	char *certificate, *key, *client_ca, *crl, *ciphers, *ticket_keys, *session_lifetime;
	char *session_cache;
};

struct config_schema_store {
	char **servers;
	uint64_t servers_count;
	char *probe, *eject_after, *eject_time, *host, *credentials;
	char *ca, *name, *certificate, *key;
	char **pins;
	uint64_t pins_count;
};

struct config_schema_catalogues {
	char *folder, *signer, *check, *required, *interval, *max_bytes, *max_time;
};

struct config_schema_limits {
	char *connections, *reserved_connections, *connections_per_address;
	char *handshakes_per_second, *handshakes_per_second_per_address;
	char *requests_per_second, *refusals_per_second, *failed_snapshots_per_hour;
	char *transfers_per_customer;
	char *client_certificates, *records_without_data;
};

struct config_schema_timeouts {
	char *handshake, *request, *body, *idle, *send, *min_rate, *store_connect, *store_response,
	    *worker, *upgrade;
};

struct config_schema_snapshots {
	char *max_bytes, *max_components;
};

struct config_schema_drain {
	char *announce, *timeout;
};

struct config_schema_log {
	char *access, *level, *audit, *audit_key;
};

struct config_schema {
	struct config_schema_listen *listen;
	uint64_t listen_count;
	char *workers, *user;
	char **server_names;
	uint64_t server_names_count;
	struct config_schema_tls tls;
	char *policy, *policy_signer, *state_dir, *admin_socket;
	struct config_schema_store store;
	struct config_schema_catalogues catalogues;
	struct config_schema_snapshots snapshots;
	struct config_schema_limits limits;
	struct config_schema_timeouts timeouts;
	struct config_schema_drain drain;
	struct config_schema_log log;
};

/* The schema of the whole file; its data is a struct config_schema. */
extern const cyaml_schema_value_t config_schema_file;

#endif
