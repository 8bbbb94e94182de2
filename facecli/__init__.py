"""facecli: who is in these photographs, told offline and honestly."""

__version__ = "0.1.0"
