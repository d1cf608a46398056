"""A team's page, cached under a key, and a form that renames the team."""

from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path

from cacheops.redis import redis_client

from .app.models import Team


def team(request, pk):
    key = f"app_team:{pk}"
    page = redis_client.get(key)
    if page is None:
        page = Team.objects.nocache().get(pk=pk).name.encode()
        redis_client.set(key, page)
    return HttpResponse(page)


def rename(request, pk):
    if request.POST.get("atomic"):
        with transaction.atomic():
            Team.objects.filter(pk=pk).update(name=request.POST["name"])
    else:
        Team.objects.filter(pk=pk).update(name=request.POST["name"])
    return redirect(f"/team/{pk}")


urlpatterns = [path("team/<int:pk>", team), path("rename/<int:pk>", rename)]
