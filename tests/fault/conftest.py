"""The harness of tests/system, and a world in which faults happen.

make_world    see world.py
"""

import os
import sys

import pytest

sys.path.insert(1, os.path.join(os.path.dirname(__file__), "../system"))

from harness.fixtures import *      # needs the path
from world import World


@pytest.fixture
def make_world(database, make_config, make_daemon):
    """make_world(redis_server, **options): a World, its daemon not started."""
    made = []

    def make(redis_server, **options):
        world = World(database, redis_server, make_config, make_daemon,
                      **options)
        made.append(world)
        return world

    yield make
    for world in made:
        world.close()
