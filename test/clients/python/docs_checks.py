"""Runs what the pages show."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse

import support

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "clients.md").read_text(encoding="utf-8")
SNIPPETS = dict(re.findall(r"^### ([^\n]+)\n(?:(?!^###).)*?^```python\n(.*?)^```", PAGE, re.M | re.S))
RECIPES = {
    f"{page.relative_to(DOCS)} {i}": code
    for folder in ("recipes", "migrating")
    for page in sorted((DOCS / folder).glob("*.md"))
    for i, code in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S))
}


def assert_runs(code: str) -> None:
    """Fails unless the program prints what its last line says."""
    output = re.search(r"  # ([^\n]+)\n$", code)[1]
    code = code.replace("127.0.0.1:4000", urlparse(support.stand.keyless).netloc)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == output
