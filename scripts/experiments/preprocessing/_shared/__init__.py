"""What the chapter's experiments share."""
