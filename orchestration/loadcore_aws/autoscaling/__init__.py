"""How CloudWatch alarms and EC2 Auto Scaling decide on a number of instances, without AWS: what may
be said in a file (spec), metrics, alarms, policies and the group in time, as pure functions; and
on top of these a simulation of a setup under a load, and a lint that finds the classic mistakes."""

from loadcore_aws.autoscaling.alarms import (
    AlarmWatch,
    Evaluation,
    State,
    evaluate,
    evaluation_interval_s,
    evaluation_range,
)
from loadcore_aws.autoscaling.group import Activity, GroupState, Instance, Timings
from loadcore_aws.autoscaling.lint import Finding, lint
from loadcore_aws.autoscaling.metrics import NAMED, NamedMetric, Sample, SampleStore, aggregate
from loadcore_aws.autoscaling.policies import (
    Proposal,
    adjusted,
    step_for,
    tracked_capacity,
    tracking_alarms,
    wins,
)
from loadcore_aws.autoscaling.policy_file import PolicyFile
from loadcore_aws.autoscaling.policy_file import read as read_policy
from loadcore_aws.autoscaling.result import Simulation
from loadcore_aws.autoscaling.service_model import ServiceModel
from loadcore_aws.autoscaling.simulate import simulate
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
from loadcore_aws.autoscaling.trace import Load, Trace, constant, generated, of_run
from loadcore_aws.autoscaling.trace import read as read_trace

__all__ = [
    "NAMED",
    "Activity",
    "Alarm",
    "AlarmWatch",
    "Evaluation",
    "Finding",
    "Group",
    "GroupState",
    "Instance",
    "Load",
    "Metric",
    "NamedMetric",
    "PolicyFile",
    "Proposal",
    "Sample",
    "SampleStore",
    "Scaling",
    "Schedule",
    "ServiceModel",
    "Simple",
    "Simulation",
    "State",
    "Step",
    "StepPolicy",
    "TargetTracking",
    "Timings",
    "Trace",
    "adjusted",
    "aggregate",
    "constant",
    "evaluate",
    "evaluation_interval_s",
    "evaluation_range",
    "generated",
    "lint",
    "of_run",
    "read_policy",
    "read_trace",
    "simulate",
    "step_for",
    "tracked_capacity",
    "tracking_alarms",
    "wins",
]
