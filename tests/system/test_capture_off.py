"""capture_off(): one transaction goes unseen, if its role may do that."""

import pytest

from harness.outbox import take, watch
from harness.postgres import run
from harness.roles import set_up_roles

pytestmark = pytest.mark.sql


@pytest.fixture
def items(installed):
    """A watched table, one that is captured row by row, and the roles."""
    installed.execute("""
        CREATE TABLE item (id int PRIMARY KEY, name text);
        CREATE TABLE part (id int) PARTITION BY LIST (id);
        CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1, 2, 3)""")
    watch(installed, "item", "id")
    watch(installed, "part", "id")
    set_up_roles(installed, lookups=None)
    return installed


def role_of(items, *groups):
    role = items.create_role()
    items.execute(f'GRANT ALL ON item, part TO "{role}"')
    for group in groups:
        items.execute(f'GRANT "{group}" TO "{role}"')
    return role


@pytest.fixture
def loader(items):
    """A session, in a transaction, of a role that may switch capture off."""
    role = role_of(items, "pgripple_bulk")
    yield items.connect(user=role, autocommit=False)
    items.execute(f'DROP OWNED BY "{role}"')


@pytest.fixture
def stranger(items):
    role = role_of(items)
    yield items.connect(user=role, autocommit=False)
    items.execute(f'DROP OWNED BY "{role}"')


def ids(items):
    """The ids of the rows that were captured."""
    return [int(row["id"]) for change in take(items)
            for row in change.get("new", [])]


def test_the_rest_of_the_transaction_goes_unseen(items, loader):
    run(loader, "INSERT INTO item VALUES (1); SELECT pgripple.capture_off();"
                "INSERT INTO item VALUES (2); INSERT INTO part VALUES (1);"
                "UPDATE item SET id = 3 WHERE id = 2; TRUNCATE part")
    run(loader, "INSERT INTO item VALUES (4), (5); DELETE FROM item")
    loader.commit()
    assert loader.notices == []
    run(loader, "INSERT INTO item VALUES (6)")
    loader.commit()
    assert ids(items) == [1, 6]


def test_it_is_followed_by_what_is_asked_by_hand(items, loader):
    items.execute("SELECT pgripple.set_models('item', '{item}')")
    run(loader, "SELECT pgripple.capture_off(); INSERT INTO item VALUES (2);"
                "SELECT pgripple.invalidate_model('item')")
    loader.commit()
    assert [change["op"] for change in take(items)] == ["invalidate"]


def test_a_rollback_to_a_savepoint_undoes_it(items, loader):
    run(loader, "SAVEPOINT s; SELECT pgripple.capture_off();"
                "INSERT INTO item VALUES (1); ROLLBACK TO s;"
                "INSERT INTO item VALUES (2); SAVEPOINT t;"
                "SELECT pgripple.capture_off(); RELEASE t;"
                "INSERT INTO item VALUES (3)")
    loader.commit()
    assert ids(items) == [2]


def test_it_holds_in_subtransactions(items, loader):
    run(loader, "SELECT pgripple.capture_off(); SAVEPOINT s;"
                "INSERT INTO item VALUES (1); RELEASE s;"
                "DO $$BEGIN INSERT INTO item VALUES (2);"
                " EXCEPTION WHEN OTHERS THEN NULL; END$$")
    loader.commit()
    assert ids(items) == []


@pytest.mark.parametrize("sql, where", [
    ("SET pgripple.capture = 'off'", "was set by hand"),
    ("SET LOCAL pgripple.capture = 'off'", "was set by hand"),
    ("SET pgripple.capture = 'anything'", "was set by hand"),
    ("SELECT set_config('pgripple.capture',"
     " 'off in ' || pg_current_xact_id(), true)", "must not switch it off"),
])
def test_a_setting_made_by_hand_leaves_capture_on_with_a_warning(
        items, stranger, sql, where):
    run(stranger, sql)
    run(stranger, "INSERT INTO item VALUES (1);"
                  "INSERT INTO part VALUES (1), (2), (3)")
    stranger.commit()
    assert ids(items) == [1, 1, 2, 3]
    assert len(stranger.notices) == 1
    assert "changes are captured all the same" in stranger.notices[0]
    assert where in stranger.notices[0]


def test_a_permitted_role_must_call_the_function(items, loader):
    run(loader, "SET pgripple.capture = 'off'; INSERT INTO item VALUES (1)")
    loader.commit()
    run(loader, "INSERT INTO item VALUES (2)")
    loader.commit()
    assert ids(items) == [1, 2]
    assert len(loader.notices) == 2


def test_what_was_set_does_not_serve_another_transaction(items, loader):
    run(loader, "SELECT pgripple.capture_off()")
    setting = run(loader, "SELECT current_setting('pgripple.capture')")[0][0]
    loader.commit()
    run(loader, "SELECT set_config('pgripple.capture', %s, false)", setting)
    run(loader, "INSERT INTO item VALUES (1)")
    loader.commit()
    assert ids(items) == [1]


def test_on_is_no_mistake(items, stranger):
    run(stranger, "SET pgripple.capture = 'on'; INSERT INTO item VALUES (1)")
    stranger.commit()
    assert ids(items) == [1] and stranger.notices == []


def test_the_role_that_was_set_counts(items, stranger, loader):
    strange, loading = stranger.info.user, loader.info.user
    items.execute(f'GRANT "{strange}" TO "{loading}"')
    run(loader, "SELECT pgripple.capture_off()")
    run(loader, f'SET ROLE "{strange}"; INSERT INTO item VALUES (1)')
    loader.commit()
    assert ids(items) == [1]


def test_who_may_not_call_it_is_refused(items, stranger):
    with pytest.raises(Exception, match="permission denied"):
        run(stranger, "SELECT pgripple.capture_off()")


def test_the_switch_of_all_keeps_working(items, loader):
    items.execute("SELECT pgripple.disable(); SELECT pgripple.enable();"
                  "DELETE FROM pgripple.outbox")
    run(loader, "INSERT INTO item VALUES (1); SELECT pgripple.capture_off();"
                "INSERT INTO item VALUES (2)")
    loader.commit()
    assert ids(items) == [1]
