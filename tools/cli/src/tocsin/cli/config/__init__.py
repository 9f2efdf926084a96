"""`tocsin config check`: reads settings as the services would, and says what they refuse and what they should not have."""
