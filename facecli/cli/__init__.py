"""The command line: one file a command; parse, call a service, report."""
