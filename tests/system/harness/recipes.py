"""The recipes of docs/recipes: the code in the pages, and those who run it."""

import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading

from harness.daemon import environment
from harness.postgres import ROOT
from harness.process import make_folder

PAGES = os.path.join(ROOT, "docs/recipes")
HERE = os.path.join(ROOT, "tests/system/recipes")
BLOCK = re.compile(r"^```\w+\n((?:#|//|--) ([\w.]+)\n.*?)^```$", re.M | re.S)


def read_blocks():
    """The code blocks of all pages, by the names in their first lines."""
    found = {}
    for page in sorted(os.listdir(PAGES)):
        with open(os.path.join(PAGES, page), encoding="utf-8") as file:
            text = file.read()
        blocks = BLOCK.findall(text)
        assert len(blocks) == text.count("\n```") / 2, (
            f"{page}: a block does not begin with its name")
        for code, name in blocks:
            assert name not in found, f"{name} stands twice"
            found[name] = code
    return found


def write_blocks():
    """A folder with the blocks as files; to be removed."""
    folder = make_folder("pgripple-recipes-")
    for name, code in read_blocks().items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(code)
    return folder


def install_node_modules():
    subprocess.run(["bash", "-c", ". scripts/deps.sh && need_node_modules"],
                   cwd=ROOT, check=True, timeout=300,
                   stdout=subprocess.DEVNULL)


class Racer:
    """racer.py or racer.mjs at work with one recipe: "fence.py"."""

    def __init__(self, folder, recipe, conninfo, socket):
        name, ending = os.path.splitext(recipe)
        program = {".py": sys.executable, ".mjs": shutil.which("node")}
        self.selected = queue.Queue()
        self.answers = queue.Queue()
        self.talking = threading.Lock()
        self.process = subprocess.Popen(
            [program[ending], f"{HERE}/racer{ending}", folder, name, conninfo,
             socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment())
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def _listen(self):
        for line in self.process.stdout:
            answer = json.loads(line)
            if "selected" in answer:
                self.selected.put(answer["selected"])
            else:
                self.answers.put(answer)

    def ask(self, *tasks):
        lines = "".join(json.dumps(task) + "\n" for task in tasks)
        with self.talking:
            self.process.stdin.write(lines)
            self.process.stdin.flush()

    def take(self, n, timeout=30):
        """The next n answers."""
        found = [self.answers.get(timeout=timeout) for _ in range(n)]
        assert not [one for one in found if "failed" in one], found
        return found

    def do(self, *tasks):
        """One task after the other; their answers."""
        found = []
        for task in tasks:
            self.ask(task)
            found += self.take(1)
        return found

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.listener.join(20)
        self.process.stdout.close()
