"""What all doors share: the server, routes, requests, answers and refusals."""
