from django.apps import AppConfig, apps
from django.db.models.signals import post_delete, post_save
from django.utils.translation import gettext_lazy


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = gettext_lazy("Chat")

    def ready(self) -> None:
        """Whoever loses a right, in whichever way, reads no more of what is being written."""
        from chat.doubts import doubt_rights

        losses = {
            "sessions.Session": (post_delete,),
            "accounts.Membership": (post_delete,),
            "accounts.User": (post_save, post_delete),
            "accounts.Project": (post_save, post_delete),
        }
        for sender, signals in losses.items():
            for signal in signals:
                signal.connect(doubt_rights, sender=apps.get_model(sender), dispatch_uid=f"doubt {sender}")
