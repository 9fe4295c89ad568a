"""Collections that outgrow one machine: the same pass on a Ray cluster, from and to any store."""
