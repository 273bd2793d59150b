"""A feature server: features and predictions over HTTP, from an online store and a model registry. No Spark, no Java.

Start at `create_app` for the routes, `run_server` for a process that serves them.
"""

from lakehouse.serving.application import create_app
from lakehouse.serving.server import run_server
from lakehouse.serving.settings import Limits, RequestLogSettings, ServerSettings

__all__ = ["Limits", "RequestLogSettings", "ServerSettings", "create_app", "run_server"]
