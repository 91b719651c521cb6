"""The receivers of the site, one module per app that sends. The senders do not know them."""
