"""`make bench`: how fast the real service is, beside the floor and the usual loop of the same run.

Figures of a busy machine mean little by themselves, so every case runs in turn three things against the same broker
and the same null Kinesis: the floor (a loop that only consumes), doka, and the baseline (`consume` and boto3's
`put_records`). The ratios hold anywhere.

A case is one line of `cases.CASES`. Nothing in here is needed by the service.
"""
