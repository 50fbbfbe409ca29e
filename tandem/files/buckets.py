"""Files in a bucket that speaks S3, where the settings name one.

The bucket stays private and unseen: links are Tandem's own and the file passes through Tandem's own view, as it does
from disk. So a link dies when its file is deleted, whatever the provider caches, and a browser gets the same headers
from both. The price is that every byte of a picture passes through here once per reader, who then keeps it.
"""

from __future__ import annotations

from typing import Any

from botocore.config import Config
from storages.backends.s3 import S3Storage

_CONNECT_SECONDS, _READ_SECONDS, _TRIES = 3, 15, 3


class Bucket(S3Storage):
    """django-storages' backend with bounds on how long a request may wait for it."""

    def get_default_settings(self) -> dict[str, Any]:
        bounds = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"total_max_attempts": _TRIES, "mode": "standard"},
            signature_version="s3v4",
        )
        own = {"default_acl": None, "file_overwrite": False, "querystring_auth": True, "client_config": bounds}
        return {**super().get_default_settings(), **own}
