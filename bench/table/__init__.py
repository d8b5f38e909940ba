"""What bench/run is made of: rows that measure, a store of results, and the page made from it."""
