"""How CloudWatch alarms and EC2 Auto Scaling decide on a number of instances, without AWS: what may
be said in a file (spec), metrics, alarms, policies and the group in time, as pure functions."""
