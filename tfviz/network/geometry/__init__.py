"""Where in the image the places of a value lie: followed from the image through the program, operation by operation."""
