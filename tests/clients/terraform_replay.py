"""What hashicorp/aws 5 and 6 ask, resource by resource, in their order: create, read back, update, read again, delete, see that it is gone.

The provider itself is not run here (docs/ec2-clients.md says why); its calls and what it expects of each answer are written down from its
documentation and its behaviour. boto3 says them without its own retries, so that a code that Terraform does not know shows.
"""
import base64
import os
import time
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import shapes

once = Config(retries={"total_max_attempts": 1})
ec2 = shapes.watch(boto3.client("ec2", endpoint_url=os.environ["EC2_URL"], config=once))
sts = boto3.client("sts", endpoint_url=os.environ["EC2_URL"], config=once)


def refused(codes, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] in codes, (codes, e.response)
        return
    raise AssertionError("%s was to be refused with %s: %s" % (call.__name__, codes, arguments))


def until(what, wanted, pending=()):
    """As the provider's state waiters: every state on the way must be one that it expects."""
    end = time.time() + 90
    while True:
        state = what()
        if state == wanted:
            return
        assert state in pending, "unexpected state %r, wanted %r" % (state, wanted)
        assert time.time() < end, state
        time.sleep(0.3)


def tags(word, **pairs):
    return [{"ResourceType": word, "Tags": [{"Key": k, "Value": v} for k, v in pairs.items()]}]


def flat(listed):
    return {t["Key"]: t["Value"] for t in listed}


# The provider's own start.
me = sts.get_caller_identity()
assert me["Account"].isdigit() and me["Arn"].split(":")[4] == me["Account"], me
ec2.describe_account_attributes(AttributeNames=["supported-platforms"])

# data "aws_ami": owners and filters, the most recent by CreationDate.
images = ec2.describe_images(Owners=["amazon", "self"], Filters=[{"Name": "state", "Values": ["available"]}, {"Name": "virtualization-type", "Values": ["hvm"]}],
                             IncludeDeprecated=False)["Images"]
image = sorted(images, key=lambda i: i["CreationDate"])[-1]
for field in ("Architecture", "ImageId", "ImageLocation", "ImageType", "OwnerId", "Public", "RootDeviceName", "RootDeviceType", "State", "VirtualizationType"):
    assert field in image, (field, image)
assert any(m["DeviceName"] == image["RootDeviceName"] for m in image["BlockDeviceMappings"]), image

# aws_key_pair
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
made = ec2.import_key_pair(KeyName="tf", PublicKeyMaterial=line, TagSpecifications=tags("key-pair", Name="tf"))
read = ec2.describe_key_pairs(KeyNames=["tf"])["KeyPairs"]
assert len(read) == 1 and (read[0]["KeyFingerprint"], read[0]["KeyPairId"], read[0]["KeyType"]) == (made["KeyFingerprint"], made["KeyPairId"], "rsa"), read
assert flat(read[0]["Tags"]) == {"Name": "tf"}, read
ec2.create_tags(Resources=[made["KeyPairId"]], Tags=[{"Key": "Name", "Value": "tf2"}])
assert flat(ec2.describe_key_pairs(KeyNames=["tf"])["KeyPairs"][0]["Tags"]) == {"Name": "tf2"}

# aws_security_group
vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]
group = ec2.create_security_group(GroupName="tf", Description="Managed by Terraform", VpcId=vpc["VpcId"], TagSpecifications=tags("security-group", Name="tf"))["GroupId"]


def read_group():
    found = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert len(found) == 1 and found[0]["GroupId"] == group and found[0]["VpcId"] == vpc["VpcId"] and found[0]["OwnerId"] == me["Account"], found
    return found[0]


def rule(protocol, low, high, cidr, text=None):
    return {"IpProtocol": protocol, "FromPort": low, "ToPort": high, "IpRanges": [{"CidrIp": cidr, **({"Description": text} if text else {})}]}


assert read_group()["IpPermissionsEgress"] == [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}] or \
    read_group()["IpPermissionsEgress"][0]["IpRanges"] == [{"CidrIp": "0.0.0.0/0"}], read_group()
# What AWS lets out by itself is taken away first; that there is none of IPv6 must be said in this one way.
ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[rule("-1", 0, 0, "0.0.0.0/0")])
refused({"InvalidPermission.NotFound"}, ec2.revoke_security_group_egress, GroupId=group,
        IpPermissions=[{"IpProtocol": "-1", "FromPort": 0, "ToPort": 0, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}])
