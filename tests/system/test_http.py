"""The HTTP server has bounds: rude clients get nothing, and disturb nobody."""

import os
import socket

import pytest

from harness.flow import TEAM_GRAPH, install, wait_quiet, warm
from harness.http import Web, read_all
from harness.process import free_port
from harness.wait import wait_until


@pytest.fixture
def config(tournament, redis_server, make_config):
    made = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH,
                       {"http": {"listen": f"127.0.0.1:{free_port()}"}})
    install(made)
    return made


def status_of(answer):
    return int(answer.split()[1])


def test_only_plain_questions_are_answered(config, make_daemon):
    make_daemon(config)
    web = Web(config)
    assert web.get("/healthz") == (200, '{"status":"ok"}\n')
    assert web.get("/healthz?a=b")[0] == 200
    assert web.get("/nothing")[0] == 404
    assert web.get("/healthz", host="evil.example")[0] == 421
    refused = web.ask(b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
    assert status_of(refused) == 405 and b"Allow: GET\r\n" in refused
    assert status_of(web.ask(b"\x16\x03\x01\x02\n\n")) == 400
    assert status_of(web.ask(b"GET / HTTP/1.1\r\nX: " + 9000 * b"a")) == 431
    # Who has asked may close its side, and dribble, and send more.
    with web.connect() as sock:
        for byte in b"GET /healthz HTTP/1.0\r\n\r\n":
            sock.sendall(bytes([byte]))
        sock.shutdown(socket.SHUT_WR)
        assert status_of(read_all(sock)) == 200
    pipelined = b"GET /healthz HTTP/1.1\r\n\r\n" + 100 * b"GET / HTTP/1.1\r\n\r\n"
    assert web.ask(pipelined).count(b"HTTP/1.1 200") == 1


def test_idle_and_slow_clients_disturb_nobody(
        tournament, config, cache, make_daemon):
    """2,000 connections, half of which send a byte now and then."""
    config.write_settings({"http": {"connections": 32, "timeout": "1s"}})
    daemon = make_daemon(config)
    web = Web(config)
    rude = []
    try:
        for n in range(2000):
            sock = web.connect()
            sock.setblocking(False)
            rude.append(sock)
            if n % 2:
                dribble(sock)
            if n % 100 == 0:
                for other in rude:
                    dribble(other)
                assert web.get("/healthz")[0] == 200
        warm(cache, "team:1")
        tournament.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
        wait_until(lambda: not cache.exists("team:1"), 10, "the key to go")
        wait_quiet(tournament)
        assert web.get("/metrics")[0] == 200
        wait_until(lambda: n_descriptors(daemon) < 32, 10, "a few left")
        hits = web.metrics()
        assert hits['pgripple_limit_hits_total{setting="http.connections"}'] \
            > 1000
        assert hits['pgripple_limit_hits_total{setting="http.timeout"}'] > 0
    finally:
        for sock in rude:
            sock.close()
    assert not daemon.events("batch.failed") + daemon.events("redis.down")


def dribble(sock):
    try:
        sock.send(b"G")
    except OSError:
        pass                                    # it was closed: well done


def n_descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def test_the_daemon_works_without_its_address(config, make_daemon):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = int(config.settings["http"]["listen"].split(":")[1])
        other.bind(("127.0.0.1", port))
        other.listen()
        daemon = make_daemon(config)
        failed = daemon.wait_for_event("http.failed")
        assert failed["error"] == "Address already in use"
    daemon.wait_for_event("http.listening", address=f"127.0.0.1:{port}")
    assert Web(config).get("/healthz")[0] == 200


def test_a_socket_in_the_way_is_replaced_only_if_nobody_listens(
        config, make_daemon):
    config.write_settings({"http": {
        "listen": f"unix://{config.folder}/http"}})
    first = make_daemon(config)
    assert Web(config).get("/readyz")[0] == 200
    second = make_daemon(config, wait=False)
    second.wait_for_event("http.failed")
    assert Web(config).get("/readyz")[0] == 200
    first.kill()
    second.wait_for_event("http.listening")
    wait_until(lambda: Web(config).get("/readyz")[0] == 200, 30, "take-over")
