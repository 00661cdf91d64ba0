"""What a bar is as text: its line, and the terminal that it stands on. Knows no bar."""
