"""What is demanded of a worker, one function a demand."""
