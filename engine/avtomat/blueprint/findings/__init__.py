"""What the checker finds: codes, places and words."""
