"""scripts/demo.sh: it runs to its end, shows what it should, and cleans up."""

import os
import re
import subprocess

from harness.daemon import environment
from harness.postgres import ROOT

DEMO = os.path.join(ROOT, "scripts", "demo.sh")


def run_demo(*args):
    env = environment(NO_COLOR="1")
    env["PGRIPPLE_BUILD"] = os.environ.get("PGRIPPLE_BUILD", "build")
    return subprocess.run(
        [DEMO, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, timeout=180, env=env)


def section(text, title):
    """What stands below a title, up to the next one."""
    found = re.search(rf"(?ms)^{re.escape(title)}\n(.*?)(?:^\n|\Z)", text)
    assert found, f"no section {title!r} in:\n{text}"
    return found.group(1)


def line(text, label):
    return re.search(rf"(?m)^  {label} +(.*)$", text).group(1)


def folder_of(text):
    return re.search(r"/tmp/pgripple-demo\.\w+", text).group(0)


def test_the_demo_shows_which_keys_vanish_and_which_stay():
    done = run_demo()
    assert done.returncode == 0, done.stdout + done.stderr
    text = done.stdout

    nickname = section(text, "A nickname")
    assert line(nickname, "gone") == "team:{1,3}  user:6"
    assert "tournament:{1,2,3}" in line(nickname, "stays")
    assert "user>team_member>team (2)" in nickname

    moved = section(text, "A team moves from tournament 1 to 2")
    assert line(moved, "gone") == "tournament:{1,2}  team:1"

    drafted = section(text, "A draft round")
    assert line(drafted, "gone") == "tournament:2  team:3  draft:2  " \
                                    "draft_round:3"

    for title in "A transaction that is rolled back", "A login":
        quiet = section(text, title)
        assert line(quiet, "gone") == "nothing"
        assert "change.applied" not in quiet

    bulk = section(text, "A bulk update, as an ORM's queryset.update() sends "
                         "it")
    assert line(bulk, "gone") == "tournament:{1,2}  team:{1,2,3,4}  game:{1,2}"

    copied = section(text, "COPY into the link table")
    assert line(copied, "gone") == "team:{2,5}"
    assert "op=insert rows=2" in copied

    assert not os.path.exists(folder_of(text))


def test_keep_leaves_it_running_until_stop():
    done = run_demo("--keep")
    assert done.returncode == 0, done.stdout + done.stderr
    kept = section(done.stdout, "It goes on running")
    folder = folder_of(done.stdout)
    try:
        for label in "is it working", "the whole state":
            command = re.search(rf"(?m)^  {label} +(.*)$", kept).group(1)
            again = subprocess.run(
                command, shell=True, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, timeout=60)
            assert again.returncode == 0, again.stdout
    finally:
        subprocess.run([os.path.join(folder, "stop")], check=True, timeout=60)
    assert not os.path.exists(folder)


def test_the_demo_knows_its_options():
    assert "--keep" in run_demo("--help").stdout
    assert run_demo("--quick").returncode == 64
