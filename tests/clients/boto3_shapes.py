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


# What the loop leaves out because it changes something: each is carried out once, so that every action's answer is seen.
def again(call, **arguments):
    """Tried for as long as what came before is still at work."""
    end = time.time() + 60
    while True:
        try:
            return call(**arguments)
        except ClientError as e:
            if e.response["Error"]["Code"] not in ("IncorrectInstanceState", "IncorrectState", "DependencyViolation", "VolumeInUse") or time.time() > end:
                raise
            time.sleep(0.5)


region = ec2.describe_regions()["Regions"][0]["RegionName"]
launched = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, KeyName="shapes", SecurityGroupIds=[group])
last = launched["Instances"][0]["InstanceId"]
ec2.get_waiter("instance_running").wait(InstanceIds=[last], WaiterConfig=quick)
root = ec2.describe_instances(InstanceIds=[last])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
ec2.create_tags(Resources=[last, root, group], Tags=[{"Key": "k", "Value": "v"}])
ec2.delete_tags(Resources=[last, root], Tags=[{"Key": "k"}])
address = ec2.allocate_address(Domain="vpc")["AllocationId"]
bound = ec2.associate_address(AllocationId=address, InstanceId=last)["AssociationId"]
ec2.describe_addresses()
ec2.describe_addresses_attribute(AllocationIds=[address], Attribute="domain-name")
ec2.describe_network_interfaces()
ec2.disassociate_address(AssociationId=bound)
ec2.release_address(AllocationId=address)
disk = ec2.create_volume(AvailabilityZone=zone, Size=1)["VolumeId"]
ec2.get_waiter("volume_available").wait(VolumeIds=[disk], WaiterConfig=quick)
ec2.attach_volume(VolumeId=disk, InstanceId=last, Device="/dev/sdh")
ec2.get_waiter("volume_in_use").wait(VolumeIds=[disk], Filters=[{"Name": "attachment.status", "Values": ["attached"]}], WaiterConfig=quick)
ec2.detach_volume(VolumeId=disk)
ec2.get_waiter("volume_available").wait(VolumeIds=[disk], WaiterConfig=quick)
ec2.modify_volume(VolumeId=disk, Size=2)
ec2.describe_volumes_modifications(VolumeIds=[disk])
ec2.modify_volume_attribute(VolumeId=disk, AutoEnableIO={"Value": False})
ec2.delete_volume(VolumeId=disk)
ec2.get_waiter("volume_deleted").wait(VolumeIds=[disk], WaiterConfig=quick)
taken = ec2.create_snapshot(VolumeId=root)["SnapshotId"]
ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[taken], WaiterConfig=quick)
twin = ec2.copy_snapshot(SourceSnapshotId=taken, SourceRegion=region)["SnapshotId"]
ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[twin], WaiterConfig=quick)
ec2.modify_snapshot_attribute(SnapshotId=taken, Attribute="createVolumePermission", OperationType="remove", GroupNames=["all"])
ec2.reset_snapshot_attribute(SnapshotId=taken, Attribute="createVolumePermission")
made = ec2.create_image(InstanceId=last, Name="shapes", NoReboot=True)["ImageId"]
copied = again(ec2.register_image, Name="shapes 2", RootDeviceName="/dev/sda1", BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": taken}}])["ImageId"]
ec2.get_waiter("image_exists").wait(ImageIds=[made], WaiterConfig=quick)
ec2.get_waiter("image_available").wait(ImageIds=[made, copied], WaiterConfig=quick)
third = ec2.copy_image(SourceImageId=made, SourceRegion=region, Name="shapes 3")["ImageId"]
ec2.get_waiter("image_available").wait(ImageIds=[third], WaiterConfig=quick)
ec2.modify_image_attribute(ImageId=made, Description={"Value": "said"})
ec2.describe_image_attribute(ImageId=made, Attribute="launchPermission")
ec2.reset_image_attribute(ImageId=made, Attribute="launchPermission")
ec2.enable_image_deprecation(ImageId=made, DeprecateAt="2040-01-01T00:00:00Z")
ec2.disable_image_deprecation(ImageId=made)
for one_image in (made, copied, third):
    ec2.deregister_image(ImageId=one_image)
for one_snapshot in (taken, twin):
    ec2.delete_snapshot(SnapshotId=one_snapshot)
ec2.create_placement_group(GroupName="shapes", Strategy="spread")
ec2.describe_placement_groups()
ec2.create_placement_group(GroupName="shapes-2", Strategy="spread")
ec2.delete_placement_group(GroupName="shapes-2")
nic = ec2.describe_instances(InstanceIds=[last])["Reservations"][0]["Instances"][0]["NetworkInterfaces"][0]["NetworkInterfaceId"]
ec2.modify_network_interface_attribute(NetworkInterfaceId=nic, Groups=[group])
ec2.describe_network_interface_attribute(NetworkInterfaceId=nic, Attribute="groupSet")
ec2.modify_instance_attribute(InstanceId=last, DisableApiTermination={"Value": False})
ec2.reset_instance_attribute(InstanceId=last, Attribute="sourceDestCheck")
ec2.reboot_instances(InstanceIds=[last])
ec2.get_waiter("instance_running").wait(InstanceIds=[last], WaiterConfig=quick)
ec2.get_waiter("instance_status_ok").wait(InstanceIds=[last], WaiterConfig=quick)
again(ec2.stop_instances, InstanceIds=[last])
ec2.get_waiter("instance_stopped").wait(InstanceIds=[last], WaiterConfig=quick)
ec2.modify_instance_placement(InstanceId=last, GroupName="shapes")
ec2.start_instances(InstanceIds=[last])
ec2.get_waiter("instance_running").wait(InstanceIds=[last], WaiterConfig=quick)
ec2.get_password_data(InstanceId=last)
ec2.get_console_output(InstanceId=last)
other = ec2.create_security_group(GroupName="shapes-2", Description="d")["GroupId"]
pair = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]
for way in ("ingress", "egress"):
    getattr(ec2, "authorize_security_group_" + way)(GroupId=other, IpPermissions=pair)
    getattr(ec2, "update_security_group_rule_descriptions_" + way)(GroupId=other, IpPermissions=pair)
