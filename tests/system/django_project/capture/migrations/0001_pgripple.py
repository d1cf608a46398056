import os

from django.db import migrations

from pgripple_django.operations import RunPgrippleSQL


class Migration(migrations.Migration):
    atomic = "SITE_ATOMIC" in os.environ
    operations = [RunPgrippleSQL(os.environ["SITE_SQL"])]
