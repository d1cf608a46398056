/*
 * The service manager, through a real notification socket.
 */
#include "observe/systemd.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

static int manager;
static char text[1024];

static void
setup(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[64];

	/* "@": an abstract socket, which leaves no file behind. */
	(void)snprintf(name, sizeof(name), "@pgripple-test-%d", getpid());
	memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(manager, (struct sockaddr *)&address,
			 (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				     strlen(name))),
	    0);
	(void)setenv("NOTIFY_SOCKET", name, 1);
}

TestSuite(systemd, .init = setup);

static const char *
take(void)
{
	ssize_t n = recv(manager, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

Test(systemd, hears_that_it_is_ready)
{
	systemd_ready("live");
	cr_assert_str_eq(take(), "READY=1\nSTATUS=live");
}

Test(systemd, hears_the_status_as_one_line)
{
	systemd_status("%d changes\nREADY=1", 7);
	cr_assert_str_eq(take(), "STATUS=7 changes READY=1");
	systemd_status("%800d", 7);
	cr_assert_lt(strlen(take()), 500);
}

Test(systemd, hears_a_status_once)
{
	systemd_status("live");
	systemd_status("live");
	systemd_status("standby");
	cr_assert_str_eq(take(), "STATUS=live");
	cr_assert_str_eq(take(), "STATUS=standby");
	systemd_ready("live");
	systemd_status("live");
	cr_assert_str_eq(take(), "READY=1\nSTATUS=live");
	cr_assert_str_eq(take(), "");
}

/* SIGALRM ends the test if it waits. */
Test(systemd, is_not_waited_for)
{
	size_t n_taken = 0;

	(void)alarm(20);
	for (int i = 0; i < 1000; i++) {
		systemd_status("%d", i);
		systemd_watchdog();
	}
	while (*take() != '\0')
		n_taken++;
	cr_assert_gt(n_taken, 0);
	cr_assert_lt(n_taken, 2000);
	systemd_status("999"); /* what was not taken is told again */
	cr_assert_str_eq(take(), "STATUS=999");
}

Test(systemd, hears_when_a_reload_began)
{
	int64_t before_us = clock_monotonic_us();
	long long us;

	systemd_reloading();
	cr_assert_eq(
	    sscanf(take(), "RELOADING=1\nMONOTONIC_USEC=%lld", &us), 1);
	cr_assert_geq(us, before_us);
	cr_assert_leq(us, clock_monotonic_us());
}

Test(systemd, hears_stopping_and_watchdog)
{
	systemd_stopping("draining");
	cr_assert_str_eq(take(), "STOPPING=1\nSTATUS=draining");
	systemd_watchdog();
	cr_assert_str_eq(take(), "WATCHDOG=1");
}

Test(systemd, hears_nothing_when_it_is_not_there)
{
	(void)unsetenv("NOTIFY_SOCKET");
	systemd_ready("live");
	systemd_status("live");
	systemd_watchdog();
	cr_assert_str_eq(take(), "");
}

Test(systemd, gives_half_of_the_watchdog_interval)
{
	char pid[16];

	cr_assert_eq(systemd_watchdog_us(), 0);
	(void)setenv("WATCHDOG_USEC", "30000000", 1);
	cr_assert_eq(systemd_watchdog_us(), 15000000);
	(void)snprintf(pid, sizeof(pid), "%d", getpid());
	(void)setenv("WATCHDOG_PID", pid, 1);
	cr_assert_eq(systemd_watchdog_us(), 15000000);
	(void)setenv("WATCHDOG_PID", "1", 1);
	cr_assert_eq(systemd_watchdog_us(), 0);
}
