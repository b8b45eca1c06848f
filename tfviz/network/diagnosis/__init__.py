"""What must be said of a network or a result: custom gradients, randomness, zero gradients, scores that are not finite."""
