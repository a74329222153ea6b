import os
from pathlib import Path

import pytest
from docs_checks import SNIPPETS, assert_runs
from llama_index.core import _static

os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(Path(_static.__path__[0]) / "tiktoken_cache"))


# LiteLLM is in the other environment.
@pytest.mark.parametrize("name", sorted(SNIPPETS.keys() - {"LiteLLM"}))
def test_snippet(name):
    assert_runs(name)


def test_every_client_has_a_snippet():
    assert len(SNIPPETS) >= 7
