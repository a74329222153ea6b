from docs_checks import assert_runs


def test_litellm():
    assert_runs("LiteLLM")
