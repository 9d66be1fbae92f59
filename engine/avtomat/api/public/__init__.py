"""What everybody may ask: health, metrics, documentation."""
