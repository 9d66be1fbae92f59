"""What operators ask of jobs, and why a job does not move."""
