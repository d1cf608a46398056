"""Where Postgres is: several hosts of which the first is of no use, and name
servers that are silent."""

import os
import shutil
import socket
import urllib.request

import psycopg2.extensions
import pytest

from harness.flow import TEAM_GRAPH, install, wait_quiet, warm
from harness.process import free_port
from harness.proxy import proxy_to_postgres
from harness.wait import wait_until

pytestmark = pytest.mark.once


@pytest.fixture
def config(tournament, redis_server, make_config):
    made = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH,
                       {"retry_max": "300ms"})
    install(made)
    return made


def put_first(config, host, port):
    """The real server is the second of two hosts."""
    own = psycopg2.extensions.parse_dsn(
        config.settings["postgres"]["conninfo"])
    config.write_settings({"postgres": {
        "conninfo": psycopg2.extensions.make_dsn(**{
            **own, "host": f"{host},{own['host']}",
            "port": f"{port},{own['port']}"})}})


def change_one(database, cache):
    warm(cache, "team:1")
    database.execute("UPDATE app_team SET current_points ="
                     " current_points + 1 WHERE id = 1")
    wait_quiet(database)
    assert not cache.exists("team:1")


def test_the_first_host_refuses(tournament, config, cache, make_daemon):
    put_first(config, "127.0.0.1", free_port())
    make_daemon(config)
    change_one(tournament, cache)


def test_the_first_host_accepts_and_never_answers(
        postgres, tournament, config, cache, make_daemon):
    """Its turn is over when an attempt has taken connect_timeout."""
    proxy = proxy_to_postgres(postgres)
    proxy.stall()
    put_first(config, "127.0.0.1", proxy.port)
    config.write_settings({"postgres": {"connect_timeout": "1s"}})
    daemon = make_daemon(config)
    assert "too long" in daemon.wait_for_event("postgres.down")["error"]
    change_one(tournament, cache)
    proxy.close()


def test_a_silent_name_server_stops_nothing(
        tournament, config, cache, make_daemon, monkeypatch):
    """Neither the event loop, nor the host that needs no name server."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root, for a resolv.conf of its own")
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.9.9.9", 53))
    wrapper = os.path.join(config.folder, "wrapper")
    config.write(wrapper, f"""#!/bin/sh
        echo 'nameserver 127.9.9.9' > {config.folder}/resolv.conf
        echo 'options timeout:30 attempts:1' >> {config.folder}/resolv.conf
        mount --bind {config.folder}/resolv.conf /etc/resolv.conf || exit 1
        exec "$@"
        """)
    os.chmod(wrapper, 0o755)
    monkeypatch.setenv("PGRIPPLE_WRAPPER", f"unshare -m {wrapper}")
    put_first(config, "db.pgripple.example", 5432)
    port = free_port()
    config.write_settings({"http": {"listen": f"127.0.0.1:{port}"},
                           "postgres": {"connect_timeout": "8s"}})
    daemon = make_daemon(config, wait=False)
    daemon.wait_for_event("daemon.started")

    def is_alive():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz",
                                    timeout=5) as answer:
            return answer.status == 200

    for _ in range(20):
        wait_until(is_alive, 5, "a sign of life")
    assert not daemon.events("postgres.up"), "it did not wait for the name"
    assert silent.recv(512, socket.MSG_DONTWAIT), "nobody asked for the name"
    daemon.wait_for_event("daemon.ready", timeout=30)
    change_one(tournament, cache)
    silent.close()
