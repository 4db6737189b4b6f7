"""Talks to video APIs: sends requests, reads jobs, classifies failures, reads status feeds."""
