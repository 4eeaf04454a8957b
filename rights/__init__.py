"""Who may do what: the rights table as policies of Cedar (`policies.cedar`), and the engine that applies them."""
