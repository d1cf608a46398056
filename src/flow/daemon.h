/*
 * The daemon: everything wired together, one event loop.
 */
#ifndef PGRIPPLE_FLOW_DAEMON_H
#define PGRIPPLE_FLOW_DAEMON_H

/* Runs until SIGTERM or SIGINT, and returns the exit status (enum
 * exit_status).  The settings are read again at every SIGHUP. */
int daemon_run(const char *settings_path);

#endif
