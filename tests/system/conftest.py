"""The fixtures of all tests with real servers: see harness/fixtures.py."""

from harness.fixtures import *
