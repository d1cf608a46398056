"""manage.py pgripple_graph: what it prints must pass "check" as it is, and
with all of its relations uncommented."""

import re
import subprocess
import sys

import pytest

from django_project.at_work import MANAGE
from harness.daemon import environment

pytestmark = pytest.mark.once


def printed(*args, **env):
    """Without servers: models alone tell."""
    return subprocess.run(
        [sys.executable, MANAGE, "pgripple_graph", *args], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(PYTHONDONTWRITEBYTECODE="1", **env))


@pytest.fixture(scope="module")
def graph():
    done = printed()
    assert done.returncode == 0 and done.stderr == ""
    return done.stdout


def uncommented(text):
    return re.sub(r"(?m)^#(  - )", r"\1", text)


def test_it_passes_check_with_no_relation_and_with_all(cli, make_config,
                                                       graph):
    config = make_config("dbname=x", "redis://127.0.0.1:1/0", graph)
    for text in (graph, uncommented(graph)):
        config.write(config.graph_path, text)
        done = cli("check", "--offline", "-c", config.path)
        assert done.status == 0, done.stdout + done.stderr
    assert uncommented(graph).count("\n  - ") > 30


def test_every_cached_model_has_its_rule(graph):
    models = dict(re.findall(
        r"(?m)^  (\w+):\n    table: (.*)\n    invalidate:\n"
        r"      - cacheops: ", graph))
    assert {"app_tournament", "app_league", "app_team", "app_team_members",
            "app_draft", "app_draftround", "app_game", "app_customuser"
            } <= set(models)
    # Joined by those, but not cached themselves.
    assert "auth_group" in models and "django_session" not in models
    assert "#   sessions.Session\n" in graph
    assert ('columns: { draft_style: "style" }, joins: [id, tournament_id] }'
            in graph)


def test_foreign_keys_are_offered_and_inheritance_counts(graph):
    assert "\n  - app_tournament.id -> app_league.tournament_ptr_id\n" in graph
    assert "\n#  - app_team.tournament_id -> app_tournament.id\n" in graph
    assert "\n#  - app_tournament.id -> app_team.tournament_id\n" in graph
    assert ("\n#  - app_customuser.id -> app_team_members.customuser_id\n"
            "#  - app_team_members.team_id -> app_team.id:"
            " { transitive: false }\n") in graph


def test_all_means_all():
    assert "  sessions_session:\n    table: django_session\n" in (
        printed("--all").stdout)


def test_a_prefix_is_written_or_asked_for(cli, make_config):
    done = printed(SITE_PREFIX="a{{b:")
    assert 'cacheops: { prefix: "a{{b:", joins: [id] }' in done.stdout
    config = make_config("dbname=x", "redis://127.0.0.1:1/0", done.stdout)
    assert cli("check", "--offline", "-c", config.path).status == 0
    done = printed(SITE_PREFIX="{query.dbs}:")
    assert done.returncode == 1 and "with --prefix" in done.stderr
    done = printed("--prefix", "x:", "--prefix", "y:",
                   SITE_PREFIX="{query.dbs}:")
    assert 'cacheops: { prefix: ["x:", "y:"], joins: [id] }' in done.stdout