assert read_group()["IpPermissionsEgress"] == [], read_group()
ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule("tcp", 22, 22, "10.0.0.0/8", "ssh"), rule("icmp", -1, -1, "0.0.0.0/0")])
ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[rule("-1", 0, 0, "0.0.0.0/0")])
shown = read_group()
assert flat(shown["Tags"]) == {"Name": "tf"} and shown["Description"] == "Managed by Terraform", shown
assert sorted((p["IpProtocol"], p["FromPort"], p["ToPort"], p["IpRanges"][0]["CidrIp"], p["IpRanges"][0].get("Description")) for p in shown["IpPermissions"]) == \
    [("icmp", -1, -1, "0.0.0.0/0", None), ("tcp", 22, 22, "10.0.0.0/8", "ssh")], shown
assert [(p["IpProtocol"], p.get("FromPort", 0), p["IpRanges"][0]["CidrIp"]) for p in shown["IpPermissionsEgress"]] == [("-1", 0, "0.0.0.0/0")], shown
# An update: what goes is revoked, what comes is authorized.
ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule("tcp", 22, 22, "10.0.0.0/8", "ssh")])
ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": group}]}])
web = next(p for p in read_group()["IpPermissions"] if p["IpProtocol"] == "tcp")
assert (web["FromPort"], web["UserIdGroupPairs"][0]["GroupId"], web["UserIdGroupPairs"][0]["UserId"]) == (443, group, me["Account"]), web

# aws_vpc_security_group_ingress_rule and …egress_rule
for authorize, revoke, egress in ((ec2.authorize_security_group_ingress, ec2.revoke_security_group_ingress, False),
                                  (ec2.authorize_security_group_egress, ec2.revoke_security_group_egress, True)):
    one = authorize(GroupId=group, IpPermissions=[rule("tcp", 8080, 8080, "192.0.2.0/24", "one rule")], TagSpecifications=tags("security-group-rule", Name="r"))
    made_rule, = one["SecurityGroupRules"]
    number = made_rule["SecurityGroupRuleId"]
    again, = ec2.describe_security_group_rules(SecurityGroupRuleIds=[number])["SecurityGroupRules"]
    assert (again["IsEgress"], again["GroupId"], again["CidrIpv4"], again["FromPort"], again["Description"], flat(again["Tags"])) == \
        (egress, group, "192.0.2.0/24", 8080, "one rule", {"Name": "r"}), again
    ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": number, "SecurityGroupRule": {
        "IpProtocol": "tcp", "FromPort": 8081, "ToPort": 8081, "CidrIpv4": "192.0.2.0/24", "Description": "moved"}}])
    again, = ec2.describe_security_group_rules(SecurityGroupRuleIds=[number])["SecurityGroupRules"]
    assert (again["FromPort"], again["Description"], flat(again["Tags"])) == (8081, "moved", {"Name": "r"}), again
    ec2.create_tags(Resources=[number], Tags=[{"Key": "Name", "Value": "s"}])
    assert flat(ec2.describe_security_group_rules(SecurityGroupRuleIds=[number])["SecurityGroupRules"][0]["Tags"]) == {"Name": "s"}
    revoke(GroupId=group, SecurityGroupRuleIds=[number])
    refused({"InvalidSecurityGroupRuleId.NotFound"}, ec2.describe_security_group_rules, SecurityGroupRuleIds=[number])

# aws_instance
kind, = ec2.describe_instance_types(InstanceTypes=["m1.small"])["InstanceTypes"]
assert kind["BurstablePerformanceSupported"] is False and kind["VCpuInfo"]["DefaultVCpus"] >= 1, kind
# root_block_device: the name of the root device is the image's.
root_name = ec2.describe_images(ImageIds=[image["ImageId"]])["Images"][0]["RootDeviceName"]
least = next(m["Ebs"]["VolumeSize"] for m in image["BlockDeviceMappings"] if m["DeviceName"] == root_name)
launch = dict(ImageId=image["ImageId"], InstanceType="m1.small", MinCount=1, MaxCount=1, ClientToken="terraform-" + uuid.uuid4().hex, KeyName="tf",
              SecurityGroupIds=[group], Monitoring={"Enabled": False}, EbsOptimized=False, DisableApiTermination=False,
              InstanceInitiatedShutdownBehavior="stop", UserData="#!/bin/sh\n", MetadataOptions={"HttpTokens": "optional", "HttpEndpoint": "enabled"},
              BlockDeviceMappings=[{"DeviceName": root_name, "Ebs": {"VolumeSize": least + 3, "DeleteOnTermination": True}}],
              TagSpecifications=tags("instance", Name="tf") + tags("volume", of="tf"))
