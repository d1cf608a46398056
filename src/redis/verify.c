/*
 * What a new connection must show before it is used.
 */
#include "redis/verify.h"

#include <stdio.h>
#include <string.h>

#define MIN_MAJOR 6
#define MIN_MINOR 2

/* In the order in which they are sent. */
enum verify_step {
	VERIFY_AUTH,
	VERIFY_SELECT,
	VERIFY_SETNAME,
	VERIFY_ROLE,
	VERIFY_INFO_SERVER,
	VERIFY_INFO_CLUSTER,
	VERIFY_END,
};

static enum verify_step
first_step(const struct redis_url *url)
{
	return url->password != NULL ? VERIFY_AUTH : VERIFY_SELECT;
}

void
redis_verify_init(struct redis_verify *verify, const struct redis_url *url)
{
	*verify = (struct redis_verify){
	    .url = url,
	    .next = (int)first_step(url),
	    .answered = (int)first_step(url),
	};
	redis_url_print(url, verify->name, sizeof(verify->name));
	(void)snprintf(verify->db, sizeof(verify->db), "%d", url->db);
}

static struct redis_verify_command
make_command(const char *a, const char *b, const char *c)
{
	return (struct redis_verify_command){
	    {a, b, c}, 1 + (b != NULL) + (c != NULL)};
}

bool
redis_verify_next(
    struct redis_verify *verify, struct redis_verify_command *ret_command)
{
	const struct redis_url *url = verify->url;

	switch ((enum verify_step)verify->next) {
	case VERIFY_AUTH:
		*ret_command =
		    url->user != NULL
			? make_command("AUTH", url->user, url->password)
			: make_command("AUTH", url->password, NULL);
		break;
	case VERIFY_SELECT:
		*ret_command = make_command("SELECT", verify->db, NULL);
		break;
	case VERIFY_SETNAME:
		*ret_command = make_command("CLIENT", "SETNAME", "pgripple");
		break;
	case VERIFY_ROLE:
		*ret_command = make_command("ROLE", NULL, NULL);
		break;
	case VERIFY_INFO_SERVER:
		*ret_command = make_command("INFO", "server", NULL);
		break;
	case VERIFY_INFO_CLUSTER:
		*ret_command = make_command("INFO", "cluster", NULL);
		break;
	case VERIFY_END:
		return false;
	}
	verify->next++;
	return true;
}

/* What a refusal in this phase says of the server. */
static enum pgripple_error_kind
kind_of(const struct redis_reply *reply)
{
	if (reply->kind != REDIS_REPLY_KIND_ERROR)
		return PGRIPPLE_ERROR_PEER;
	switch (redis_refusal_of(reply->text)) {
	case REDIS_REFUSAL_ROLE:
	case REDIS_REFUSAL_PASSING:
	case REDIS_REFUSAL_SICK:
		return PGRIPPLE_ERROR_PEER;
	case REDIS_REFUSAL_KEY:
	case REDIS_REFUSAL_SCRIPT:
	case REDIS_REFUSAL_DENIED:
	case REDIS_REFUSAL_CLUSTER:
	case REDIS_REFUSAL_OTHER:
		break;
	}
	return PGRIPPLE_ERROR_CONFIG;
}

static int
refuse(const struct redis_verify *verify, const struct redis_reply *reply,
    const char *command, struct pgripple_error *err)
{
	(void)redis_reply_refuse(reply, verify->name, command, err);
	err->kind = kind_of(reply);
	return -1;
}

static int
verify_ok(const struct redis_verify *verify, const struct redis_reply *reply,
    const char *command, struct pgripple_error *err)
{
	if (!redis_reply_equals(reply, "OK"))
		return refuse(verify, reply, command, err);
	return 0;
}

/* https://redis.io/commands/role: ["master", ...], or ["slave", master's host,
 * master's port, ...], or ["sentinel", ...]. */
static int
verify_role(const struct redis_verify *verify, const struct redis_reply *reply,
    struct pgripple_error *err)
{
	struct redis_reply role, host;

	if (reply->kind != REDIS_REPLY_KIND_ARRAY || reply->n_items == 0)
		return refuse(verify, reply, "ROLE", err);
	role = redis_reply_item(reply, 0);
	if (redis_reply_equals(&role, "master"))
		return 0;
	if (redis_reply_equals(&role, "slave") && reply->n_items > 1) {
		host = redis_reply_item(reply, 1);
		(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
		    "redis at \"%s\" is a replica of \"%s\"", verify->name,
		    host.text);
	} else {
		(void)pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
		    "redis at \"%s\" has the role \"%s\"", verify->name,
		    role.text);
	}
	pgripple_error_hint(err, "Let redis.url lead to the master.");
	return -1;
}

static int
verify_version(struct redis_verify *verify, const struct redis_reply *reply,
    struct pgripple_error *err)
{
	struct redis_server *server = &verify->server;
	int major = 0, minor = 0;

	if (reply->kind != REDIS_REPLY_KIND_TEXT)
		return refuse(verify, reply, "INFO", err);
	redis_info_field(reply->text, "redis_version", server->version,
	    sizeof(server->version));
	redis_info_field(
	    reply->text, "run_id", server->run_id, sizeof(server->run_id));
	if (sscanf(server->version, "%9d.%9d", &major, &minor) == 2 &&
	    (major > MIN_MAJOR || (major == MIN_MAJOR && minor >= MIN_MINOR)))
		return 0;
	return pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
	    "redis at \"%s\" has version \"%s\", older than %d.%d",
	    verify->name, server->version, MIN_MAJOR, MIN_MINOR);
}

static int
verify_no_cluster(const struct redis_verify *verify,
    const struct redis_reply *reply, struct pgripple_error *err)
{
	char enabled[8];

	if (reply->kind != REDIS_REPLY_KIND_TEXT)
		return refuse(verify, reply, "INFO", err);
	redis_info_field(
	    reply->text, "cluster_enabled", enabled, sizeof(enabled));
	if (strcmp(enabled, "1") != 0)
		return 0;
	return pgripple_error_set(err, PGRIPPLE_ERROR_CONFIG,
	    "redis at \"%s\" is part of a cluster, which is not supported by "
	    "this version",
	    verify->name);
}

int
redis_verify_reply(struct redis_verify *verify, const struct redis_reply *reply,
    struct pgripple_error *err)
{
	int status = 0;

	switch ((enum verify_step)verify->answered) {
	case VERIFY_AUTH:
		status = verify_ok(verify, reply, "AUTH", err);
		break;
	case VERIFY_SELECT:
		status = verify_ok(verify, reply, "SELECT", err);
		break;
	case VERIFY_SETNAME:
		break; /* a name is a courtesy; it may be forbidden */
	case VERIFY_ROLE:
		status = verify_role(verify, reply, err);
		break;
	case VERIFY_INFO_SERVER:
		status = verify_version(verify, reply, err);
		break;
	case VERIFY_INFO_CLUSTER:
		status = verify_no_cluster(verify, reply, err);
		break;
	case VERIFY_END:
		return pgripple_error_set(err, PGRIPPLE_ERROR_BUG,
		    "a reply of redis after the last of the verification");
	}
	if (status < 0)
		return -1;
	verify->answered++;
	return verify->answered == VERIFY_END ? REDIS_VERIFY_DONE
					      : REDIS_VERIFY_MORE;
}
