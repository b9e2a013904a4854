"""Ties of influence between artists: who follows whom, and their sound."""
