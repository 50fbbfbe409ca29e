"""The fast read path: a resource declares its answer once, and reads run as one constant SQL statement.

    statement.py   a queryset compiled once; its parameters are filled in by name
    answer.py      what a resource shows: fields, computed fields, nested lists → SQL that yields JSON, and the schema
    listing.py     filters, orders, pages and cursors of a list

Why, with figures: docs/decisions/0002-read-path.md.
"""
