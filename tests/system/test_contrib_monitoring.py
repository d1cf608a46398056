"""Alert rules and dashboard: valid, and of metrics that there are."""

import json
import os
import re
import shutil
import subprocess

import pytest

from harness.postgres import ROOT

ALERTS = os.path.join(ROOT, "contrib/prometheus/alerts.yml")
DASHBOARD = os.path.join(ROOT, "contrib/grafana/pgripple.json")

pytestmark = pytest.mark.sql                    # no program of ours is run


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def metrics_in(text):
    return {re.sub("_(bucket|sum|count)$", "", name) for name in
            re.findall(r"\b(?:pgripple|process)_[a-z_]+[a-z]", text)}


def test_all_metrics_exist():
    documented = set(re.findall(r"^\| `([a-z_]+)` \|",
                                read("docs/metrics.md"), re.M))
    expressions = "\n".join(re.findall(r"^ +expr: (?:>-\n)?(.*)$",
                                       read(ALERTS), re.M))
    panels = [target["expr"] for panel in json.loads(read(DASHBOARD))["panels"]
              for target in panel.get("targets", [])]
    used = metrics_in(expressions), metrics_in("\n".join(panels))
    assert len(used[0]) > 8 and len(used[1]) > 15
    assert used[0] | used[1] <= documented, (used[0] | used[1]) - documented


def test_prometheus_accepts_the_rules():
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    for command in (["check", "rules", ALERTS],
                    ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run(["promtool", *command], capture_output=True,
                              text=True, timeout=60,
                              cwd=os.path.dirname(ALERTS))
        assert done.returncode == 0, done.stdout + done.stderr
