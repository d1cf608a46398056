"""What becomes of each test, written down as it happens: a run that has to be
ended, or a worker that dies, still tells which tests had failed and which had
not come to their end. scripts/summary.py reads it."""

import json


class Results:
    """A plugin of pytest. Each line is a JSON object: the test, and what was
    seen of it ("started", "passed", "failed" or "skipped"; the latter may come
    more than once), with the line that failed."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8")

    def write(self, test, seen, line=""):
        self.file.write(json.dumps(
            {"test": test, "seen": seen, "line": line}) + "\n")
        self.file.flush()

    def pytest_collectreport(self, report):
        if report.failed:
            self.write(report.nodeid or "collecting", "failed",
                       last_line(report.longrepr))

    def pytest_runtest_logstart(self, nodeid):
        self.write(nodeid, "started")

    def pytest_runtest_logreport(self, report):
        if not report.passed:
            self.write(report.nodeid, report.outcome,
                       failed_line(report.longrepr) if report.failed else "")
        elif report.when == "teardown":
            self.write(report.nodeid, "passed")


def failed_line(longrepr):
    """The line in which a test says what it found."""
    crash = getattr(longrepr, "reprcrash", None)
    if crash is None:
        return last_line(longrepr)
    return crash.message.partition("\n")[0]


def last_line(longrepr):
    return (str(longrepr).strip().splitlines() or [""])[-1]
