"""Runs a program again on the caller's tape, with other gradients or faster ones."""
