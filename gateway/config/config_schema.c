/*
 * The libcyaml schema of mirrorgate.yaml (design, section 7): one table for each mapping.
 */
#include "config_schema.h"

#include "config_types.h"

enum { MAX_LISTEN = 64, MAX_NETWORKS = 1024, MAX_NAMES = 1024, MAX_PINS = 16 };

#define TEXT(key, structure, member) \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_OPTIONAL, structure, member, 0, CYAML_UNLIMITED)
#define LIST(key, structure, member, entry, max) \
	CYAML_FIELD_SEQUENCE(                    \
	    key, CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER, structure, member, entry, 1, max)
#define MAPPING(key, member, fields) \
	CYAML_FIELD_MAPPING(key, CYAML_FLAG_OPTIONAL, struct config_schema, member, fields)

static const cyaml_schema_value_t text_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED),
};

static const cyaml_schema_field_t listen_fields[] = {
    TEXT("address", struct config_schema_listen, address),
    TEXT("port", struct config_schema_listen, port),
    LIST("proxy_protocol_from", struct config_schema_listen, proxy_protocol_from, &text_entry,
        MAX_NETWORKS),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t listen_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_schema_listen, listen_fields),
};

static const cyaml_schema_field_t tls_fields[] = {
    TEXT("certificate", struct config_schema_tls, certificate),
    TEXT("key", struct config_schema_tls, key),
    TEXT("client_ca", struct config_schema_tls, client_ca),
    TEXT("crl", struct config_schema_tls, crl),
    TEXT("ciphers", struct config_schema_tls, ciphers),
    TEXT("ticket_keys", struct config_schema_tls, ticket_keys),
    TEXT("session_lifetime", struct config_schema_tls, session_lifetime),
    TEXT("session_cache", struct config_schema_tls, session_cache),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t store_fields[] = {
    LIST("servers", struct config_schema_store, servers, &text_entry, CONFIG_STORES_MAX),
    TEXT("probe", struct config_schema_store, probe),
    TEXT("eject_after", struct config_schema_store, eject_after),
    TEXT("eject_time", struct config_schema_store, eject_time),
    TEXT("host", struct config_schema_store, host),
    TEXT("credentials", struct config_schema_store, credentials),
    TEXT("ca", struct config_schema_store, ca),
    TEXT("name", struct config_schema_store, name),
    TEXT("certificate", struct config_schema_store, certificate),
    TEXT("key", struct config_schema_store, key),
    LIST("pins", struct config_schema_store, pins, &text_entry, MAX_PINS),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t catalogues_fields[] = {
    TEXT("folder", struct config_schema_catalogues, folder),
    TEXT("signer", struct config_schema_catalogues, signer),
    TEXT("check", struct config_schema_catalogues, check),
    TEXT("required", struct config_schema_catalogues, required),
    TEXT("interval", struct config_schema_catalogues, interval),
    TEXT("max_bytes", struct config_schema_catalogues, max_bytes),
    TEXT("max_time", struct config_schema_catalogues, max_time),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t limits_fields[] = {
    TEXT("connections", struct config_schema_limits, connections),
    TEXT("reserved_connections", struct config_schema_limits, reserved_connections),
    TEXT("connections_per_address", struct config_schema_limits, connections_per_address),
    TEXT("handshakes_per_second", struct config_schema_limits, handshakes_per_second),
    TEXT("handshakes_per_second_per_address", struct config_schema_limits,
        handshakes_per_second_per_address),
    TEXT("requests_per_second", struct config_schema_limits, requests_per_second),
    TEXT("refusals_per_second", struct config_schema_limits, refusals_per_second),
    TEXT("transfers_per_customer", struct config_schema_limits, transfers_per_customer),
    TEXT("failed_snapshots_per_hour", struct config_schema_limits, failed_snapshots_per_hour),
    TEXT("client_certificates", struct config_schema_limits, client_certificates),
    TEXT("records_without_data", struct config_schema_limits, records_without_data),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t snapshots_fields[] = {
    TEXT("max_bytes", struct config_schema_snapshots, max_bytes),
    TEXT("max_components", struct config_schema_snapshots, max_components),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t timeouts_fields[] = {
    TEXT("handshake", struct config_schema_timeouts, handshake),
    TEXT("request", struct config_schema_timeouts, request),
    TEXT("body", struct config_schema_timeouts, body),
    TEXT("idle", struct config_schema_timeouts, idle),
    TEXT("send", struct config_schema_timeouts, send),
    TEXT("min_rate", struct config_schema_timeouts, min_rate),
    TEXT("store_connect", struct config_schema_timeouts, store_connect),
    TEXT("store_response", struct config_schema_timeouts, store_response),
    TEXT("worker", struct config_schema_timeouts, worker),
    TEXT("upgrade", struct config_schema_timeouts, upgrade),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t drain_fields[] = {
    TEXT("announce", struct config_schema_drain, announce),
    TEXT("timeout", struct config_schema_drain, timeout),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t log_fields[] = {
    TEXT("access", struct config_schema_log, access),
    TEXT("level", struct config_schema_log, level),
    TEXT("audit", struct config_schema_log, audit),
    TEXT("audit_key", struct config_schema_log, audit_key),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t file_fields[] = {
    LIST("listen", struct config_schema, listen, &listen_entry, MAX_LISTEN),
    TEXT("workers", struct config_schema, workers),
    TEXT("user", struct config_schema, user),
    LIST("server_names", struct config_schema, server_names, &text_entry, MAX_NAMES),
    MAPPING("tls", tls, tls_fields),
    TEXT("policy", struct config_schema, policy),
    TEXT("policy_signer", struct config_schema, policy_signer),
    TEXT("state_dir", struct config_schema, state_dir),
    TEXT("admin_socket", struct config_schema, admin_socket),
    MAPPING("store", store, store_fields),
    MAPPING("catalogues", catalogues, catalogues_fields),
    MAPPING("snapshots", snapshots, snapshots_fields),
    MAPPING("limits", limits, limits_fields),
    MAPPING("timeouts", timeouts, timeouts_fields),
    MAPPING("drain", drain, drain_fields),
    MAPPING("log", log, log_fields),
    CYAML_FIELD_END,
};

const cyaml_schema_value_t config_schema_file = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config_schema, file_fields),
};
