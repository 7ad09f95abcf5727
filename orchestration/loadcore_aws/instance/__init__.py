"""What runs on an instance of a stack, beside the service: `python -m loadcore_aws.instance`.

    drain       waits until the instance is to end, drains the service, lets the group go on
    ship-logs   sends the service's journal to CloudWatch Logs
    ready       waits until the service is healthy, and tells the group where a hook waits for it
    units DIR   puts the unit files of this package there

settings.py is what the user data tells them; imds.py asks the instance about itself.
"""
