"""Text messages: rows written with the change, sent by the worker."""
