"""Before a sweep starts: memory, a probe of the speed, the plan, and what would be refused."""
