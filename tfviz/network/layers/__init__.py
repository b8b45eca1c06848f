"""The feature maps of a network, and its tokens as maps, by the names of the layers that give them."""
