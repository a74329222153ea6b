from docs_checks import RECIPES, SNIPPETS, assert_runs


def test_litellm():
    assert_runs(SNIPPETS["LiteLLM"])
    assert_runs(RECIPES["migrating/litellm.md 0"])
