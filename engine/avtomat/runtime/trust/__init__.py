"""What replicas know of kinds of task and of workers by how attempts ended: breakers, and reputation."""
