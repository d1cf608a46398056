/*
 * Addresses to listen at.
 */
#include "config/listen_address.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static void
expect_again(const char *text, bool is_loopback)
{
	struct listen_address address;
	char printed[100] = "";

	cr_assert(listen_address_parse(text, &address), "%s", text);
	listen_address_print(
	    (const struct sockaddr *)&address.socket, printed, sizeof(printed));
	cr_expect_str_eq(printed, text);
	cr_expect_eq(address.is_loopback, is_loopback, "%s", text);
	cr_expect_null(address.path);
}

Test(listen_address, is_read_and_printed)
{
	expect_again("127.0.0.1:9821", true);
	expect_again("127.8.0.1:0", true);
	expect_again("0.0.0.0:65535", false);
	expect_again("[::1]:80", true);
	expect_again("[2001:db8::7]:80", false);
}

Test(listen_address, may_be_a_path)
{
	struct listen_address address;
	char text[200] = "unix:///";

	cr_assert(listen_address_parse("unix:///run/http", &address));
	cr_expect_str_eq(address.path, "/run/http");
	cr_expect_eq(address.socket.ss_family, AF_UNIX);
	cr_expect_not(address.is_loopback);
	/* No longer than a socket's path may be. */
	memset(text + 8, 'a', 106);
	cr_expect(listen_address_parse(text, &address));
	text[8 + 106] = 'a';
	cr_expect_not(listen_address_parse(text, &address));
}
