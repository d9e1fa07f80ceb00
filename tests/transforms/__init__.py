"""The transforms: one table and one contract for all of them, then what each alone does."""
