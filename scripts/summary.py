"""Prints how many tests of a run passed and how many failed, and adds a line
for each that failed to a file.

    summary.py system|unit RESULTS TITLE FAILURES

RESULTS is what tests/system/harness/results.py writes, or the testlog.json of
meson test."""

import json
import sys


def system_tests(lines):
    """Passed and failed tests: names, and the line that failed. What started
    and neither passed nor failed did not come to its end."""
    started, passed, skipped, failed = [], set(), set(), {}
    for line in lines:
        test, seen = line["test"], line["seen"]
        if seen == "failed":
            failed.setdefault(test, line["line"])
        elif seen == "started":
            started.append(test)
        else:
            (passed if seen == "passed" else skipped).add(test)
    for test in started:
        if test not in passed | skipped:
            failed.setdefault(test, "did not come to its end")
    return passed - skipped - failed.keys(), failed


def unit_tests(lines):
    """Programs of meson test, with the first assertion that failed."""
    passed = {line["name"] for line in lines
              if line["result"] in ("OK", "EXPECTEDFAIL")}
    failed = {line["name"]: first_complaint(line) for line in lines
              if line["name"] not in passed and line["result"] != "SKIP"}
    return passed, failed


def first_complaint(line):
    text = (line.get("stdout") or "") + (line.get("stderr") or "")
    marks = ("Assertion", "ERROR: ", "runtime error", "Unexpected signal",
             "FAIL")
    found = [one.strip() for one in text.splitlines()
             if any(mark in one for mark in marks)]
    return found[0] if found else line["result"]


def main(kind, results, title, failures):
    with open(results, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.endswith("\n")]
    kinds = {"system": system_tests, "unit": unit_tests}
    passed, failed = kinds[kind](lines)
    with open(failures, "a", encoding="utf-8") as file:
        for test, line in failed.items():
            file.write(f"{title}: {test} - {line[:200]}\n")
    print(len(passed), len(failed))


if __name__ == "__main__":
    main(*sys.argv[1:])
