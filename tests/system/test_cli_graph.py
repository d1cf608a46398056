"""pgripple graph: the picture, with and without a database."""

import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from harness.postgres import ROOT
from harness.process import free_port

SETTINGS = os.path.join(ROOT, "conf", "pgripple.yaml")
EVERYTHING = os.path.join(ROOT, "tests/unit/picture/everything.yaml")

GRAPH = """
    models:
      tournament:
        table: app_tournament
        invalidate: ["tournament:{id}"]
      team:
        table: app_team
        invalidate: ["team:{id}"]
      user:
        table: app_customuser
        invalidate: ["user:{id}"]
    relations:
      - team.tournament_id -> tournament.id
      - user.mmr -> tournament.id
"""


@pytest.fixture
def config(tournament, redis_server, make_config):
    return make_config(tournament.conninfo(), redis_server.url, GRAPH)


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def picture(cli, config, form, *more):
    done = cli("graph", "-c", config.path, "--format", form, *more)
    assert done.status == 0 and done.stderr == ""
    return done.stdout


def test_the_picture_of_the_readme_is_what_the_command_prints(cli):
    done = cli("graph", "--offline", "-c", SETTINGS, "--format", "svg")
    assert done.status == 0 and done.stderr == ""
    assert done.stdout == read("docs/graph.svg"), (
        "run: pgripple graph --offline -c conf/pgripple.yaml --format svg"
        " --output docs/graph.svg --force")
    assert "(docs/graph.svg)" in read("README.md")


@pytest.mark.parametrize("graph", ["tournament", "everything"])
def test_svg_is_xml_with_every_model_and_column(cli, config, graph):
    if graph == "everything":
        shutil.copy(EVERYTHING, config.graph_path)
    root = ElementTree.fromstring(picture(cli, config, "svg", "--offline"))
    texts = ["".join(element.itertext()) for element in root.iter()
             if element.tag.endswith("}text")]
    names = [element for element in root.iter()
             if element.get("class") == "name"]
    if graph == "tournament":
        assert len(names) == 3
        assert {"tournament", "app_team", "team:{id}",
                "tournament_id → id"} <= set(texts)
    else:
        assert len(names) == 5
        assert 'a <b> & "c" # ; `d` \\ {id}' in texts


@pytest.mark.parametrize("graph", ["tournament", "everything"])
def test_graphviz_accepts_the_dot_output(cli, config, graph):
    if graph == "everything":
        shutil.copy(EVERYTHING, config.graph_path)
    done = subprocess.run(
        ["dot", "-Tplain"], input=picture(cli, config, "dot", "--offline"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == ""
    kinds = [line.split()[0] for line in done.stdout.splitlines()]
    expected = (3, 2) if graph == "tournament" else (5, 8)
    assert (kinds.count("node"), kinds.count("edge")) == expected


def test_the_database_tells_what_is_watched(cli, config, tournament):
    config.write_graph(GRAPH.replace(
        "    relations:",
        "      lost: { table: app_lost }\n    relations:"))
    text = picture(cli, config, "text")
    assert "app_team, not watched\n" in text
    assert "app_lost, no such table\n" in text
    assert "without a database" not in text

    config.write_graph(GRAPH)
    assert cli("install", "-c", config.path).status == 0
    tournament.execute("DROP TRIGGER pgripple_insert ON app_team")
    text = picture(cli, config, "text")
    assert "app_tournament, watched\n" in text
    assert "app_team, not watched as the graph needs\n" in text


def test_the_database_tells_which_types_need_a_lookup(cli, config,
                                                      tournament):
    """integer and bigint are spelled alike, numeric is not."""
    assert "mmr -> tournament.id\n" in picture(cli, config, "text")
    tournament.execute("ALTER TABLE app_customuser ALTER mmr TYPE numeric")
    text = picture(cli, config, "text")
    assert "mmr -> tournament.id (lookup)\n" in text
    assert "tournament_id -> tournament.id\n" in text
    text = picture(cli, config, "text", "--offline")
    assert "mmr -> tournament.id\n" in text
    assert "without a database" in text


def test_a_file_is_written_over_only_by_force(cli, config):
    path = os.path.join(config.folder, "graph.svg")
    args = ["graph", "--offline", "-c", config.path, "--format", "svg",
            "--output", path]
    done = cli(*args)
    assert done.status == 0 and done.stdout == ""
    first = read(path)
    assert first.startswith("<svg ") and first.endswith("</svg>\n")
    done = cli(*args)
    assert done.status == 1
    assert done.stderr == (
        f'pgripple: error: cannot write "{path}": File exists\n'
        "hint: Give --force to write over what is there.\n")
    config.write(path, first * 2)
    assert cli(*args, "--force").status == 0
    assert read(path) == first


def test_a_disk_without_room_is_told(cli, config):
    done = cli("graph", "--offline", "-c", config.path, "--force",
               "--output", "/dev/full")
    assert done.status == 1
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize("form, hint", [
    ("sgv", 'Did you mean "svg"?'),
    ("jpeg", "Known are text, svg, dot, mermaid."),
])
def test_an_unknown_format_is_a_mistake(cli, config, form, hint):
    done = cli("graph", "-c", config.path, "--format", form)
    assert done.status == 64 and done.stdout == ""
    assert done.stderr == (f'pgripple: error: unknown format "{form}"\n'
                           f"hint: {hint}\n")


def test_without_the_server_it_says_so(cli, config):
    config.write_settings({"postgres": {
        "conninfo": f"host=127.0.0.1 port={free_port()} dbname=app"}})
    done = cli("graph", "-c", config.path)
    assert done.status == 69 and done.stdout == ""
    assert cli("graph", "--offline", "-c", config.path).status == 0
