"""Starts the servers once, and lets every client find the vocabulary without a network."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import support

ROOT = Path(__file__).parents[3]

os.environ.update(MEM0_TELEMETRY="False", HAYSTACK_TELEMETRY_ENABLED="False", ANONYMIZED_TELEMETRY="False")
# A client with its defaults: no key or address of the machine's user.
for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
    os.environ.pop(name, None)


@pytest.fixture(scope="session", autouse=True)
def stand():
    """The servers of test/clients/stand.ts; they stop when their input ends."""
    process = subprocess.Popen(
        ["node", "--import", "tsx", "test/clients/stand.ts"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    support.stand = support.Stand(**json.loads(process.stdout.readline()))
    yield support.stand
    process.stdin.close()
    process.wait(timeout=30)
