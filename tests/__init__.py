"""Everything that CI holds true."""
