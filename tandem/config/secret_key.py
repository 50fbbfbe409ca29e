"""The secret key of an installation: made once, kept, and known again.

With another key every login ends and what is sealed cannot be read, so a key that is lost or wrong must be noticed and
never be replaced in silence. `tandem migrate` alone makes one, for a database that nobody has used yet, and writes its
fingerprint into the database; whatever uses the database later compares.
"""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings

_HOW_TO_GO_ON = (
    "bring the old one back, from a backup (its member secret_key) or from another machine; if it is lost for good, "
    "`tandem migrate --new-key` goes on without it: logins end, and what is sealed cannot be read any more"
)


def file() -> Path:
    kept: Path = settings.DATA_DIR / "secret_key"
    return kept


def is_there() -> bool:
    """Whether there is a key, set or kept. Raises OSError when the file is there and cannot be read."""
    if os.environ.get("TANDEM_SECRET_KEY", "").strip():
        return True
    try:
        return bool(file().read_text().strip())
    except FileNotFoundError:
        return False


def trouble() -> str:
    """Why the database must not be used with the present key, and what helps, in one line; "" when it may."""
    from tandem.config import restore

    known = _known_fingerprint()
    if not is_there():
        return f"the secret key is lost ({file()}); {_HOW_TO_GO_ON}" if known or restore.has_data() else ""
    if known and known != _fingerprint():
        return f"the secret key is another one than the database was used with; {_HOW_TO_GO_ON}"
    return ""


def demand() -> None:
    """Raises SystemExit with one line when there is no key, or a wrong one."""
    if reason := trouble():
        raise SystemExit(f"tandem: {reason}")
    demand_one()


def demand_one() -> None:
    """As `demand`, without asking the database: for processes that are started again and again."""
    if not is_there():
        raise SystemExit(f"tandem: there is no secret key in {file()}; a new installation gets one by `tandem migrate`")


def is_known() -> bool:
    """Whether there is a key and the database knows it."""
    return is_there() and _known_fingerprint() == _fingerprint()


def keep() -> None:
    """Keep the key of this process if there is none, for the owner alone. The caller holds the instance lock alone."""
    from tandem.config.backup import sync_directory

    if is_there():
        return
    draft = file().with_name("secret_key.new")  # so that nobody ever reads half of it
    with open(draft, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as written:
        written.write(settings.SECRET_KEY)
        written.flush()
        os.fsync(written.fileno())
    os.replace(draft, file())
    sync_directory(file().parent)


def make_known() -> None:
    """Let the database know the present key. Its schema is up to date."""
    from tandem.common.models import Installation

    Installation.objects.update_or_create(pk=Installation.THE_ONE, defaults={"key_fingerprint": _fingerprint()})


def _fingerprint() -> str:
    from tandem.common.sealing import derived_key

    return derived_key("fingerprint").hex()


def _known_fingerprint() -> str:
    """What the database knows; "" when it knows none, or is older than fingerprints."""
    from django.db import connection

    from tandem.common.models import Installation

    if Installation._meta.db_table not in connection.introspection.table_names():
        return ""
    return Installation.objects.values_list("key_fingerprint", flat=True).first() or ""
