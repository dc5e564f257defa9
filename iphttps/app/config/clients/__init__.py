"""What the configurations of both clients have in common: options, and checks that involve several of them."""
