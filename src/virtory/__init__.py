"""virtory."""
