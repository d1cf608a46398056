"""Manual pages and completion name all that there is to name."""

import os
import re
import subprocess

import pytest

from harness.daemon import binary
from harness.postgres import ROOT

pytestmark = pytest.mark.once

PAGES = ["pgripple.8", "pgripple.yaml.5", "pgripple-graph.5"]
FOUND_IN_PAGE = r"(?<![\w.-]){}(?![\w-]|\.\w)"


def run(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE,
                          text=True).stdout


def page(name):
    return os.path.join(os.path.dirname(binary()), "man", name)


@pytest.fixture(scope="module")
def text():
    """text(page): as man prints it, in one line."""
    def rendered(name):
        out = run("mandoc", "-Tascii", "-O", "width=1000", page(name))
        return re.sub(r"\s+", " ", re.sub(".\b", "", out))
    return rendered


def missing(names, text):
    return [name for name in names
            if not re.search(FOUND_IN_PAGE.format(re.escape(name)), text)]


def help_of(*words):
    return run(binary(), *words, "--help")


def commands():
    found = re.findall(r"^  ([a-z]+) ",
                       help_of().split("commands:")[1].split("options:")[0],
                       re.M)
    assert len(found) > 10
    return found


def options_of(command):
    found = help_of(command).split("\noptions:\n")[1].split("\n\n")[0]
    return set(re.findall(r"^ .*?(--[a-z-]+)", found, re.M))


def sources(*folders):
    for folder in folders:
        for path, _, names in os.walk(os.path.join(ROOT, folder)):
            for name in names:
                with open(os.path.join(path, name), encoding="utf-8") as file:
                    yield file.read()


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_finds_nothing_wrong(name):
    done = subprocess.run(["mandoc", "-Tlint", "-W", "warning", page(name)],
                          stdout=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_page_names_every_command_and_option(text):
    options = set().union(*map(options_of, commands()))
    assert len(options) > 10
    assert missing([*commands(), *options], text("pgripple.8")) == []


def test_the_page_names_every_exit_status(text):
    statuses = re.findall(r"EXIT_STATUS_\w+ = (\d+)",
                          " ".join(sources("src/base")))
    assert len(statuses) >= 7
    assert missing(statuses, text("pgripple.8")) == []


def test_the_page_names_every_event(text):
    with open(f"{ROOT}/docs/events.md", encoding="utf-8") as file:
        events = re.findall(r"^\| `([a-z_]+\.[a-z_]+)`", file.read(), re.M)
    assert len(events) > 50
    assert missing(events, text("pgripple.8")) == []


def test_the_page_names_every_metric(text):
    with open(f"{ROOT}/docs/metrics.md", encoding="utf-8") as file:
        metrics = re.findall(r"^\| `((?:pgripple|process)_\w+)`", file.read(),
                             re.M)
    assert len(metrics) > 30
    assert missing(metrics, text("pgripple.8")) == []


def test_the_page_names_every_setting(text):
    with open(f"{ROOT}/docs/settings.md", encoding="utf-8") as file:
        keys = re.findall(r"^\| `([a-zA-Z_.]+)` \| .* \| (?:yes|no) \|",
                          file.read(), re.M)
    assert len(keys) > 30
    assert missing(keys, text("pgripple.yaml.5")) == []


def test_the_page_names_every_key_of_the_graph(text):
    keys = {key for source in sources("src/core")
            for key in re.findall(r'\{"([a-z_]+)", (?:field_|PGRIPPLE_RULE_)',
                                  source)}
    assert len(keys) > 30
    assert missing(keys, text("pgripple-graph.5")) == []


def complete(*words):
    """What is offered for the last word."""
    line = " ".join(f"'{word}'" for word in words)
    script = (f"PATH={os.path.dirname(binary())}:$PATH\n"
              f". {ROOT}/completions/pgripple.bash\n"
              f"COMP_WORDS=({line}) COMP_CWORD={len(words) - 1}\n"
              '_pgripple; printf "%s\\n" "${COMPREPLY[@]}"')
    return run("bash", "-c", script).split()


def test_completion_offers_commands_options_and_values():
    assert complete("pgripple", "") == commands()
    assert complete("pgripple", "un") == ["uninstall"]
    assert complete("pgripple", "rejected", "") == ["list", "retry", "drop"]
    assert complete("pgripple", "graph", "--format", "s") == ["svg"]
    assert complete("pgripple", "ping", "--t") == ["--timeout"]
    assert set(complete("pgripple", "explain", "--")) == options_of("explain")