instance = ec2.run_instances(**launch)["Instances"][0]["InstanceId"]


def read_instance():
    found = ec2.describe_instances(InstanceIds=[instance])["Reservations"]
    assert len(found) == 1 and len(found[0]["Instances"]) == 1, found
    return found[0]["Instances"][0]


def attribute(name):
    return ec2.describe_instance_attribute(InstanceId=instance, Attribute=name)


until(lambda: read_instance()["State"]["Name"], "running", ("pending",))
shown = read_instance()
for field, value in (("ImageId", image["ImageId"]), ("InstanceType", "m1.small"), ("KeyName", "tf"), ("EbsOptimized", False), ("RootDeviceName", root_name),
                     ("RootDeviceType", "ebs"), ("SourceDestCheck", True), ("VpcId", vpc["VpcId"])):
    assert shown[field] == value, (field, shown)
assert shown["Monitoring"]["State"] == "disabled" and shown["Placement"]["Tenancy"] == "default" and shown["PrivateIpAddress"], shown
assert [g["GroupId"] for g in shown["SecurityGroups"]] == [group] and flat(shown["Tags"]) == {"Name": "tf"}, shown
primary, = shown["NetworkInterfaces"]
assert primary["Attachment"]["DeviceIndex"] == 0 and primary["SubnetId"] == shown["SubnetId"], primary
assert ec2.describe_vpcs(VpcIds=[shown["VpcId"]])["Vpcs"][0]["IsDefault"] is True
disks = [m["Ebs"]["VolumeId"] for m in shown["BlockDeviceMappings"]]
volumes = ec2.describe_volumes(VolumeIds=disks)["Volumes"]
root, = [v for v in volumes if v["Attachments"][0]["Device"] == root_name]
assert root["Size"] == least + 3 and root["Attachments"][0]["DeleteOnTermination"] is True, root
assert {t["ResourceId"] for t in ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": disks}])["Tags"]} == set(disks)
assert attribute("disableApiStop")["DisableApiStop"]["Value"] is False and attribute("disableApiTermination")["DisableApiTermination"]["Value"] is False
assert attribute("instanceInitiatedShutdownBehavior")["InstanceInitiatedShutdownBehavior"]["Value"] == "stop"
assert base64.b64decode(attribute("userData")["UserData"]["Value"]) == b"#!/bin/sh\n"
# Updates in place.
ec2.create_tags(Resources=[instance], Tags=[{"Key": "Name", "Value": "tf2"}])
other = ec2.create_security_group(GroupName="tf-other", Description="Managed by Terraform", VpcId=vpc["VpcId"])["GroupId"]
ec2.modify_network_interface_attribute(NetworkInterfaceId=primary["NetworkInterfaceId"], Groups=[group, other])
ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": True})
ec2.monitor_instances(InstanceIds=[instance])
ec2.modify_instance_metadata_options(InstanceId=instance, HttpTokens="required", HttpEndpoint="enabled", HttpPutResponseHopLimit=1)
ec2.modify_volume(VolumeId=root["VolumeId"], Size=least + 4)
until(lambda: ec2.describe_volumes_modifications(VolumeIds=[root["VolumeId"]])["VolumesModifications"][0]["ModificationState"], "completed", ("modifying", "optimizing"))
shown = read_instance()
assert {g["GroupId"] for g in shown["SecurityGroups"]} == {group, other} and flat(shown["Tags"]) == {"Name": "tf2"}, shown
assert shown["Monitoring"]["State"] == "enabled" and attribute("disableApiTermination")["DisableApiTermination"]["Value"] is True, shown
assert ec2.describe_volumes(VolumeIds=[root["VolumeId"]])["Volumes"][0]["Size"] == least + 4
refused({"OperationNotPermitted"}, ec2.terminate_instances, InstanceIds=[instance])
# Updates that need it stopped.
ec2.stop_instances(InstanceIds=[instance])
until(lambda: read_instance()["State"]["Name"], "stopped", ("pending", "running", "shutting-down", "stopping"))
ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": "m1.medium"})
ec2.modify_instance_attribute(InstanceId=instance, UserData={"Value": b"#!/bin/bash\n"})
ec2.start_instances(InstanceIds=[instance])
until(lambda: read_instance()["State"]["Name"], "running", ("pending", "stopped"))
assert read_instance()["InstanceType"] == "m1.medium" and base64.b64decode(attribute("userData")["UserData"]["Value"]) == b"#!/bin/bash\n"

# aws_ebs_volume
volume = ec2.create_volume(AvailabilityZone=shown["Placement"]["AvailabilityZone"], Size=1, ClientToken="terraform-" + uuid.uuid4().hex,
                           TagSpecifications=tags("volume", Name="tf"))["VolumeId"]


def read_volume():
    found, = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    return found


until(lambda: read_volume()["State"], "available", ("creating",))
assert (read_volume()["Size"], read_volume()["Encrypted"], flat(read_volume()["Tags"]), read_volume()["SnapshotId"]) == (1, False, {"Name": "tf"}, ""), read_volume()
ec2.modify_volume(VolumeId=volume, Size=2)
until(lambda: ec2.describe_volumes_modifications(VolumeIds=[volume])["VolumesModifications"][0]["ModificationState"], "completed", ("modifying", "optimizing"))
until(lambda: read_volume()["State"], "available", ("creating", "modifying"))
assert read_volume()["Size"] == 2

# aws_volume_attachment: looked for first, then made, then waited for, all by filters on the one volume.
by = [{"Name": "attachment.device", "Values": ["/dev/sdh"]}, {"Name": "attachment.instance-id", "Values": [instance]}]


def attachment():
    found = ec2.describe_volumes(VolumeIds=[volume], Filters=by)["Volumes"]
    return found[0]["Attachments"][0]["State"] if found and found[0]["Attachments"] else None


assert attachment() is None
ec2.attach_volume(Device="/dev/sdh", InstanceId=instance, VolumeId=volume)
until(attachment, "attached", (None, "attaching"))
ec2.detach_volume(Device="/dev/sdh", InstanceId=instance, VolumeId=volume, Force=False)
until(attachment, None, ("attached", "detaching", "busy"))
ec2.delete_volume(VolumeId=volume)
refused({"InvalidVolume.NotFound"}, ec2.describe_volumes, VolumeIds=[volume])

# aws_eip, then aws_eip_association.
address = ec2.allocate_address(Domain="vpc", TagSpecifications=tags("elastic-ip", Name="tf"))


def read_address():
    found, = ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"]
    return found


assert (read_address()["Domain"], read_address()["PublicIp"], flat(read_address()["Tags"])) == ("vpc", address["PublicIp"], {"Name": "tf"}), read_address()
ec2.describe_addresses_attribute(AllocationIds=[address["AllocationId"]], Attribute="domain-name")
ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=instance, AllowReassociation=False)
end = time.time() + 60
while read_address().get("InstanceId") != instance:
    assert time.time() < end, read_address()
    time.sleep(0.3)
