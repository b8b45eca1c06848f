"""Images and targets as users give them, and the batches that compiled functions take."""
