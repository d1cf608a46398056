/*
 * TLS to Redis.
 *
 * hiredis_ssl makes contexts of its own, which did not look at the name in the
 * certificate for years.  So OpenSSL is told here what to verify, and hiredis
 * gets what is ready.
 */
#include "redis/tls.h"

#if PGRIPPLE_REDIS_TLS

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static void
free_ctx(SSL_CTX **ctx)
{
	SSL_CTX_free(*ctx);
}

/* What OpenSSL says about a file, or about itself. */
static int
fail(const char *what, struct pgripple_error *err)
{
	const char *reason = ERR_reason_error_string(ERR_get_error());

	ERR_clear_error();
	return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
	    "could not prepare TLS to redis: \"%s\": %s", what,
	    reason != NULL ? reason : "unknown reason");
}

static int
load_files(
    SSL_CTX *ctx, const struct redis_url *url, struct pgripple_error *err)
{
	if (url->ca == NULL && SSL_CTX_set_default_verify_paths(ctx) != 1)
		return fail("the system's authorities", err);
	if (url->ca != NULL &&
	    SSL_CTX_load_verify_locations(ctx, url->ca, NULL) != 1)
		return fail(url->ca, err);
	if (url->cert == NULL)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(ctx, url->cert) != 1)
		return fail(url->cert, err);
	if (SSL_CTX_use_PrivateKey_file(ctx, url->key, SSL_FILETYPE_PEM) != 1)
		return fail(url->key, err);
	return 0;
}

static bool
is_address(const char *host)
{
	struct in6_addr address;

	return inet_pton(AF_INET, host, &address) == 1 ||
	       inet_pton(AF_INET6, host, &address) == 1;
}

/* The certificate must be for this host. */
static bool
expect_host(SSL *ssl, const char *host)
{
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(
			   SSL_get0_param(ssl), host) == 1;
	return SSL_set1_host(ssl, host) == 1 &&
	       SSL_set_tlsext_host_name(ssl, host) == 1;
}

int
redis_tls_start(const struct redis_url *url, redisContext *context,
    struct pgripple_error *err)
{
	CLEANUP(free_ctx) SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;

	if (ctx == NULL)
		return pgripple_error_nomem(err);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
		return fail("TLS 1.2", err);
	if (load_files(ctx, url, err) < 0)
		return -1;
	ssl = SSL_new(ctx);
	if (ssl == NULL)
		return pgripple_error_nomem(err);
	if (!expect_host(ssl, url->host)) {
		SSL_free(ssl);
		return fail(url->host, err);
	}
	if (redisInitiateSSL(context, ssl) == REDIS_OK)
		return 0;
	SSL_free(ssl);
	return pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
	    "could not begin TLS to redis: %s", context->errstr);
}

#else

int
redis_tls_start(const struct redis_url *url UNUSED,
    struct redisContext *context UNUSED, struct pgripple_error *err)
{
	return pgripple_error_set(err, PGRIPPLE_ERROR_BUG,
	    "this pgripple was built without TLS to redis");
}

#endif
