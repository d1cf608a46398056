#!/usr/bin/env python3
"""The tournament application, as a Django project."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

if __name__ == "__main__":
    sys.path[:0] = [os.path.dirname(HERE),
                    os.path.join(HERE, "../../../contrib/django")]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_project.settings")
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
