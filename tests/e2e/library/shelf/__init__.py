"""The project's application: books on a shelf."""
