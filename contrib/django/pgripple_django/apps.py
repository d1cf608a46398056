from django.apps import AppConfig


class PgrippleConfig(AppConfig):
    name = "pgripple_django"
    verbose_name = "pgripple"