bound = read_address()
assert bound["AssociationId"] and bound["NetworkInterfaceId"] == primary["NetworkInterfaceId"] and bound["PrivateIpAddress"] == primary["PrivateIpAddress"], bound
by_association, = ec2.describe_addresses(Filters=[{"Name": "association-id", "Values": [bound["AssociationId"]]}])["Addresses"]
assert by_association["AllocationId"] == address["AllocationId"], by_association
assert read_instance()["PublicIpAddress"] == address["PublicIp"]
ec2.disassociate_address(AssociationId=bound["AssociationId"])
refused({"InvalidAssociationID.NotFound"}, ec2.disassociate_address, AssociationId=bound["AssociationId"])
ec2.release_address(AllocationId=address["AllocationId"], NetworkBorderGroup=read_address()["NetworkBorderGroup"])
refused({"InvalidAllocationID.NotFound"}, ec2.describe_addresses, AllocationIds=[address["AllocationId"]])

# Destroy, the other way round.
refused({"DependencyViolation"}, ec2.delete_security_group, GroupId=group)
ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": False})
ec2.terminate_instances(InstanceIds=[instance])
until(lambda: read_instance()["State"]["Name"], "terminated", ("pending", "running", "shutting-down", "stopped", "stopping"))
refused({"InvalidVolume.NotFound"}, ec2.describe_volumes, VolumeIds=[root["VolumeId"]])
for one in (group, other):
    assert ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [one]}])["NetworkInterfaces"] == []
    end = time.time() + 60
    while True:
        try:
            ec2.delete_security_group(GroupId=one)
            break
        except ClientError as e:
            # Retried by the provider for as long as it takes, this code alone.
            assert e.response["Error"]["Code"] == "DependencyViolation" and time.time() < end, e
            time.sleep(0.5)
    refused({"InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound"}, ec2.describe_security_groups, GroupIds=[one])
ec2.delete_key_pair(KeyName="tf")
refused({"InvalidKeyPair.NotFound"}, ec2.describe_key_pairs, KeyNames=["tf"])
print("ok", shapes.judge())
