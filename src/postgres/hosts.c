/*
 * The hosts of a conninfo.
 *
 * libpq takes three lists apart in step: names, addresses, ports.  A name with
 * several addresses stands there once for each.  Without a name to be resolved
 * (sockets, addresses) the lists stay what they were, whatever libpq thinks of
 * them.
 */
#include "postgres/hosts.h"

#include <event2/event.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "net/resolve.h"

struct host {
	struct hosts *hosts;
	char *name; /* "" for the default socket */
	char *port; /* NULL: the default */
	bool is_name; /* needs an address */
	struct resolve *resolve; /* under way, or NULL */
	struct resolved resolved;
};

struct hosts {
	/* As the user wrote them. */
	char *texts[3];
	size_t n_texts; /* hosts in them */
	struct host *items;
	size_t n;
	size_t n_names;
	bool is_resolved; /* names have addresses: those of the items hold */
	size_t first;
	struct hosts_lists lists;
	/* While it looks up. */
	size_t n_waiting;
	struct event *patience;
	bool is_impatient;
	hosts_cb done;
	void *context;
	struct pgripple_error err; /* of the last name that has none */
};

/* ---- lists ---- */

static size_t
count(const char *list)
{
	size_t n = 1;

	if (list == NULL)
		return 0;
	for (; *list != '\0'; list++)
		n += *list == ',';
	return n;
}

/* The entry at a place, or NULL if the list is shorter; terminated, given. */
static int
copy_entry(const char *list, size_t place, char **ret_entry)
{
	*ret_entry = NULL;
	if (list == NULL)
		return 0;
	for (; place > 0; place--) {
		list = strchr(list, ',');
		if (list == NULL)
			return 0;
		list++;
	}
	*ret_entry = strndup(list, strcspn(list, ","));
	return *ret_entry == NULL ? -1 : 0;
}

/* "a,b,c" with first 1 is "b,c,a". */
static char *
rotate_list(const char *list, size_t first)
{
	const char *tail = list;
	char *rotated;

	for (; first > 0; first--)
		tail = strchr(tail, ',') + 1;
	if (tail == list)
		return strdup(list);
	if (asprintf(&rotated, "%s,%.*s", tail, (int)(tail - list - 1), list) <
	    0)
		return NULL;
	return rotated;
}

static void
drop_lists(struct hosts *hosts)
{
	free(hosts->lists.host);
	free(hosts->lists.hostaddr);
	free(hosts->lists.port);
	memset(&hosts->lists, 0, sizeof(hosts->lists));
}

/* A list that is shorter than that of the hosts holds for all of them. */
static int
keep_lists(struct hosts *hosts)
{
	char **lists[] = {
	    &hosts->lists.host, &hosts->lists.hostaddr, &hosts->lists.port};

	for (size_t i = 0; i < N_ELEMENTS(lists); i++) {
		const char *text = hosts->texts[i];
		bool turns = count(text) == hosts->n_texts;

		if (text == NULL)
			continue;
		*lists[i] = rotate_list(text,
		    turns && hosts->n_texts > 0 ? hosts->first % hosts->n_texts
						: 0);
		if (*lists[i] == NULL)
			return -1;
	}
	return 0;
}

static size_t
count_addresses(const struct host *host)
{
	return host->is_name ? host->resolved.n_addresses : 1;
}

static size_t
count_all_addresses(const struct hosts *hosts)
{
	size_t n = 0;

	for (size_t i = 0; i < hosts->n; i++)
		n += count_addresses(&hosts->items[i]);
	return n;
}

/* The host, and which of its addresses, at a place among all. */
static const struct host *
find(const struct hosts *hosts, size_t place, const char **ret_address)
{
	const struct host *host = hosts->items;

	for (; place >= count_addresses(host); host++)
		place -= count_addresses(host);
	*ret_address = host->is_name ? host->resolved.addresses[place] : "";
	return host;
}

static int
print_lists(struct hosts *hosts)
{
	struct buf host = BUF_INIT, hostaddr = BUF_INIT, port = BUF_INIT;
	size_t n = count_all_addresses(hosts);
	bool failed;

	for (size_t i = 0; i < n; i++) {
		const char *address, *comma = i > 0 ? "," : "";
		const struct host *at =
		    find(hosts, (hosts->first + i) % n, &address);

		buf_printf(&host, "%s%s", comma, at->name);
		buf_printf(&hostaddr, "%s%s", comma, address);
		buf_printf(
		    &port, "%s%s", comma, at->port == NULL ? "" : at->port);
	}
	hosts->lists.host = strdup(buf_string(&host));
	hosts->lists.hostaddr = strdup(buf_string(&hostaddr));
	hosts->lists.port = strdup(buf_string(&port));
	failed = host.failed || hostaddr.failed || port.failed ||
		 hosts->lists.host == NULL || hosts->lists.hostaddr == NULL ||
		 hosts->lists.port == NULL;
	buf_done(&host);
	buf_done(&hostaddr);
	buf_done(&port);
	return failed ? -1 : 0;
}

const struct hosts_lists *
hosts_lists(struct hosts *hosts)
{
	int failed;

	drop_lists(hosts);
	failed = hosts->is_resolved ? print_lists(hosts) : keep_lists(hosts);
	return failed == 0 ? &hosts->lists : NULL;
}

void
hosts_rotate(struct hosts *hosts)
{
	hosts->first++;
}

