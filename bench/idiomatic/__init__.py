"""The first yardstick: the same endpoints as a good engineer writes them with Django REST framework and nothing else.

Model serializers, viewsets and a router, joins and prefetches where they belong, a transaction and the row lock where
the rule needs them, DRF's own TokenAuthentication, renderer and parser, Django's usual middleware. It keeps its
connections open as Tandem does. It writes no events and no log line, and has no ETag, request id or idempotency.
"""
