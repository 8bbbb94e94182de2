"""What scans found in photos and how far they came, kept between runs in one private SQLite file."""
