/* Each check says what is wrong, in words that do not change, or nothing. All of them are made, so
 * that one answer names every reason. */
#include "readiness.h"

#include <stddef.h>

#include "gateway/store/upstream.h"

const char *
readiness_unhealthy(const struct services *services, time_t now)
{
	time_t crl_expires = tls_context_crl_expires(services->tls);

	if (services->announcing || services->draining)
		return "draining";
	if (crl_expires != 0 && now >= crl_expires)
		return "crl-expired";
	return upstream_is_available(services->upstream) ? NULL : "store-unavailable";
}

static const char *
check_policy(const struct services *services, time_t now)
{
	(void)now;
	return services->policy != NULL ? NULL : "none in force";
}

static const char *
check_traffic(const struct services *services, time_t now)
{
	(void)now;
	return services->announcing || services->draining ? "draining" : NULL;
}

/* END 0: there is nothing that ends. */
static const char *
check_end(time_t end, time_t now)
{
	if (end == 0 || now < end - READINESS_SPARE)
		return NULL;
	return now < end ? "about to end" : "ended";
}

static const char *
check_crl(const struct services *services, time_t now)
{
	return check_end(tls_context_crl_expires(services->tls), now);
}

static const char *
check_certificate(const struct services *services, time_t now)
{
	return check_end(tls_context_certificate_expires(services->tls), now);
}

static const char *
check_client_ca(const struct services *services, time_t now)
{
	return check_end(tls_context_client_ca_expires(services->tls), now);
}

static const char *
check_store(const struct services *services, time_t now)
{
	(void)now;
	return upstream_is_available(services->upstream) ? NULL : "none is up";
}

/* One that is not trusted makes its files 502 on every node that has it; only a node that trusts
 * none, as when the release certificate has ended, is better passed over. */
static const char *
check_catalogues(const struct services *services, time_t now)
{
	const struct metrics *metrics = services->metrics;

	(void)now;
	if (services->catalogues == NULL || metrics_total(metrics, METRIC_CATALOGUES) > 0)
		return NULL;
	if (metrics_total(metrics, METRIC_CATALOGUES_PENDING) > 0)
		return "not read yet";
	return metrics_total(metrics, METRIC_CATALOGUES_REFUSED) +
	                   metrics_total(metrics, METRIC_CATALOGUES_EXPIRED) +
	                   metrics_total(metrics, METRIC_CATALOGUES_LOST) >
	               0
	           ? "none is trusted"
	           : NULL;
}

static const struct {
	const char *name;
	const char *(*defect)(const struct services *services, time_t now);
} checks[] = {
    {"policy", check_policy},
    {"traffic", check_traffic},
    {"revocation-list", check_crl},
    {"certificate", check_certificate},
    {"client-ca", check_client_ca},
    {"store", check_store},
    {"catalogues", check_catalogues},
};

enum { CHECKS = sizeof checks / sizeof *checks };

bool
readiness_is_ready(const struct services *services, time_t now)
{
	for (size_t i = 0; i < CHECKS; i++)
		if (checks[i].defect(services, now) != NULL)
			return false;
	return true;
}

void
readiness_print(const struct services *services, time_t now, struct buffer *out)
{
	buffer_puts(out, readiness_is_ready(services, now) ? "ready\n" : "not ready\n");
	for (size_t i = 0; i < CHECKS; i++) {
		const char *defect = checks[i].defect(services, now);
		buffer_printf(out, "%s: %s\n", checks[i].name, defect != NULL ? defect : "ok");
	}
}
