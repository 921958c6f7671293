from django.apps import AppConfig


class PolyAIConfig(AppConfig):
    name = "polyai"

    def ready(self) -> None:
        from polyai import checks  # noqa: F401  # registers them
