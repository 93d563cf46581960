"""A small Django project: test_sqlite_django.py runs it."""
