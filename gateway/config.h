/*
 * mirrorgate.yaml, loaded and checked (design, section 7).
 *
 * A struct config is immutable after config_load(). Paths in it are absolute or relative to the
 * process's folder: a relative path in the file starts at the file's own folder. Sizes are bytes,
 * durations seconds as double, for libev. Every key that the file leaves out has its default here.
 */
#ifndef GATEWAY_CONFIG_H
#define GATEWAY_CONFIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "../policy/problems.h"

enum { CONFIG_HTTPS_PORT = 443 };

/* An IPv4 or IPv6 network; IPv4 is stored as is, FAMILY tells. */
struct config_network {
	int family;
	unsigned prefix_bits;
	unsigned char address[16];
};

struct config_listen {
	struct sockaddr_storage address;
	socklen_t address_len;
	char *text;                        /* "0.0.0.0:443" or "[::]:443", for messages */
	struct config_network *proxy_from; /* who must speak PROXY; none: no PROXY header */
	size_t proxy_from_count;
};

struct config_store {
	struct sockaddr_storage address; /* AF_INET, AF_INET6 or AF_UNIX */
	socklen_t address_len;
	char *name; /* "127.0.0.1:8080" or "unix:/run/store.sock": log text */
	char *host; /* the Host field: "127.0.0.1:8080", or "localhost" for a Unix socket */
};

enum config_ciphers { CONFIG_CIPHERS_DEFAULT, CONFIG_CIPHERS_HIGH };

struct config_tls {
	char *certificate;
	char *key;
	char *client_ca;
	char *crl; /* NULL: the word `none` */
	enum config_ciphers ciphers;
	char *ticket_keys; /* NULL: none */
	double session_lifetime;
};

struct config_limits {
	uint32_t connections;
	uint32_t connections_per_address;
	uint32_t handshakes_per_second;             /* 0: no limit */
	uint32_t handshakes_per_second_per_address; /* 0: no limit */
};

struct config_timeouts {
	double handshake, request, body, idle, send;
	uint64_t min_rate; /* bytes per second; 0: no limit */
	double store_connect, store_response;
};

struct config_catalogues {
	char *folder; /* laid out as the store's paths; NULL: there is no such mapping */
	char *signer;
	bool check;      /* false: the rest is not used */
	double interval; /* how often changes are looked for */
};

enum config_log_level { CONFIG_LOG_ERROR, CONFIG_LOG_WARNING, CONFIG_LOG_INFO, CONFIG_LOG_DEBUG };

struct config {
	char *file;
	struct config_listen *listens;
	size_t listen_count;
	unsigned workers;    /* 0: auto, one for each core */
	char *user;          /* NULL: stay who we are */
	char **server_names; /* lower case; none: any Host */
	size_t server_name_count;
	struct config_tls tls;
	char *policy;
	char *policy_signer; /* NULL: none */
	char *state_dir;     /* NULL: none */
	char *admin_socket;  /* NULL: none */
	struct config_catalogues catalogues;
	struct config_store *stores;
	size_t store_count;
	char *probe; /* path for active checks; NULL: none */
	size_t snapshot_max_bytes;
	uint32_t snapshot_max_components;
	struct config_limits limits;
	struct config_timeouts timeouts;
	double drain_announce, drain_timeout;
	char *access_log; /* a path, or "-" for standard output */
	enum config_log_level log_level;
};

/* Loads and checks FILE. Returns NULL, with PROBLEMS filled, when anything is wrong; all problems
 * of the file are reported in one run. Ports other than 443 are a problem unless UNSAFE_ANY_PORT.
 * Does not open the files that the configuration names, but resolves the names of store servers,
 * which may block. */
struct config *config_load(const char *file, bool unsafe_any_port, struct problems *problems);
void config_free(struct config *self);

/* True when downloads are to be held against catalogues. */
bool config_checks_catalogues(const struct config *self);

/* True when ADDRESS (AF_INET, AF_INET6, or IPv4-mapped AF_INET6) lies in one of the networks. A
 * mapped address is the IPv4 address that it holds, and in no IPv6 network, not even ::/0. */
bool config_network_contains(
    const struct config_network *networks, size_t count, const struct sockaddr *address);

#endif