/* ---- looking up ---- */

static bool
is_name(const char *host)
{
	return host[0] != '\0' && host[0] != '/' && host[0] != '@';
}

static void
end(struct hosts *hosts)
{
	struct pgripple_error err = hosts->err;
	bool found = count_all_addresses(hosts) > 0;

	hosts_cancel(hosts);
	hosts->is_resolved = found;
	hosts->done(hosts->context, found ? NULL : &err);
}

static void
end_if_it_may(struct hosts *hosts)
{
	if (hosts->n_waiting == 0 ||
	    (hosts->is_impatient && count_all_addresses(hosts) > 0))
		end(hosts);
}

static void
on_resolved(void *context, const struct resolved *resolved,
    const struct pgripple_error *err)
{
	struct host *host = context;

	host->resolve = NULL;
	host->hosts->n_waiting--;
	if (resolved != NULL)
		host->resolved = *resolved;
	else
		host->hosts->err = *err;
	end_if_it_may(host->hosts);
}

static void
on_patience(evutil_socket_t fd UNUSED, short what UNUSED, void *context)
{
	struct hosts *hosts = context;

	hosts->is_impatient = true;
	end_if_it_may(hosts);
}

static int
await_patience(
    struct hosts *hosts, struct event_base *base, int64_t patience_ms)
{
	struct timeval after = {
	    .tv_sec = patience_ms / 1000,
	    .tv_usec = patience_ms % 1000 * 1000,
	};

	if (hosts->patience == NULL)
		hosts->patience = evtimer_new(base, on_patience, hosts);
	hosts->is_impatient = false;
	return hosts->patience == NULL ? -1
				       : event_add(hosts->patience, &after);
}

static int
start_all(
    struct hosts *hosts, struct event_base *base, struct pgripple_error *err)
{
	for (size_t i = 0; i < hosts->n; i++) {
		struct host *host = &hosts->items[i];

		if (!host->is_name)
			continue;
		host->resolved.n_addresses = 0;
		if (resolve_start(base, host->name, on_resolved, host,
			&host->resolve, err) != 0)
			return -1;
		hosts->n_waiting++;
	}
	return 0;
}

int
hosts_resolve(struct hosts *hosts, struct event_base *base, int64_t patience_ms,
    hosts_cb done, void *context, struct pgripple_error *err)
{
	hosts_cancel(hosts);
	hosts->is_resolved = false;
	if (hosts->n_names == 0)
		return HOSTS_KNOWN;
	hosts->done = done;
	hosts->context = context;
	if (await_patience(hosts, base, patience_ms) != 0)
		return pgripple_error_nomem(err);
	if (start_all(hosts, base, err) != 0) {
		hosts_cancel(hosts);
		return -1;
	}
	return HOSTS_WAIT;
}

void
hosts_cancel(struct hosts *hosts)
{
	for (size_t i = 0; i < hosts->n; i++)
		resolve_cancel(steal(&hosts->items[i].resolve));
	hosts->n_waiting = 0;
	if (hosts->patience != NULL)
		(void)event_del(hosts->patience); /* fails if not added */
}

/* ---- making and freeing ---- */

static int
take_hosts(struct hosts *hosts, const char *host, const char *port)
{
	size_t n_ports = count(port);

	hosts->items = calloc(hosts->n_texts + 1, sizeof(*hosts->items));
	if (hosts->items == NULL)
		return -1;
	for (; hosts->n < hosts->n_texts; hosts->n++) {
		struct host *at = &hosts->items[hosts->n];

		at->hosts = hosts;
		if (copy_entry(host, hosts->n, &at->name) != 0 ||
		    copy_entry(port, n_ports == 1 ? 0 : hosts->n, &at->port) !=
			0)
			return -1;
		at->is_name = is_name(at->name);
		hosts->n_names += at->is_name;
	}
	return 0;
}

int
hosts_new(const char *host, const char *hostaddr, const char *port,
    struct hosts **ret_hosts, struct pgripple_error *err)
{
	const char *texts[] = {host, hostaddr, port};
	struct hosts *hosts = calloc(1, sizeof(*hosts));

	if (hosts == NULL)
		return pgripple_error_nomem(err);
	hosts->n_texts = count(host != NULL ? host : hostaddr);
	for (size_t i = 0; i < N_ELEMENTS(texts); i++)
		if (texts[i] != NULL &&
		    (hosts->texts[i] = strdup(texts[i])) == NULL)
			goto nomem;
	/* Lists that are not in step are libpq's to complain of. */
	if (host != NULL && hostaddr == NULL &&
	    (count(port) <= 1 || count(port) == hosts->n_texts) &&
	    take_hosts(hosts, host, port) != 0)
		goto nomem;
	*ret_hosts = hosts;
	return 0;
nomem:
	hosts_free(hosts);
	return pgripple_error_nomem(err);
}

void
hosts_free(struct hosts *hosts)
{
	if (hosts == NULL)
		return;
	hosts_cancel(hosts);
	if (hosts->patience != NULL)
		event_free(hosts->patience);
	for (size_t i = 0; hosts->items != NULL && i < hosts->n_texts; i++) {
		free(hosts->items[i].name);
		free(hosts->items[i].port);
	}
	for (size_t i = 0; i < N_ELEMENTS(hosts->texts); i++)
		free(hosts->texts[i]);
	free(hosts->items);
	drop_lists(hosts);
	free(hosts);
}
