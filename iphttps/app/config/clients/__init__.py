"""The options that both clients have in common, and the checks that involve several of them."""
