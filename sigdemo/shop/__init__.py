"""The shop: an order is placed, and its signal fans out to the receivers of the site."""
