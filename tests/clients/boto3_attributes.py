"""What boto3 says of instances, volumes and keys beside their life: attributes, disks of a launch, tags at creation, STS."""
import os

import boto3
from botocore.exceptions import ClientError

url = os.environ["EC2_URL"]
ec2 = boto3.client("ec2", endpoint_url=url)
quick = {"Delay": 1, "MaxAttempts": 60}


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e.response
        return
    raise AssertionError("%s did not refuse with %s" % (call.__name__, code))


def attribute(instance, name):
    answer = ec2.describe_instance_attribute(InstanceId=instance, Attribute=name)
    return answer[name[0].upper() + name[1:]].get("Value")


# Who am I: at the same address, and at any path.
for at in (url, url.rsplit("/", 1)[0] + "/"):
    me = boto3.client("sts", endpoint_url=at).get_caller_identity()
    assert len(me["Account"]) == 12 and me["Arn"].endswith(":user/admin") and me["UserId"], me
try:
    boto3.client("sts", endpoint_url=url, aws_access_key_id="nobody", aws_secret_access_key="x" * 86).get_caller_identity()
    raise AssertionError("an unknown key was answered")
except ClientError as e:
    assert e.response["Error"]["Code"] == "AuthFailure", e.response

tags = [{"Key": "role", "Value": "web"}]
of = lambda kind: [{"ResourceType": kind, "Tags": tags}]
key = ec2.create_key_pair(KeyName="attributes", TagSpecifications=of("key-pair"))
assert key["Tags"] == tags, key
assert ec2.describe_key_pairs(Filters=[{"Name": "tag:role", "Values": ["web"]}])["KeyPairs"][0]["Tags"] == tags
group = ec2.create_security_group(GroupName="attributes", Description="d", TagSpecifications=of("security-group"))
assert group["Tags"] == tags, group
zone = ec2.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
image = ec2.describe_images()["Images"][0]["ImageId"]
disks = [{"DeviceName": "/dev/sda1", "Ebs": {"DeleteOnTermination": True}},
         {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 2, "DeleteOnTermination": False}},
         {"DeviceName": "/dev/sdg", "Ebs": {"VolumeSize": 3}}, {"DeviceName": "/dev/sdh", "VirtualName": "ephemeral0"}]
instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, KeyName="attributes", BlockDeviceMappings=disks,
                             DisableApiTermination=True, InstanceInitiatedShutdownBehavior="terminate", Monitoring={"Enabled": True},
                             TagSpecifications=of("instance") + of("volume"))["Instances"][0]
one = instance["InstanceId"]
ec2.get_waiter("instance_running").wait(InstanceIds=[one], WaiterConfig=quick)


def volumes():
    found = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [one]}])["Volumes"]
    return {v["Attachments"][0]["Device"]: v for v in found}


for _ in range(60):
    if all(v["Attachments"][0]["State"] == "attached" for v in volumes().values()) and len(volumes()) == 3:
        break
there = volumes()
assert sorted(there) == ["/dev/sda1", "/dev/sdf", "/dev/sdg"], there
ec2.get_waiter("volume_in_use").wait(VolumeIds=[v["VolumeId"] for v in there.values()], WaiterConfig=quick)
assert {d: v["Attachments"][0]["DeleteOnTermination"] for d, v in there.items()} == \
    {"/dev/sda1": True, "/dev/sdf": False, "/dev/sdg": True}
assert all(v["Tags"] == tags for v in there.values()), there
shown = ec2.describe_instances(InstanceIds=[one])["Reservations"][0]["Instances"][0]
assert shown["Monitoring"]["State"] == "enabled" and shown["Tags"] == tags, shown
on = {t["ResourceType"] for t in ec2.describe_tags(Filters=[{"Name": "key", "Values": ["role"]}])["Tags"]}
assert on >= {"instance", "volume", "key-pair", "security-group"}, on

# Attributes are kept, read back and heeded.
assert attribute(one, "disableApiTermination") is True and attribute(one, "instanceInitiatedShutdownBehavior") == "terminate"
refused("OperationNotPermitted", ec2.terminate_instances, InstanceIds=[one])
ec2.modify_instance_attribute(InstanceId=one, DisableApiStop={"Value": True})
refused("OperationNotPermitted", ec2.stop_instances, InstanceIds=[one])
ec2.modify_instance_attribute(InstanceId=one, Attribute="disableApiStop", Value="false")
assert attribute(one, "disableApiStop") is False
refused("IncorrectInstanceState", ec2.modify_instance_attribute, InstanceId=one, UserData={"Value": b"other"})
refused("InvalidParameterCombination", ec2.modify_instance_attribute, InstanceId=one, DisableApiStop={"Value": True},
        EbsOptimized={"Value": True})
