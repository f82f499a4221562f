"""Parts of the design `axis`: the centre, the values around it, what the tables say, and how it is worded."""
