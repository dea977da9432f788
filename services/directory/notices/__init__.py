"""Notices: telling somebody outside of the application that something needs their answer."""
