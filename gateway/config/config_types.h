/*
 * What mirrorgate.yaml says, checked.
 *
 * A struct config is immutable after config_load(), and shared by counted references. Paths in it
 * are absolute or relative to the process's folder: a relative path in the file starts at the
 * file's own folder. Sizes are bytes, durations seconds as double, for libev. Every key that the
 * file leaves out has its default here.
 */
#ifndef GATEWAY_CONFIG_TYPES_H
#define GATEWAY_CONFIG_TYPES_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
	CONFIG_HTTPS_PORT = 443,
	CONFIG_STORES_MAX = 64,
	CONFIG_ENDPOINTS_MAX = 16,
	CONFIG_SLOTS = 2 * CONFIG_STORES_MAX, /* stores that come have others than those that go */
};

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

struct config_endpoint {
	struct sockaddr_storage address; /* AF_INET, AF_INET6 or AF_UNIX */
	socklen_t len;
};

/* Where one server is, in the order in which they are to be tried; no two are the same. */
struct config_endpoints {
	size_t count; /* at least 1 */
	struct config_endpoint all[CONFIG_ENDPOINTS_MAX];
};

struct config_store {
	struct config_endpoints endpoints; /* as they were when the file was loaded */
	bool is_name;   /* they were looked up: config_address_look_up() may find others */
	char *name;     /* "127.0.0.1:80/base", "https://..." or "unix:/run/store.sock": log text */
	char *host;     /* the Host field: "127.0.0.1:8080", "localhost" for a Unix socket */
	char *base;     /* goes before every path: "" or "/base", decoded, without "/" at the end */
	char *tls_name; /* whom its certificate must name; NULL: plain HTTP */
	unsigned slot;  /* its counters' place, below CONFIG_SLOTS; kept as long as it is listed */
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
	uint64_t session_cache; /* bytes in each worker, for clients without tickets */
};

struct config_limits {
	uint32_t connections;
	uint32_t reserved_connections; /* of them, for who has none */
	uint32_t connections_per_address;
	uint32_t handshakes_per_second;             /* 0: no limit */
	uint32_t handshakes_per_second_per_address; /* 0: no limit */
	uint32_t requests_per_second;               /* on one connection; 0: no limit */
	uint32_t refusals_per_second;               /* of one customer; 0: no limit */
	uint32_t transfers_per_customer;            /* at a time; 0: no limit */
	uint32_t failed_snapshots_per_hour;         /* of one customer; 0: no limit */
	uint64_t client_certificates;               /* bytes of all that one client sends */
	uint32_t records_without_data;
};

struct config_timeouts {
	double handshake, request, body, idle, send;
	uint64_t min_rate; /* bytes per second; 0: no limit */
	double store_connect, store_response;
	double worker;  /* for a turn of its loop */
	double upgrade; /* for the next program to be ready */
};

struct config_catalogues {
	char *folder; /* laid out as the store's paths; NULL: there is no such mapping */
	char *signer;
	bool check;         /* false: the rest is not used */
	bool required;      /* only what a valid catalogue names is served */
	double interval;    /* how often changes are looked for */
	uint64_t max_bytes; /* of catalogues that are read at once */
	double max_time;    /* that may take */
};

enum config_log_level { CONFIG_LOG_ERROR, CONFIG_LOG_WARNING, CONFIG_LOG_INFO, CONFIG_LOG_DEBUG };

struct config {
	unsigned references;
	uint64_t serial; /* 1 at the start, one more for each that replaced another */
	bool unsafe_any_port;
	char *file, *content; /* its name, and what it held */
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
	char *probe;             /* path for active checks; NULL: none */
	char *store_host;        /* all stores' `host`; NULL: each has its own */
	char *store_credentials; /* see config_credentials.h; NULL: none */
	/* For https:// only: without CA there is none. */
	char *store_ca;
	char *store_name;                    /* NULL: that of the URL */
	char *store_certificate, *store_key; /* both, or neither */
	char *store_pins;                    /* as tls_client.h has them; NULL: none */
	uint32_t store_eject_after;          /* failures in a row; 0: no server is ejected */
	double store_eject_time;             /* the first time */
	size_t snapshot_max_bytes;
	uint32_t snapshot_max_components;
	struct config_limits limits;
	struct config_timeouts timeouts;
	double drain_announce, drain_timeout;
	char *access_log; /* a path, or "-" for standard output; NULL: none */
	enum config_log_level log_level;
	bool audit;      /* the access log's lines are sealed */
	char *audit_key; /* and signed with this; NULL: they are not */
};

/* Where a text of it is, which may be NULL. */
typedef void config_text_fn(char **text, void *arg);

#endif
