"""The read models from one side each: of a place, of a person, of whoever reported. Of a theme there is its timeline."""
