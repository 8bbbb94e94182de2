"""Galleries as files that travel: what an archive is, writing and reading one, and tables of vectors from elsewhere."""
