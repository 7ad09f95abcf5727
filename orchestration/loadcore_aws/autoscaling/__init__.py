"""How CloudWatch alarms and EC2 Auto Scaling decide on a number of instances, without AWS: what may
be said in a file (spec), metrics, alarms, policies and the group in time, as pure functions."""

from loadcore_aws.autoscaling.alarms import (
    AlarmWatch,
    Evaluation,
    State,
    evaluate,
    evaluation_interval_s,
    evaluation_range,
)
from loadcore_aws.autoscaling.group import Activity, GroupState, Instance, Timings
from loadcore_aws.autoscaling.metrics import NAMED, NamedMetric, Sample, SampleStore, aggregate
from loadcore_aws.autoscaling.policies import (
    Proposal,
    adjusted,
    step_for,
    tracked_capacity,
    tracking_alarms,
    wins,
)
from loadcore_aws.autoscaling.spec import (
    Alarm,
    Group,
    Metric,
    Scaling,
    Schedule,
    Simple,
    Step,
    StepPolicy,
    TargetTracking,
)

__all__ = [
    "NAMED",
    "Activity",
    "Alarm",
    "AlarmWatch",
    "Evaluation",
    "Group",
    "GroupState",
    "Instance",
    "Metric",
    "NamedMetric",
    "Proposal",
    "Sample",
    "SampleStore",
    "Scaling",
    "Schedule",
    "Simple",
    "State",
    "Step",
    "StepPolicy",
    "TargetTracking",
    "Timings",
    "adjusted",
    "aggregate",
    "evaluate",
    "evaluation_interval_s",
    "evaluation_range",
    "step_for",
    "tracked_capacity",
    "tracking_alarms",
    "wins",
]
