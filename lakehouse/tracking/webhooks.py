"""Messages to a chat's webhook. Standard library only. The address is a secret and is never shown."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from lakehouse.errors import ConfigError, TrackingError

_SECONDS = 10


def post_message(url: str, message: Mapping[str, Any]) -> None:
    """Post a message as JSON, in the form that Slack and those who follow it take.

    Raises:
        ConfigError: The address is no http or https one.
        TrackingError: Nobody answers there, or the answer is an error.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("webhook", "", "its address begins with neither https:// nor http://", "Copy it as it is")
    body = json.dumps(message).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        problem = f"{parts.hostname} answered {error.code}"
        raise TrackingError("webhook", problem, "Make a new address in the chat's settings") from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise TrackingError("webhook", f"{parts.hostname} can't be reached ({reason})", "Check the address") from None
