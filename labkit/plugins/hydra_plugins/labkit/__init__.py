"""Thin shells that Hydra finds by name; their bodies are in labkit.multirun."""
