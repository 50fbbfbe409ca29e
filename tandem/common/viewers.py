"""Who looks: all that `visible_to` may ask about a person."""

from __future__ import annotations

from typing import Any, Protocol


class Viewer(Protocol):
    """A user, or the stand-in for one while a statement is compiled (its `pk` is then a `Param`)."""

    @property
    def pk(self) -> Any: ...

    @property
    def role(self) -> Any: ...


class _Product:
    pk = 0
    role = ""


# The product itself, which sees everything: what it writes and tells is the same whoever made it do so.
PRODUCT: Viewer = _Product()
