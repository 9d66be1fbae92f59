"""What is checked of a blueprint: its shape, and its meaning."""
