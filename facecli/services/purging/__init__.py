"""Destroying what is kept of a person, and looking whether it is gone."""
