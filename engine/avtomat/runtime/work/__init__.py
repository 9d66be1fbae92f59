"""The workers' side: registrations, hand-out, results."""
