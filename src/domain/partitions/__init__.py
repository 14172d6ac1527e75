"""What is owned: from the fetch to the commit."""
