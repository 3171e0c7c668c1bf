"""Pictures of a plan: what its blocks hand to each other, and how its stages train."""
