"""The Telegram Gateway channel: its settings and its factory."""

from kodgate.channels import Setup
from kodgate.channels.telegram.channel import TelegramChannel
from kodgate.channels.telegram.settings import TelegramSettings
from kodgate.channels.telegram.upstream import OnCall

__all__ = ["CHANNEL", "NAME", "OnCall", "TelegramChannel", "TelegramSettings"]

NAME = TelegramChannel.name


def create(setup: Setup) -> TelegramChannel | None:
    """None without a token. Raises ValueError that names the setting."""
    if not setup.settings.get("token"):
        return None
    settings = TelegramSettings(**setup.settings)
    return TelegramChannel(settings, setup.clock, on_call=setup.on_call)


CHANNEL = create
