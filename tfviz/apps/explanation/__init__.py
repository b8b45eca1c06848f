"""`explain` and its result: what was explained, how it is shown, kept and told apart."""
