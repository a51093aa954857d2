"""Snapshots and images with boto3 and its waiters: taken, made, shared, described, deregistered; volumes from snapshots, and larger."""
import os

import boto3
from botocore.exceptions import ClientError

import shapes

ec2 = shapes.watch(boto3.client("ec2", endpoint_url=os.environ["EC2_URL"]))
quick = {"Delay": 1, "MaxAttempts": 90}
GIB = 1 << 30


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e.response
        return
    raise AssertionError("%s did not refuse with %s" % (call.__name__, code))


zone = ec2.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
base = ec2.describe_images()["Images"][0]
me = base["OwnerId"]
instance = ec2.run_instances(ImageId=base["ImageId"], MinCount=1, MaxCount=1,
                             BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}])["Instances"][0]["InstanceId"]
ec2.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig=quick)
disks = {d["DeviceName"]: d["Ebs"]["VolumeId"] for d in
         ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"]}

# Snapshots.
tags = [{"Key": "why", "Value": "test"}]
snapshot = ec2.create_snapshot(VolumeId=disks["/dev/sdf"], Description="of a disk",
                               TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}])
assert snapshot["State"] == "pending" and snapshot["VolumeId"] == disks["/dev/sdf"], snapshot
ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot["SnapshotId"]], WaiterConfig=quick)
shown = ec2.describe_snapshots(OwnerIds=["self"], Filters=[{"Name": "tag:why", "Values": ["test"]}])["Snapshots"]
assert [(s["SnapshotId"], s["VolumeSize"], s["Description"], s["Progress"]) for s in shown] == \
    [(snapshot["SnapshotId"], 1, "of a disk", "100%")], shown
assert not ec2.describe_snapshots(OwnerIds=["amazon"])["Snapshots"]
assert ec2.describe_snapshots(RestorableByUserIds=["self"])["Snapshots"] and not ec2.describe_snapshots(RestorableByUserIds=["all"])["Snapshots"]
assert ec2.describe_snapshot_attribute(SnapshotId=snapshot["SnapshotId"], Attribute="createVolumePermission")["CreateVolumePermissions"] == []
refused("UnsupportedOperation", ec2.modify_snapshot_attribute, SnapshotId=snapshot["SnapshotId"], Attribute="createVolumePermission",
        OperationType="add", GroupNames=["all"])
volume = ec2.create_volume(AvailabilityZone=zone, SnapshotId=snapshot["SnapshotId"])["VolumeId"]
larger = ec2.create_volume(AvailabilityZone=zone, SnapshotId=snapshot["SnapshotId"], Size=3)["VolumeId"]
ec2.get_waiter("volume_available").wait(VolumeIds=[volume, larger], WaiterConfig=quick)
sizes = {v["VolumeId"]: (v["Size"], v["SnapshotId"]) for v in ec2.describe_volumes(VolumeIds=[volume, larger])["Volumes"]}
assert sizes == {volume: (1, snapshot["SnapshotId"]), larger: (3, snapshot["SnapshotId"])}, sizes
modified = ec2.modify_volume(VolumeId=volume, Size=2)["VolumeModification"]
assert (modified["OriginalSize"], modified["TargetSize"]) == (1, 2), modified
assert ec2.describe_volumes_modifications(VolumeIds=[volume])["VolumesModifications"][0]["ModificationState"] == "completed"
assert ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Size"] == 2
refused("InvalidParameterValue", ec2.modify_volume, VolumeId=volume, Size=1)
from_snapshot = ec2.run_instances(ImageId=base["ImageId"], MinCount=1, MaxCount=1, BlockDeviceMappings=[
    {"DeviceName": "/dev/sdg", "Ebs": {"SnapshotId": snapshot["SnapshotId"]}}])["Instances"][0]["InstanceId"]
ec2.get_waiter("instance_running").wait(InstanceIds=[from_snapshot], WaiterConfig=quick)
ec2.get_waiter("volume_in_use").wait(Filters=[{"Name": "attachment.instance-id", "Values": [from_snapshot]},
                                              {"Name": "snapshot-id", "Values": [snapshot["SnapshotId"]]}], WaiterConfig=quick)

# Images: of a running instance without a reboot, of a stopped one, of a snapshot, of a file.
live = ec2.create_image(InstanceId=instance, Name="live image", NoReboot=True,
                        TagSpecifications=[{"ResourceType": "image", "Tags": tags}])["ImageId"]
