import os
from pathlib import Path

import pytest
from docs_checks import RECIPES, SNIPPETS, assert_runs
from llama_index.core import _static

os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(Path(_static.__path__[0]) / "tiktoken_cache"))


# LiteLLM is in the other environment.
@pytest.mark.parametrize("name", sorted(SNIPPETS.keys() - {"LiteLLM"}))
def test_snippet(name):
    assert_runs(SNIPPETS[name])


@pytest.mark.parametrize("name", sorted(name for name in RECIPES if "litellm" not in name))
def test_recipe(name):
    assert_runs(RECIPES[name])


def test_every_client_has_a_snippet():
    assert len(SNIPPETS) >= 7
    assert len(RECIPES) >= 4
