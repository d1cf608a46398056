from django.core.management.base import BaseCommand, CommandError

from pgripple_django.graph import Unknown, print_graph


class Command(BaseCommand):
    help = ("Prints a graph.yaml for the installed models: tables, link"
            " tables, a cacheops rule for each, and foreign keys as relations"
            " to choose from.")
    requires_migrations_checks = False

    def add_arguments(self, parser):
        parser.add_argument(
            "--all", action="store_true",
            help="tables of Django itself that nobody caches, too")
        parser.add_argument(
            "--prefix", action="append", metavar="PREFIX",
            help="what CACHEOPS_PREFIX returns, where it needs a query to"
            " tell; may be given again")

    def handle(self, *args, **options):
        try:
            text = print_graph(options["all"], options["prefix"])
        except Unknown as error:
            raise CommandError(str(error)) from error
        self.stdout.write(text, ending="")
