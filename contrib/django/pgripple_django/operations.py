"""A migration that installs pgripple: for test databases above all."""

from django.db import NotSupportedError
from django.db.migrations.operations.base import Operation


class RunPgrippleSQL(Operation):
    """Runs a file that `pgripple sql > FILE` wrote: schema and triggers.

        class Migration(migrations.Migration):
            atomic = False          # the file has transactions of its own
            dependencies = [...]    # on what makes the tables of the graph
            operations = [RunPgrippleSQL(BASE_DIR / "pgripple.sql")]

    Databases of other kinds are left alone, and so is the state of models.
    The file may run any number of times. Where `pgripple install` runs on
    deployment, which is what it is for, this is not needed: it is for
    databases that nothing but migrations makes. Reversed, it does nothing:
    `pgripple uninstall` does, for all tables at once.
    """

    reversible = True
    reduces_to_sql = True

    def __init__(self, path):
        self.path = path

    def deconstruct(self):
        return self.__class__.__name__, [self.path], {}

    def state_forwards(self, app_label, state):
        pass

    def database_forwards(self, app_label, schema_editor, from_state,
                          to_state):
        connection = schema_editor.connection
        if connection.vendor != "postgresql":
            return
        if connection.in_atomic_block:
            raise NotSupportedError(
                "RunPgrippleSQL cannot run inside a transaction: write"
                ' "atomic = False" in its migration')
        with open(self.path, encoding="utf-8") as sql:
            schema_editor.execute(sql.read(), params=None)

    def database_backwards(self, app_label, schema_editor, from_state,
                           to_state):
        pass

    def describe(self):
        return f"Runs pgripple's SQL of {self.path}"