refused("UnsupportedOperation", ec2.modify_instance_attribute, InstanceId=one, SourceDestCheck={"Value": False})
refused("InvalidInstanceAttributeValue", ec2.modify_instance_attribute, InstanceId=one,
        BlockDeviceMappings=[{"DeviceName": "/dev/sdz", "Ebs": {"DeleteOnTermination": True}}])
ec2.modify_instance_attribute(InstanceId=one, BlockDeviceMappings=[{"DeviceName": "/dev/sdg", "Ebs": {"DeleteOnTermination": False}}])
assert volumes()["/dev/sdg"]["Attachments"][0]["DeleteOnTermination"] is False
ec2.modify_instance_attribute(InstanceId=one, Groups=[group["GroupId"]])
groups = ec2.describe_instance_attribute(InstanceId=one, Attribute="groupSet")["Groups"]
assert [g["GroupId"] for g in groups] == [group["GroupId"]], groups
assert ec2.unmonitor_instances(InstanceIds=[one])["InstanceMonitorings"][0]["Monitoring"]["State"] == "disabling"
options = ec2.modify_instance_metadata_options(InstanceId=one, HttpTokens="required")["InstanceMetadataOptions"]
assert options["HttpTokens"] == "required" and options["State"] == "applied", options
assert ec2.modify_instance_maintenance_options(InstanceId=one, AutoRecovery="disabled")["AutoRecovery"] == "disabled"
assert "login:" in ec2.get_console_output(InstanceId=one)["Output"]
ec2.stop_instances(InstanceIds=[one])
ec2.get_waiter("instance_stopped").wait(InstanceIds=[one], WaiterConfig=quick)
ec2.modify_instance_attribute(InstanceId=one, UserData={"Value": b"other"})
assert attribute(one, "userData") == "b3RoZXI=", attribute(one, "userData")

# Volumes.
volume = there["/dev/sdf"]["VolumeId"]
assert ec2.describe_volume_status(VolumeIds=[volume])["VolumeStatuses"][0]["VolumeStatus"]["Status"] == "ok"
ec2.modify_volume_attribute(VolumeId=volume, AutoEnableIO={"Value": True})
assert ec2.describe_volume_attribute(VolumeId=volume, Attribute="autoEnableIO")["AutoEnableIO"]["Value"] is True
ec2.enable_volume_io(VolumeId=volume)

# What there is none of is an empty list, and what is asked for of it is not there.
assert ec2.describe_instance_type_offerings(LocationType="availability-zone")["InstanceTypeOfferings"][0]["Location"] == zone
for call in (ec2.describe_reserved_instances, ec2.describe_spot_instance_requests, ec2.describe_hosts, ec2.describe_launch_templates):
    assert not [v for v in call().values() if isinstance(v, list) and v], call
refused("InvalidLaunchTemplateId.NotFound", ec2.describe_launch_templates, LaunchTemplateIds=["lt-00000000000000000"])
assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False
assert ec2.describe_id_format(Resource="instance")["Statuses"][0]["UseLongIds"] is True

# The end: disks that stay are free at once, the others are gone.
ec2.modify_instance_attribute(InstanceId=one, DisableApiTermination={"Value": False})
ec2.terminate_instances(InstanceIds=[one])
ec2.get_waiter("instance_terminated").wait(InstanceIds=[one], WaiterConfig=quick)
left = ec2.describe_volumes(VolumeIds=[there["/dev/sdf"]["VolumeId"], there["/dev/sdg"]["VolumeId"]])["Volumes"]
assert {v["State"] for v in left} == {"available"}, left
refused("InvalidVolume.NotFound", ec2.describe_volumes, VolumeIds=[there["/dev/sda1"]["VolumeId"]])
for v in left:
    ec2.delete_volume(VolumeId=v["VolumeId"])
ec2.terminate_instances(InstanceIds=[one])
ec2.delete_key_pair(KeyName="attributes")
print("ok", one)
