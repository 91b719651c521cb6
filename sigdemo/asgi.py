"""The ASGI entry point, for servers that run async views in an event loop."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sigdemo.settings")
application = get_asgi_application()
