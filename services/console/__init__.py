"""The face of Plumbline: pages for people, rendered on the server over the services' APIs. No rules, no database."""
