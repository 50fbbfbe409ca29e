"""The WSGI application. Each server process that loads it ties its life to its supervisor's."""

from __future__ import annotations

import gc
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tandem.config.settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

# What was made so far lives as long as the process: the garbage collector need not look through it again and again.
gc.collect()
gc.freeze()
