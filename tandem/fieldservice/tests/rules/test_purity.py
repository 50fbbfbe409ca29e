"""Rules know nothing of Django, and SciPy is not loaded before the first plan."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import tandem.fieldservice.rules as rules


def test_the_rules_load_without_django_and_without_scipy() -> None:
    names = [path.stem for path in Path(rules.__path__[0]).glob("*.py") if path.stem != "__init__"]
    assert {"assignment", "booking", "otp", "parts", "states", "warranty"} <= set(names)
    program = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module('tandem.fieldservice.rules.' + name)\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'django', 'rest_framework', 'scipy', 'numpy'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