ec2.get_waiter("image_available").wait(ImageIds=[live], WaiterConfig=quick)
refused("InvalidAMIName.Duplicate", ec2.create_image, InstanceId=instance, Name="live image", NoReboot=True)
refused("InvalidAMIName.Malformed", ec2.create_image, InstanceId=instance, Name="a*bc")
assert ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["State"]["Name"] == "running"
image = ec2.describe_images(ImageIds=[live])["Images"][0]
assert image["Tags"] == tags and image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"].startswith("snap-"), image
rebooted = ec2.create_image(InstanceId=instance, Name="rebooted image", Description="said")["ImageId"]
ec2.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig=quick)
ec2.stop_instances(InstanceIds=[instance])
ec2.get_waiter("instance_stopped").wait(InstanceIds=[instance], WaiterConfig=quick)
stopped = ec2.create_image(InstanceId=instance, Name="stopped image")["ImageId"]
kept = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
registered = ec2.register_image(Name="of a snapshot", RootDeviceName="/dev/sda1",
                                BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": kept}}])["ImageId"]
filed = ec2.register_image(Name="of a file", ImageLocation="http://images.example.org/templates/a.vhd", Architecture="i386")["ImageId"]
old = ec2.register_image(Name="in the old way", ImageLocation="http://images.example.org/templates/a.vhd",
                         Architecture="VHD:%s:CentOS 5.3 (64-bit):Simulator" % zone)["ImageId"]
every = [rebooted, stopped, registered, filed, old]
ec2.get_waiter("image_available").wait(ImageIds=every, WaiterConfig=quick)
assert ec2.describe_images(ImageIds=[filed])["Images"][0]["Architecture"] == "i386"
assert {i["ImageId"] for i in ec2.describe_images(Owners=["self"])["Images"]} >= set(every)
again = ec2.run_instances(ImageId=live, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
ec2.get_waiter("instance_running").wait(InstanceIds=[again], WaiterConfig=quick)

# Copies within the region there is.
region = ec2.describe_regions()["Regions"][0]["RegionName"]
twin = ec2.copy_image(SourceImageId=live, SourceRegion=region, Name="the copy", Description="twice", CopyImageTags=True, ClientToken="once")["ImageId"]
assert ec2.copy_image(SourceImageId=live, SourceRegion=region, Name="the copy", Description="twice", CopyImageTags=True,
                      ClientToken="once")["ImageId"] == twin
refused("InvalidAMIName.Duplicate", ec2.copy_image, SourceImageId=live, SourceRegion=region, Name="the copy")
refused("InvalidParameterValue", ec2.copy_image, SourceImageId=live, SourceRegion="mars-1", Name="elsewhere")
refused("InvalidAMIID.NotFound", ec2.copy_image, SourceImageId="ami-00000000", SourceRegion=region, Name="elsewhere")
ec2.get_waiter("image_available").wait(ImageIds=[twin], WaiterConfig=quick)
copied = ec2.describe_images(ImageIds=[twin])["Images"][0]
assert (copied["Name"], copied["Description"], copied["Tags"], copied["Public"]) == ("the copy", "twice", tags, False), copied
second = ec2.copy_snapshot(SourceSnapshotId=snapshot["SnapshotId"], SourceRegion=region, Description="again",
                           TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}])
assert second["Tags"] == tags, second
ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[second["SnapshotId"]], WaiterConfig=quick)
shown = ec2.describe_snapshots(SnapshotIds=[second["SnapshotId"]])["Snapshots"][0]
assert (shown["Description"], shown["VolumeSize"], shown["Tags"]) == ("again", 1, tags), shown
refused("InvalidSnapshot.NotFound", ec2.copy_snapshot, SourceSnapshotId="snap-00000000", SourceRegion=region)
ec2.deregister_image(ImageId=twin)
ec2.delete_snapshot(SnapshotId=second["SnapshotId"])

# Their attributes.
assert ec2.describe_image_attribute(ImageId=rebooted, Attribute="description")["Description"]["Value"] == "said"
ec2.modify_image_attribute(ImageId=rebooted, Description={"Value": "other"})
assert ec2.describe_images(ImageIds=[rebooted])["Images"][0]["Description"] == "other"
ec2.modify_image_attribute(ImageId=live, LaunchPermission={"Add": [{"Group": "all"}]})
assert {"Group": "all"} in ec2.describe_image_attribute(ImageId=live, Attribute="launchPermission")["LaunchPermissions"]
refused("InvalidAMIAttributeItemValue", ec2.modify_image_attribute, ImageId=live, LaunchPermission={"Add": [{"UserId": "000000000000"}]})
ec2.reset_image_attribute(ImageId=live, Attribute="launchPermission")
assert ec2.describe_image_attribute(ImageId=live, Attribute="launchPermission")["LaunchPermissions"] == []
ec2.enable_image_deprecation(ImageId=live, DeprecateAt="2040-01-01T00:00:00Z")
assert ec2.describe_images(ImageIds=[live])["Images"][0]["DeprecationTime"] == "2040-01-01T00:00:00.000Z"
ec2.disable_image_deprecation(ImageId=live)
for attribute in ("blockDeviceMapping", "kernel", "bootMode", "productCodes"):
    ec2.describe_image_attribute(ImageId=live, Attribute=attribute)

# Groups that keep instances apart.
ec2.create_placement_group(GroupName="apart", Strategy="spread")
assert ec2.describe_placement_groups(GroupNames=["apart"])["PlacementGroups"][0]["Strategy"] == "spread"
refused("InvalidPlacementGroup.Duplicate", ec2.create_placement_group, GroupName="apart", Strategy="spread")
refused("UnsupportedOperation", ec2.create_placement_group, GroupName="together", Strategy="cluster")
ec2.modify_instance_placement(InstanceId=instance, GroupName="apart")
assert ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["Placement"]["GroupName"] == "apart"
ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": "m1.medium"})
assert ec2.describe_instance_attribute(InstanceId=instance, Attribute="instanceType")["InstanceType"]["Value"] == "m1.medium"
assert ec2.get_password_data(InstanceId=instance)["PasswordData"] == ""

# The end.
ec2.terminate_instances(InstanceIds=[instance, from_snapshot, again])
ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance, from_snapshot, again], WaiterConfig=quick)
gone = ec2.deregister_image(ImageId=live, DeleteAssociatedSnapshots=True)
assert gone["DeleteSnapshotResults"][0]["SnapshotId"] == kept, gone
for one in every:
    ec2.deregister_image(ImageId=one)
refused("InvalidAMIID.NotFound", ec2.describe_images, ImageIds=[live])
for one in (volume, larger):
    ec2.delete_volume(VolumeId=one)
ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])
refused("InvalidSnapshot.NotFound", ec2.describe_snapshots, SnapshotIds=[snapshot["SnapshotId"]])
print("ok", shapes.judge(), me)
