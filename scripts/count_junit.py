"""Prints how many tests of a JUnit file passed and how many failed."""

import sys
import xml.etree.ElementTree

suites = xml.etree.ElementTree.parse(sys.argv[1]).getroot().iter("testsuite")
passed = failed = 0
for suite in suites:
    bad = int(suite.get("failures")) + int(suite.get("errors"))
    failed += bad
    passed += int(suite.get("tests")) - bad - int(suite.get("skipped"))
print(passed, failed)
