"""Runs what docs/clients.md shows."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse

import support

PAGE = (Path(__file__).parents[3] / "docs/clients.md").read_text(encoding="utf-8")
SNIPPETS = dict(re.findall(r"^### ([^\n]+)\n(?:(?!^###).)*?^```python\n(.*?)^```", PAGE, re.M | re.S))


def assert_runs(name: str) -> None:
    """Fails unless the snippet prints what its last line says."""
    code = SNIPPETS[name]
    output = re.search(r"# ([^\n]+)\n$", code)[1]
    code = code.replace("127.0.0.1:4000", urlparse(support.stand.keyless).netloc)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == output
