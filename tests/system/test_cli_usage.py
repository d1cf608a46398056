"""The command line itself: help, mistakes, exit statuses, secrets."""

import os
import subprocess

import pytest

from harness.daemon import binary, environment

COMMANDS = ["check", "graph", "import", "sql", "diff", "install", "run",
            "ping", "rejected", "uninstall", "version"]


def test_help_names_every_command_on_one_screen(cli):
    done = cli("--help")
    assert done.status == 0 and done.stderr == ""
    for command in COMMANDS:
        assert f"\n  {command} " in done.stdout
    lines = done.stdout.splitlines()
    assert len(lines) <= 30
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_with_an_example(cli, command):
    done = cli(command, "--help")
    assert done.status == 0 and done.stderr == ""
    assert done.stdout.startswith(f"usage: pgripple {command} ")
    assert f"for example:\n  pgripple {command}" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert cli("help", command) == done


def test_no_command_shows_the_help_and_is_a_mistake(cli):
    done = cli()
    assert done.status == 64
    assert done.stdout == "" and "usage: pgripple" in done.stderr


@pytest.mark.parametrize("args, error, hint", [
    (["chekc"], 'unknown command "chekc"', 'Did you mean "check"?'),
    (["frobnicate"], 'unknown command "frobnicate"',
     '"pgripple --help" lists the commands.'),
    (["check", "--ofline"], 'unknown option "--ofline"',
     'Did you mean "--offline"?'),
    (["check", "--conf=x"], 'unknown option "--conf"',
     'Did you mean "--config"?'),
    (["sql", "--offline"], '"sql" has no option "--offline"',
     '"pgripple sql --help" says what it understands.'),
    (["check", "now"], 'unexpected word "now" after "check"',
     '"pgripple check --help" says what it understands.'),
    (["ping", "--timeout", "soon"], '"soon" is no time for --timeout',
     "Write a number with ms, s or m: from 1ms to 60m."),
])
def test_a_mistake_is_answered_with_what_was_meant(cli, args, error, hint):
    done = cli(*args)
    assert done.status == 64 and done.stdout == ""
    assert done.stderr == f"pgripple: error: {error}\nhint: {hint}\n"


@pytest.mark.parametrize("args, error", [
    (["check", "--config"], 'option "--config" needs a value: FILE'),
    (["check", "--offline=yes"], 'option "--offline" takes no value'),
])
def test_a_value_that_is_missing_or_too_much_is_a_mistake(cli, args, error):
    done = cli(*args)
    assert done.status == 64
    assert done.stderr == f"pgripple: error: {error}\n"


def test_version_names_the_libraries(cli):
    done = cli("version")
    assert done.status == 0
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == ["pgripple", "libpq", "hiredis", "libyaml", "libevent"]
    assert all(line.split()[1][0].isdigit()
               for line in done.stdout.splitlines())


def test_a_missing_settings_file_is_a_configuration_error(cli):
    done = cli("check", "-c", "/nonexistent/pgripple.yaml")
    assert done.status == 78
    assert "/nonexistent/pgripple.yaml" in done.stderr
    assert "No such file" in done.stderr


def test_a_reader_that_stops_early_is_no_crash(make_config, database,
                                               redis_server):
    config = make_config(database.conninfo(), redis_server.url,
                         "models: {team: {table: app_team, "
                         "invalidate: ['team:{id}']}}")
    done = subprocess.run(f"'{binary()}' sql -c '{config.path}' | head -n 1",
                          shell=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True,
                          env=environment(), timeout=60)
    assert done.stdout.startswith("-- Made by pgripple")
    assert done.stderr == ""


def test_the_conninfo_does_not_stay_in_the_process_list(
        make_config, database, redis_server, make_postgres):
    """A server that accepts and says nothing holds the command long enough."""
    import socket
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        config = make_config(database.conninfo(), redis_server.url,
                             "models: {team: {table: app_team, "
                             "invalidate: ['team:{id}']}}")
        secret = f"host=127.0.0.1 port={port} password=hush"
        process = subprocess.Popen(
            [binary(), "ping", "-c", config.path, "--conninfo", secret],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment())
        try:
            connection, _ = silent.accept()
            with open(f"/proc/{process.pid}/cmdline", "rb") as cmdline:
                words = cmdline.read()
            assert b"--conninfo" in words
            assert b"hush" not in words and b"port=" not in words
            connection.close()
        finally:
            stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 69
    assert "hush" not in stdout + stderr


def test_output_to_a_file_has_no_escape_sequences(cli, make_config, database,
                                                  redis_server):
    config = make_config(database.conninfo(), redis_server.url,
                         "models: {team: {table: app_team, "
                         "invalidate: ['team:{id}']}}")
    done = cli("check", "--offline", "-c", config.path,
               env={"TERM": "xterm"})
    assert done.status == 0
    assert "\x1b" not in done.stdout


def test_the_report_is_coloured_on_a_terminal_unless_no_color_is_set(
        make_config, database, redis_server):
    config = make_config(database.conninfo(), redis_server.url,
                         "models: {team: {table: app_team, "
                         "invalidate: ['team:{id}']}}")
    assert "\x1b[32mok" in on_terminal(config, TERM="xterm")
    assert "\x1b" not in on_terminal(config, TERM="xterm", NO_COLOR="1")
    assert "\x1b" not in on_terminal(config, TERM="dumb")


def on_terminal(config, **env):
    """What `check --offline` prints on a terminal."""
    parent, child = os.openpty()
    process = subprocess.Popen(
        [binary(), "check", "--offline", "-c", config.path], stdout=child,
        env=environment(**env))
    os.close(child)
    text = b""
    while True:
        try:
            piece = os.read(parent, 4096)
        except OSError:         # EIO: the other end is closed
            break
        if not piece:
            break
        text += piece
    os.close(parent)
    assert process.wait(timeout=60) == 0
    return text.decode()
