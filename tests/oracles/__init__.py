"""Slow, plain references that define what the fast code must do."""
