"""Data of the tutorials."""
