"""Thin shells that people and programs touch: the page, the API and the command."""
