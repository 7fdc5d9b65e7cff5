"""Numbered, forward-only changes of the database."""
