"""``python -m trivium.run SCRIPT [arguments]``: runs a script that imports torch with Trivium."""
