"""The Telegram Gateway channel: its settings and its factory."""

from kodgate.channels.telegram.channel import TelegramChannel
from kodgate.channels.telegram.settings import TelegramSettings
from kodgate.channels.telegram.upstream import Clock, OnCall

__all__ = ["CHANNEL", "Clock", "OnCall", "TelegramChannel", "TelegramSettings"]

CHANNEL = TelegramChannel
