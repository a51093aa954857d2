"""Every action that boto3 knows and the mappings have: called, with what its shape needs, after a small world was made. What comes back,
answer or refusal, is compared with botocore's shape. Also: DryRun is honoured by every action that has it, and nothing is a 5xx."""
import os
import pathlib
import re
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

import shapes

once = Config(retries={"total_max_attempts": 1})
ec2 = shapes.watch(boto3.client("ec2", endpoint_url=os.environ["EC2_URL"], config=once))
folder = pathlib.Path(__file__).resolve().parents[2] / 'mappings' / "ec2"
mapped = {f.stem for f in folder.glob("*.toml")}
quick = {"Delay": 1, "MaxAttempts": 90}
zone = ec2.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
image = ec2.describe_images()["Images"][0]["ImageId"]
key = ec2.create_key_pair(KeyName="shapes")["KeyPairId"]
group = ec2.create_security_group(GroupName="shapes", Description="d")["GroupId"]
rule = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
        {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "UserIdGroupPairs": [{"GroupId": group}]}]
ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rule)
launched = ec2.run_instances(ImageId=image, MinCount=2, MaxCount=2, KeyName="shapes", SecurityGroupIds=[group], UserData="x",
                             BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}],
                             TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}])
one, two = [i["InstanceId"] for i in launched["Instances"]]
ec2.get_waiter("instance_running").wait(InstanceIds=[one, two], WaiterConfig=quick)
ec2.terminate_instances(InstanceIds=[two])
volume = ec2.create_volume(AvailabilityZone=zone, Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "c"}]}])["VolumeId"]
ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig=quick)
world = {"InstanceId": one, "ImageId": image, "VolumeId": volume, "GroupId": group, "KeyName": "shapes", "KeyPairId": key,
         "AvailabilityZone": zone, "Attribute": {"DescribeInstanceAttribute": "instanceType", "DescribeVolumeAttribute": "autoEnableIO",
                                                 "DescribeImageAttribute": "description", "DescribeSnapshotAttribute": "createVolumePermission",
                                                 "DescribeAddressesAttribute": "domain-name"}, "Device": "/dev/sdk"}
if "CreateSnapshot" in mapped:
    held = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [one]}])["Volumes"][0]["VolumeId"]
    world["SnapshotId"] = ec2.create_snapshot(VolumeId=held, Description="d")["SnapshotId"]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[world["SnapshotId"]], WaiterConfig=quick)


def value(action, name, shape, depth=0):
    """Something that fits a parameter's shape."""
    if name in world and shape.type_name == "string":
        known = world[name]
        return known.get(action, "none") if isinstance(known, dict) else known
    if name.endswith("Ids") and name[:-1] in world and shape.type_name == "list":
        return [world[name[:-1]]]
    kind = shape.type_name
    if kind == "string":
        return shape.enum[0] if getattr(shape, "enum", None) else "text"
    if kind in ("integer", "long"):
        return 5
    if kind in ("double", "float"):
        return 1.0
    if kind == "boolean":
        return False
    if kind == "timestamp":
        return time.time()
    if kind == "blob":
        return b"text"
    if kind == "list":
        return [value(action, name.rstrip("s"), shape.member, depth + 1)]
    return {n: value(action, n, m, depth + 1) for n, m in shape.members.items() if n in shape.required_members or depth < 2 and n in world}


def snake(name):
    import botocore
    return botocore.xform_name(name)


tally = {"answered": 0, "refused": 0, "dry": 0}
model = ec2.meta.service_model
# What would take the world away comes last.
ends = lambda n: (bool(re.match("Terminate|Delete|Detach|Deregister|Release|Stop|Modify|Reset|Revoke", n)), n)
for action in sorted(mapped & set(model.operation_names), key=ends):
    shape = model.operation_model(action).input_shape
    members = shape.members if shape is not None else {}
    arguments = {n: value(action, n, members[n]) for n in (shape.required_members if shape is not None else [])}
    for name in ("InstanceId", "VolumeId", "GroupId", "ImageId", "SnapshotId", "Attribute", "KeyName"):
        if name in members and name not in arguments and not action.startswith(("Create", "Run", "Delete")) and name in world:
            arguments[name] = value(action, name, members[name])
    call = getattr(ec2, snake(action))
    if "DryRun" in members:
        try:
            call(DryRun=True, **arguments)
            shapes.MISTAKES.add("%s: DryRun answered" % action)
        except ClientError as e:
            tally["dry"] += e.response["Error"]["Code"] == "DryRunOperation"
        except ParamValidationError as e:
            shapes.MISTAKES.add("%s: %s" % (action, e))
    if not re.match("Describe|Get|Modify|Reset|Monitor|Unmonitor|Enable|Disable", action):
        continue
    try:
        call(**arguments)
        tally["answered"] += 1
    except ClientError as e:
        tally["refused"] += 1
        if action.startswith(("Describe", "Get")):
            print("refused:", action, arguments, e.response["Error"])
    if action.startswith("Describe") and "DryRun" in members:
        # Everything there is, not only what was named.
        plain = {n: v for n, v in arguments.items() if n in shape.required_members}
        try:
            call(**plain)
        except ClientError as e:
            print("refused:", action, plain, e.response["Error"])
for attribute in model.shape_for("InstanceAttributeName").enum:
    ec2.describe_instance_attribute(InstanceId=one, Attribute=attribute)
for page in ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}):
    assert page["Reservations"]
ec2.terminate_instances(InstanceIds=[one])
assert tally["dry"] > 40, tally
print("ok", shapes.judge(), tally)
