/*
 * How to log in: conninfo and URLs of the settings with the passwords of the
 * files that they name.  The files are read when a login is wanted, and not
 * with the settings: who only checks a graph need not know a password.
 */
#ifndef PGRIPPLE_CONFIG_LOGIN_H
#define PGRIPPLE_CONFIG_LOGIN_H

#include "base/util.h"
#include "config/settings.h"

/* postgres.conninfo with the password of postgres.password_file; to be given to
 * login_forget().  CONFIG error if the file cannot be used; it quotes none of
 * it. */
int login_conninfo(const struct settings *settings, char **ret_conninfo,
    struct pgripple_error *err) MUST_CHECK;
/* The same of a target: its URL. */
int login_url(const struct settings *settings,
    const struct settings_target *target, char **ret_url,
    struct pgripple_error *err) MUST_CHECK;
/* Wipes and frees it, where CLEANUP wants that; NULL is none. */
void login_forget(char **login);

/* The file of a password: as it is if it is absolute; a relative one starts at
 * $CREDENTIALS_DIRECTORY (systemd.exec(5)), or where there is none at the
 * folder of the settings file.  To be freed; NULL: NOMEM. */
char *login_path(const struct settings *settings, const char *file);

/* The text with that password, to be given to login_forget(). */
int login_make_conninfo(const char *conninfo, const char *password,
    char **ret_conninfo, struct pgripple_error *err) MUST_CHECK;
int login_make_url(const char *url, const char *password, char **ret_url,
    struct pgripple_error *err) MUST_CHECK;

#endif
