"""SavedModels that explain themselves, with one signature a method."""
