"""A front before moto's server: records, injects faults, answers what moto lacks.

Use it through the fixture `aws` of tests/aws/conftest.py.
"""
