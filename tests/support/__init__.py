"""What the tests share: models of every kind, attacks, mutations, what is left for the night."""