number = next(r for r in ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [other]}])["SecurityGroupRules"] if not r["IsEgress"])
ec2.modify_security_group_rules(GroupId=other, SecurityGroupRules=[{"SecurityGroupRuleId": number["SecurityGroupRuleId"], "SecurityGroupRule": {
    "IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "CidrIpv4": "10.0.0.0/8", "Description": "x"}}])
for way in ("ingress", "egress"):
    getattr(ec2, "revoke_security_group_" + way)(GroupId=other, IpPermissions=pair)
ec2.describe_vpc_attribute(VpcId=ec2.describe_vpcs()["Vpcs"][0]["VpcId"], Attribute="enableDnsSupport")
ec2.describe_security_group_references(GroupId=[other])
ec2.describe_stale_security_groups(VpcId=ec2.describe_vpcs()["Vpcs"][0]["VpcId"])
ec2.delete_security_group(GroupId=other)
ec2.terminate_instances(InstanceIds=[one, last])
ec2.get_waiter("instance_terminated").wait(InstanceIds=[one, last], WaiterConfig=quick)
line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPAaQu9b3Qm6YhbUP9iJT0RAPjIzz7G5G4Qq4n0nRjJk x"
ec2.import_key_pair(KeyName="imported", PublicKeyMaterial=line.encode())
ec2.get_waiter("key_pair_exists").wait(KeyNames=["imported"], WaiterConfig=quick)
ec2.delete_key_pair(KeyName="imported")
again(ec2.delete_security_group, GroupId=group)
assert tally["dry"] > 40, tally
left = sorted((mapped & set(model.operation_names)) - shapes.ANSWERED)
assert not left, "never answered: %s" % left
print("ok", shapes.judge(), tally)
