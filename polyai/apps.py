from django.apps import AppConfig


class PolyAIConfig(AppConfig):
    name = "polyai"

    def ready(self) -> None:
        from polyai import checks as checks  # registers them
        from polyai import naming

        naming.translate()
