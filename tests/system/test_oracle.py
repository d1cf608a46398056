"""Random histories: no cached value may be stale (oracle.py), and an oracle
that does not see a planted fault is none."""

import os

import pytest

from harness.daemon import is_sanitized
from harness.planted import build_planted
from histories.tournament import TournamentCase
from oracle import Case, Oracle, Stale

pytestmark = pytest.mark.once

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "planted")

# 210 rounds; a slow build has seen enough after a third of them.
N_GROUPS = 10
SEEDS_OF_GROUP = 1 if is_sanitized() else 3

# So many seeds must be enough to find a planted fault.
PATIENCE = 12
PLANTED = {
    "new_image_only": None,
    "numeric_image": ["numeric", "numeric2"],
    "by_primary_key": None,
    "changed_without_match": None,
}

gcc_only = pytest.mark.skipif(
    is_sanitized(), reason="the oracle itself is under test here, once")


@pytest.fixture
def make_oracle(postgres, redis_server):
    made = []

    def make():
        made.append(Oracle(postgres, redis_server, f"oracle{len(made)}"))
        return made[-1]

    yield make
    for oracle in made:
        oracle.close()


@pytest.mark.parametrize("group", range(N_GROUPS))
def test_no_cached_value_is_stale(make_oracle, record_property, group):
    oracle = make_oracle()
    first = group * SEEDS_OF_GROUP
    for seed in range(first, first + SEEDS_OF_GROUP):
        oracle.check(Case(seed))
    record_property("precision", str(oracle.share))
    print(oracle.share)


def find_fault(oracle, cases):
    """The seeds that it took, or None."""
    for n, case in enumerate(cases):
        try:
            oracle.check(case)
        except Stale:
            return n + 1
    return None


@gcc_only
@pytest.mark.parametrize("fault", PLANTED)
def test_planted_fault_is_found(make_oracle, tmp_path, monkeypatch, fault):
    folder = build_planted(os.path.join(FOLDER, f"{fault}.patch"),
                           str(tmp_path))
    monkeypatch.setenv("PGRIPPLE_BUILD", folder)
    cases = (Case(seed, PLANTED[fault]) for seed in range(PATIENCE))
    assert find_fault(make_oracle(), cases)


@gcc_only
def test_missing_relation_is_found(make_oracle):
    def without_one(seed):
        case = Case(seed)
        needed = [r for r in case.recipe.relations if r.needed]
        case.recipe.relations.remove(case.rng.choice(needed))
        return case

    assert find_fault(make_oracle(), map(without_one, range(PATIENCE)))


@gcc_only
def test_patch_that_does_not_apply_is_an_error(tmp_path):
    patch = tmp_path / "old.patch"
    patch.write_text("--- a/src/core/walk.c\n+++ b/src/core/walk.c\n"
                     "@@ -1 +1 @@\n-not in there\n+nor this\n")
    with pytest.raises(AssertionError, match="FAILED"):
        build_planted(str(patch), str(tmp_path / "build"))


def test_tournament_is_invalidated_precisely(make_oracle, record_property):
    """What its pages do not show of a touched row costs a cache miss."""
    oracle = make_oracle()
    oracle.check(TournamentCase, n_rounds=15)
    record_property("precision", str(oracle.share))
    print(oracle.share)
    assert oracle.share.counts["changed"] > 100
    assert oracle.share.counts["kept"] > 1000
    assert oracle.share.needless < 0.10
