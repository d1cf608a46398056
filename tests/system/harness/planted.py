"""A daemon with a planted fault: a few files compiled anew, from a copy."""

import json
import os
import shlex
import shutil
import subprocess

from harness.postgres import ROOT


def build_planted(patch, folder):
    """Build pgripple with the patch into the folder, by the commands of the
    build under test. A patch that does not apply any more is an error."""
    build = os.path.abspath(os.path.join(
        ROOT, os.environ.get("PGRIPPLE_BUILD", "build")))
    for part in ("src", "include"):
        shutil.copytree(os.path.join(ROOT, part), os.path.join(folder, part))
    run(["patch", "-p1", "--forward", "--batch", "--no-backup-if-mismatch",
         "-i", patch], folder)
    objects = [compile_one(build, folder, path) for path in patched(patch)]
    link(build, folder, objects)
    return folder


def patched(patch):
    with open(patch, encoding="utf-8") as lines:
        return [line.split("b/", 1)[1].strip() for line in lines
                if line.startswith("+++ b/")]


def compile_one(build, folder, path):
    """The command that compiled the file, for its copy."""
    with open(os.path.join(build, "compile_commands.json")) as file:
        entry = next(entry for entry in json.load(file)
                     if same_file(entry, os.path.join(ROOT, path)))
    words = shlex.split(entry["command"])
    made = os.path.join(folder, os.path.basename(path) + ".o")
    words[words.index("-o") + 1] = made
    words[words.index(entry["file"])] = os.path.join(folder, path)
    for option in ("-MQ", "-MF"):
        del words[words.index(option):words.index(option) + 2]
    words.remove("-MD")
    # After the compiler, which may be two words ("ccache cc").
    first = next(i for i, word in enumerate(words) if word.startswith("-"))
    words[first:first] = [f"-I{folder}/src", f"-I{folder}/include"]
    run(words, entry["directory"])
    return made


def same_file(entry, path):
    return os.path.realpath(os.path.join(
        entry["directory"], entry["file"])) == os.path.realpath(path)


def link(build, folder, objects):
    """The command that linked pgripple. What the objects define is not taken
    from the libraries any more."""
    words = shlex.split(run(["ninja", "-t", "commands", "pgripple"],
                            build).splitlines()[-1])
    words[words.index("-o") + 1] = os.path.join(folder, "pgripple")
    at = words.index("-Wl,--start-group")
    run(words[:at] + objects + words[at:], build)


def run(words, folder):
    done = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout}"
    return done.stdout
