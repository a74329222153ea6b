from openai_checks import OpenAIChecks


class TestOpenAI(OpenAIChecks):
    pass
