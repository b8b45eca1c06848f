"""What every method shares: registration, compilation, batches, targets, options."""
