"""The site: what its pages are made of, how Sphinx reads them and the names in them, and whether its links work."""
