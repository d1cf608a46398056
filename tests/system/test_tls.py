"""Connections that are encrypted, to servers that prove who they are."""

import json
import os
import shutil
import subprocess

import pytest

from harness.flow import TEAM_GRAPH, install, wait_quiet, warm
from harness.postgres import Database
from harness.process import free_port, make_folder
from harness.wait import wait_until

pytestmark = pytest.mark.once


class Authority:
    """Signs certificates; all files lie in its folder."""

    def __init__(self):
        self.folder = make_folder("pgripple-ca-")
        os.chmod(self.folder, 0o755)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                     "-subj", "/CN=test authority", "-keyout",
                     self.path("ca.key"), "-out", self.path("ca.crt"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @staticmethod
    def lifetime(days):
        """OpenSSL 3.4 takes no negative number of days, and older ones no
        dates."""
        known = subprocess.run(
            ["openssl", "x509", "-help"], check=True, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
        if days < 0 and "-not_after" in known:
            return ["-not_before", "20200101000000Z",
                    "-not_after", "20200102000000Z"]
        return ["-days", str(days)]

    def sign(self, name, folder, user=None, days=1):
        """server.crt and server.key for that host name, into the folder. With
        days -1 it has expired."""
        key, request = os.path.join(folder, "server.key"), self.path("csr")
        crt, names = os.path.join(folder, "server.crt"), self.path("names")
        with open(names, "w", encoding="utf-8") as file:
            file.write(f"subjectAltName=DNS:{name}\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                     f"/CN={name}", "-keyout", key, "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA",
                     self.path("ca.crt"), "-CAkey", self.path("ca.key"),
                     "-CAcreateserial", *self.lifetime(days), "-extfile",
                     names, "-out", crt)
        os.chmod(key, 0o600)
        if user is not None:
            shutil.chown(key, user, user)


def wait_for_reason(daemon, event, mark, reason):
    wait_until(lambda: any(
        reason in json.dumps(line)
        for line in daemon.events(event, after=mark)), 30, reason)


@pytest.fixture
def authorities():
    made = [Authority(), Authority()]
    yield made
    for authority in made:
        shutil.rmtree(authority.folder)


def test_postgres_must_prove_who_it_is(
        make_postgres, redis_server, cache, make_config, make_daemon,
        authorities):
    """With sslmode=verify-full: a certificate of an authority that is trusted,
    for the name that the conninfo has, and not expired."""
    ours, foreign = authorities
    server = make_postgres(start=False, tcp=True, ssl="on")
    ours.sign("localhost", server.data, server.user)
    server.start()
    database = Database(server, "postgres")
    database.run_file("tests/system/tournament.sql")
    config = make_config(server.conninfo(), redis_server.url, TEAM_GRAPH,
                         {"retry_max": "300ms"})
    install(config)
    config.write_settings({"postgres": {"conninfo": (
        f"host=localhost port={server.port} dbname=postgres"
        " user=pgripple_daemon sslmode=verify-full"
        f" sslrootcert={ours.path('ca.crt')}")}})
    daemon = make_daemon(config)
    assert database.value(
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity"
        " USING (pid) WHERE usename = 'pgripple_daemon'")
    for authority, name, days, reason in [
            (foreign, "localhost", 1, "certificate verify failed"),
            (ours, "elsewhere", 1, "does not match host name"),
            (ours, "localhost", -1, "certificate verify failed")]:
        authority.sign(name, server.data, server.user, days)
        mark = daemon.mark()
        server.restart()
        wait_for_reason(daemon, "postgres.down", mark, reason)
        warm(cache, "team:1")
        database.execute("UPDATE app_team SET name = name || 'x'"
                         " WHERE id = 1")
        assert cache.exists("team:1")
        assert database.value(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE usename = 'pgripple_daemon'") == 0
        # Exchanged for a good one it is taken at the next attempt.
        ours.sign("localhost", server.data, server.user)
        database.execute("SELECT pg_reload_conf()")
        daemon.wait_for_event("postgres.up", 30, after=mark)
        wait_quiet(database)
        assert not cache.exists("team:1")


def test_redis_must_prove_who_it_is(
        tournament, make_redis, make_config, make_daemon, cli, authorities):
    """The same with rediss://, or a refusal where TLS was not compiled in."""
    ours, foreign = authorities
    ours.sign("localhost", ours.folder)
    port = free_port()
    server = make_redis(
        tls_port=port, tls_auth_clients="no",
        tls_ca_cert_file=ours.path("ca.crt"),
        tls_cert_file=ours.path("server.crt"),
        tls_key_file=ours.path("server.key"))
    config = make_config(
        tournament.conninfo(),
        f"rediss://localhost:{port}/0?ca={ours.path('ca.crt')}", TEAM_GRAPH,
        {"retry_max": "300ms"})
    refusal = cli("check", "--offline", "-c", config.path)
    if refusal.status != 0:
        assert refusal.status == 78
        assert "was built without TLS to Redis" in refusal.stderr
        assert "Use a socket, or a tunnel." in refusal.stderr
        return
    install(config)
    daemon = make_daemon(config)
    client = server.client()
    warm(client, "team:1")
    tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    wait_quiet(tournament)
    assert not client.exists("team:1")
    assert cli("check", "-c", config.path).status == 0
    for authority, name, days in [(foreign, "localhost", 1),
                                  (ours, "elsewhere", 1),
                                  (ours, "localhost", -1)]:
        exchange(server, authority, name, days)
        mark = daemon.mark()
        client.client_kill_filter(_type="normal")
        wait_for_reason(daemon, "redis.down", mark, "certificate verify")
        exchange(server, ours, "localhost", 1)
        daemon.wait_for_event("redis.up", 30, after=mark)


def exchange(server, authority, name, days):
    """Another certificate for a Redis that runs."""
    authority.sign(name, authority.folder, days=days)
    with server.client() as client:
        client.execute_command(
            "CONFIG", "SET", "tls-cert-file", authority.path("server.crt"),
            "tls-key-file", authority.path("server.key"))
