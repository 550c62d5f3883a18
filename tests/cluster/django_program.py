"""A Django project in one file, beside the server of chat_program.py: `app` is both."""

from __future__ import annotations

import os

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, JsonResponse
from django.urls import path
from tests.cluster.chat_program import io

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY="for a test")
django.setup()


def pid(request: HttpRequest) -> JsonResponse:
    """A plain view, which Django runs in a thread; it emits from there."""
    io.to("everyone").emit("seen", os.getpid())
    return JsonResponse(os.getpid(), safe=False)


urlpatterns = [path("pid", pid)]

app = io.asgi(ASGIHandler())
