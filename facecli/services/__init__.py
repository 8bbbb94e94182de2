"""The use cases: they return values, print nothing and know no command line."""
