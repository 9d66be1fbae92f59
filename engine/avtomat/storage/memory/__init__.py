"""Jobs in this process: the reference implementation, with which every other store is compared."""
