"""docs/security.md: what cannot be trusted, and what comes of it."""

import os
import re

import pytest

from harness.flow import TEAM_GRAPH, install, wait_quiet, warm
from harness.postgres import Database
from harness.roles import DAEMON
from harness.wait import wait_until

HOSTILE = ["*", "?", "[a-z]", "\\", "\\*", "a\nb", "x\r\nFLUSHALL\r\n",
           "*1\r\n$8\r\nFLUSHALL\r\n", "\x1b[2J\x1b]0;x\x07", '"}\n{"event":1}',
           "{id}", "{{", "}", "'; DROP TABLE item; --", "$$; SELECT 1",
           "']) redis.call('FLUSHALL') --", "%s%n%99999d", "\u202e", " ", ":"]

GRAPH = """\
    models:
      item:
        table: item
        invalidate:
          - "key:{slug}"
          - pattern: "page:{slug}:*"
          - tag: "tag:{slug}"
          - version: "version:{slug}"
          - fence: "fenced:{slug}"
          - { hash: "hash:{slug}", field: "{slug}" }
          - { publish: "news", message: "{slug}" }
          - { stream: "stream", fields: [slug] }
    """


def test_values_are_never_more_than_values(database, redis_server, cache,
                                           make_config, make_daemon):
    """In keys, patterns, arguments of scripts, and in the log."""
    database.execute("CREATE TABLE item (id int PRIMARY KEY, slug text,"
                     " hits int NOT NULL DEFAULT 0)")
    for number, value in enumerate(HOSTILE):
        database.execute("INSERT INTO item VALUES (%s, %s)", number, value)
    config = make_config(database.conninfo(), redis_server.url, GRAPH,
                         {"log": {"format": "text"}})
    install(config)
    daemon = make_daemon(config, wait=False)
    bystanders = ["key:b", "page:b:1", "page::", "fenced:b", "other"]
    keys = [key.format(value) for value in HOSTILE for key in
            ("key:{}", "page:{}:1", "fenced:{}", "member:{}")]
    warm(cache, *bystanders, *keys)
    for value in HOSTILE:
        cache.sadd(f"tag:{value}", f"member:{value}")
        cache.hset(f"hash:{value}", mapping={value: 1, "b": 1})
    database.execute("UPDATE item SET hits = 1")
    wait_quiet(database)
    assert [key for key in keys if cache.exists(key)] == []
    assert all(cache.exists(key) for key in bystanders)
    assert all(cache.hkeys(f"hash:{value}") == ["b"] for value in HOSTILE)
    assert all(int(cache.get(f"version:{value}")) > 0 for value in HOSTILE)
    assert sorted(entry["slug"] for _, entry in cache.xrange("stream")
                  ) == sorted(HOSTILE)
    assert database.value("SELECT count(*) FROM item") == len(HOSTILE)
    daemon.stop()
    assert any("FLUSHALL" in line for line in daemon.text_lines)
    for line in daemon.text_lines:
        assert re.match(r"\d{4}-\d\d-\d\d", line), f"a line of its own: {line}"
        assert not re.search(r"[\x00-\x1f\x7f]", line)


@pytest.fixture
def config(tournament, redis_server, make_config):
    made = make_config(tournament.conninfo(), redis_server.url, TEAM_GRAPH)
    install(made)
    return made


@pytest.mark.parametrize("name", ["path", "graph_path"])
def test_files_that_everybody_may_write_are_not_read(config, make_daemon, cli,
                                                     name):
    path = getattr(config, name)
    os.chmod(path, 0o666)
    done = cli("run", "-c", config.path)
    assert done.status == 78
    assert "everybody may write to it" in done.stderr
    assert f"chmod o-w {path}" in done.stderr
    done = cli("check", "--offline", "-c", config.path)
    assert f'error: cannot trust "{path}"' in done.stdout + done.stderr
    os.chmod(path, 0o664)
    daemon = make_daemon(config)
    os.chmod(path, 0o646)
    daemon.reload()
    daemon.wait_for_event("reload.rejected")
    assert daemon.is_running()


def test_check_warns_of_a_password_that_everybody_may_read(
        config, make_redis, cli):
    redis = make_redis(requirepass="hush")
    config.write_settings({"redis": {
        "url": redis.tcp_url.replace("//", "//:hush@")}})
    os.chmod(config.path, 0o644)
    done = cli("check", "-c", config.path)
    assert "everybody may read it, and it holds a password" in done.stdout
    assert f"chmod o-r {config.path}" in done.stdout
    os.chmod(config.path, 0o640)
    assert "may read" not in cli("check", "-c", config.path).stdout


def test_passwords_may_be_in_files_of_their_own(
        make_postgres, make_redis, make_config, make_daemon, cli, tmp_path):
    postgres, redis = make_postgres(), make_redis(requirepass="cache/secret")
    database = Database(postgres, "postgres")
    database.run_file("tests/system/tournament.sql")
    config = make_config(database.conninfo(), redis.tcp_url, TEAM_GRAPH)
    install(config)
    with open(os.path.join(postgres.data, "pg_hba.conf"), "r+") as hba:
        rest = hba.read()
        hba.seek(0)
        hba.write(f"local all {DAEMON} scram-sha-256\n" + rest)
    database.execute(f"ALTER ROLE {DAEMON} PASSWORD 'data''secret';"
                     "SELECT pg_reload_conf()")
    config.write_settings({"postgres": {"password_file": "database"},
                           "redis": {"password_file": "cache"}})
    # Who only looks at the files needs no password.
    assert cli("check", "--offline", "-c", config.path).status == 0
    done = cli("run", "-c", config.path)
    assert done.status == 78
    assert re.search(r'cannot use the password file \\"'
                     rf'{config.folder}/\w+\\": No such file', done.stderr)
    assert "set CREDENTIALS_DIRECTORY" in done.stderr

    env = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    for name, text in ("database", "data'secret\n"), ("cache", "cache/secret"):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o440)
    daemon = make_daemon(config, env=env)
    warm(redis.client(), "team:1")
    database.execute("UPDATE app_team SET name = 'x' WHERE id = 1")
    wait_until(lambda: not redis.client().exists("team:1"))
    checked = cli("check", "-c", config.path, env=env)
    assert checked.status == 0 and "may read" not in checked.stdout, checked
    (tmp_path / "cache").chmod(0o444)
    checked = cli("check", "-c", config.path, env=env)
    assert f"{tmp_path}/cache: everybody may read it" in checked.stdout
    assert "secret" not in daemon.tail() + str(done) + checked.stdout
    (tmp_path / "cache").chmod(0o446)
    done = cli("ping", "-c", config.path, env=env)
    assert done.status == 78 and "everybody may write to it" in done.stderr
