"""Routes found by the segments of a path, in place of trying one pattern after the other.

Django's resolver tries some sixty patterns for a path at the end of the map, and each costs about a microsecond. The
index is made from the same `urlpatterns` and gives the same matches (a test compares all of them), also for UUIDs in
upper case; what it does not know, as the admin pages, is left to Django.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.http import HttpRequest
from django.urls import ResolverMatch, URLPattern, URLResolver, get_resolver, resolve
from django.urls.converters import get_converters
from django.urls.resolvers import RoutePattern

_MATCH = "tandem.route"  # in the WSGI environment: what was found for this request already


def match_of(request: HttpRequest) -> ResolverMatch:
    """The view of a request. Raises Resolver404, which is Django's for a path that is nowhere."""
    return request.META.get(_MATCH) or index().find(request.path_info) or resolve(request.path_info)


def find_early(environ: dict[str, Any]) -> ResolverMatch | None:
    """The view of a request that is not made yet, kept for `match_of`; None for what only Django knows, or nobody."""
    found = environ[_MATCH] = index().find(environ["PATH_INFO"])
    return found


@cache
def index() -> RouteIndex:
    return RouteIndex(get_resolver().url_patterns)


@dataclass
class _Node:
    literal: dict[str, _Node] = field(default_factory=dict)
    converted: list[_Converted] = field(default_factory=list)
    pattern: URLPattern | None = None  # whose route ends here
    route: str = ""


@dataclass
class _Converted:
    """A segment such as `<int:pk>`."""

    name: str
    converter: Any
    fits: Callable[[str], Any]
    below: _Node


class RouteIndex:
    """`find` gives what Django's resolver gives for a path, and None for a path that it does not know.

    A UUID is found in any case, as Django finds it in lower case.
    """

    def __init__(self, patterns: Iterable[URLPattern | URLResolver]) -> None:
        self._root = _Node()
        for route, pattern in _leaves(patterns, ""):
            node = self._root
            for segment in route.split("/"):
                node = _child(node, segment)
            if node.pattern is None:  # the first of two wins, as with Django
                node.pattern, node.route = pattern, route

    def find(self, path: str) -> ResolverMatch | None:
        """path: as in `request.path_info`."""
        arguments: dict[str, Any] = {}
        node = _found(self._root, path[1:].split("/"), 0, arguments)
        if node is None or node.pattern is None:
            return None
        return ResolverMatch(node.pattern.callback, (), arguments, node.pattern.name, route=node.route)


def _leaves(patterns: Iterable[URLPattern | URLResolver], before: str) -> Iterator[tuple[str, URLPattern]]:
    for one in patterns:
        if not isinstance(one.pattern, RoutePattern):
            continue
        route = before + str(one.pattern)
        if isinstance(one, URLPattern):
            if not one.default_args:
                yield route, one
        elif not (one.namespace or one.app_name or one.default_kwargs):
            yield from _leaves(one.url_patterns, route)


def _child(node: _Node, segment: str) -> _Node:
    if not segment.startswith("<"):
        return node.literal.setdefault(segment, _Node())
    kind, _, name = segment[1:-1].rpartition(":")
    converter = get_converters()[kind or "str"]
    for known in node.converted:
        if known.name == name and known.converter is converter:
            return known.below
    # Django's own takes UUIDs in lower case only; iOS writes them in upper case, and bodies and filters take both.
    flags = re.IGNORECASE | re.ASCII if kind == "uuid" else 0
    node.converted.append(_Converted(name, converter, re.compile(converter.regex, flags).fullmatch, _Node()))
    return node.converted[-1].below


def _found(node: _Node, segments: list[str], at: int, arguments: dict[str, Any]) -> _Node | None:
    if at == len(segments):
        return node if node.pattern is not None else None
    segment = segments[at]
    child = node.literal.get(segment)
    found = _found(child, segments, at + 1, arguments) if child is not None else None
    if found is not None:
        return found
    for one in node.converted:
        if not one.fits(segment):
            continue
        try:
            value = one.converter.to_python(segment)
        except ValueError:
            continue
        found = _found(one.below, segments, at + 1, arguments)
        if found is not None:
            arguments[one.name] = value
            return found
    return None
