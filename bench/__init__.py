"""Side-by-side benchmarks: `python -m bench`, see __main__.py."""
