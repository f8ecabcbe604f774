"""The plugin, its targets and its report; and lines that lead over a network to a board."""
