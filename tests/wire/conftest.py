"""Property tests here are about answers, not about how fast a shared machine gives them."""

from hypothesis import settings

settings.register_profile("wire", deadline=None)
settings.load_profile("wire")
