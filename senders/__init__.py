"""Senders: push services and e-mail, for users who are offline, and the texts of what is sent."""
