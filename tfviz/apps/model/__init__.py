"""What the options about a model come to: an opened network, its images, its class names."""
