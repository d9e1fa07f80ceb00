"""What several of the chapter's experiments use."""
