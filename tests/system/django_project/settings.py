"""Where the servers are, at_work.py says, or the environment."""

import os

SECRET_KEY = "tests"
USE_TZ = True
TIME_ZONE = "Europe/Berlin"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "app.CustomUser"
ROOT_URLCONF = "django_project.urls"
ALLOWED_HOSTS = ["*"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "cacheops",
    "pgripple_django",
    "django_project.app",
]

MIDDLEWARE = [
    "pgripple_django.middleware.WaitForWrites",
    "django.contrib.sessions.middleware.SessionMiddleware",
]

# Tables without the history of how they came to be.
MIGRATION_MODULES = {"auth": None, "contenttypes": None, "sessions": None}

# A migration that installs pgripple, where the environment names its SQL.
if "SITE_SQL" in os.environ:
    INSTALLED_APPS.append("django_project.capture")

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("SITE_HOST"),
        "PORT": os.environ.get("SITE_PORT"),
        "NAME": os.environ.get("SITE_DATABASE"),
        "USER": os.environ.get("SITE_USER"),
    },
}

CACHEOPS_REDIS = os.environ.get("SITE_REDIS", "redis://127.0.0.1:1/0")
CACHEOPS_DEFAULTS = {"timeout": 3600}
# The other way to store, of which older versions know nothing.
CACHEOPS_INSIDEOUT = "SITE_INSIDEOUT" in os.environ
CACHEOPS = {"app.*": {"ops": "all"}}
if "SITE_PREFIX" in os.environ:
    def CACHEOPS_PREFIX(query):
        return os.environ["SITE_PREFIX"].format(query=query)

PGRIPPLE = {"wait_ms": 2000}
