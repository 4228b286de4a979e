"""What came out: figures, tables and the report."""
