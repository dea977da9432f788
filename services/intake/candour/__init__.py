"""Duty of candour: being open with the person, by Regulation 20 of the HSCA (Regulated Activities) Regulations 2014."""
