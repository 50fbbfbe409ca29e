"""How passwords are hashed."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2(Argon2PasswordHasher):
    """argon2id with OWASP's second choice of parameters: 19 MiB, two passes, one lane; about 65 ms per try.

    Django's default (100 MiB, eight lanes) takes ten times as long, and with that every login form is the cheapest way
    to keep the server busy.
    """

    time_cost = 2
    memory_cost = 19_456  # KiB
    parallelism = 1
