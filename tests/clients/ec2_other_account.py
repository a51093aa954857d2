"""Another account's ids, for every parameter of every action that is an id: each is refused as if it named nothing, and nothing of the
other account changes, nor is anything of it shown. The actions and their parameters are read from mappings/ec2/."""
import base64
import datetime
import hashlib
import hmac
import os
import pathlib
import re
import tomllib
import urllib.parse
import xml.etree.ElementTree as tree

import boto3
import requests
from cs import CloudStack, read_config

URL = os.environ["EC2_URL"]
native = CloudStack(**read_config())
quick = {"Delay": 1, "MaxAttempts": 90}


def account(name):
    made = native.createAccount(accounttype=0, email="a@b", firstname=name, lastname=name, username=name, password="secret-" + name, account=name)
    keys = native.registerUserKeys(id=made["account"]["user"][0]["id"])["userkeys"]
    return keys["apikey"], keys["secretkey"]


def client(keys):
    return boto3.client("ec2", endpoint_url=URL, aws_access_key_id=keys[0], aws_secret_access_key=keys[1], region_name="ROOT")


def ask(keys, action, **parameters):
    """A Query as the mappings name its parameters, without what boto3 would check before it sends."""
    p = {"AWSAccessKeyId": keys[0], "SignatureVersion": "2", "SignatureMethod": "HmacSHA256", "Version": "2016-11-15", "Action": action}
    p["Timestamp"] = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    p.update(parameters)
    quote = lambda t: urllib.parse.quote(str(t), safe="-_.~")
    where = urllib.parse.urlsplit(URL)
    text = "\n".join(["POST", where.netloc.lower(), where.path, "&".join("%s=%s" % (quote(k), quote(p[k])) for k in sorted(p))])
    p["Signature"] = base64.b64encode(hmac.new(keys[1].encode(), text.encode(), hashlib.sha256).digest()).decode()
    answer = requests.post(URL, data=p, timeout=60)
    return answer.status_code, answer.text


ours, theirs = account("owner"), account("stranger")
a, b = client(ours), client(theirs)
image = next(i for i in a.describe_images()["Images"] if i["Public"])["ImageId"]
zone = a.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
key = a.create_key_pair(KeyName="owners")["KeyPairId"]
group = a.create_security_group(GroupName="owners", Description="d")["GroupId"]
rule = a.authorize_security_group_ingress(GroupId=group, IpPermissions=[{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}])
rule = rule["SecurityGroupRules"][0]["SecurityGroupRuleId"]
instance = a.run_instances(ImageId=image, MinCount=1, MaxCount=1, SecurityGroupIds=[group],
                           BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}])["Instances"][0]["InstanceId"]
a.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig=quick)
running = a.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
held = running["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
volume = a.create_volume(AvailabilityZone=zone, Size=1)["VolumeId"]
snapshot = a.create_snapshot(VolumeId=held)["SnapshotId"]
a.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig=quick)
own_image = a.create_image(InstanceId=instance, Name="owners image", NoReboot=True)["ImageId"]
a.get_waiter("image_available").wait(ImageIds=[own_image], WaiterConfig=quick)
address = a.allocate_address(Domain="vpc")
association = a.associate_address(AllocationId=address["AllocationId"], InstanceId=instance)["AssociationId"]
a.create_placement_group(GroupName="owners", Strategy="spread")
vpc = a.describe_vpcs()["Vpcs"][0]
parts = {"VpcId": vpc["VpcId"], "DhcpOptionsId": vpc["DhcpOptionsId"], "RouteTableId": a.describe_route_tables()["RouteTables"][0]["RouteTableId"],
         "InternetGatewayId": a.describe_internet_gateways()["InternetGateways"][0]["InternetGatewayId"],
         "NetworkAclId": a.describe_network_acls()["NetworkAcls"][0]["NetworkAclId"]}
nic = running["NetworkInterfaces"][0]["NetworkInterfaceId"]
foreign = dict(parts, InstanceId=instance, VolumeId=held, SnapshotId=snapshot, SourceSnapshotId=snapshot, ImageId=own_image, SourceImageId=own_image, GroupId=group,
               SecurityGroupId=group, ReferencedGroupId=group, SecurityGroupRuleId=rule, KeyPairId=key, AllocationId=address["AllocationId"],
               AssociationId=association, NetworkInterfaceId=nic, PublicIp=address["PublicIp"], VpcIds=vpc["VpcId"])

# The stranger's own world, so that what is asked beside the foreign id is right.
spare = b.create_volume(AvailabilityZone=zone, Size=1)["VolumeId"]
own_group = b.create_security_group(GroupName="strangers", Description="d")["GroupId"]
mine = b.run_instances(ImageId=image, MinCount=1, MaxCount=1, SecurityGroupIds=[own_group])["Instances"][0]["InstanceId"]
b.get_waiter("instance_running").wait(InstanceIds=[mine], WaiterConfig=quick)
own_address = b.allocate_address(Domain="vpc")["AllocationId"]
right = {"InstanceId": mine, "VolumeId": spare, "ImageId": image, "GroupId": own_group, "AvailabilityZone": zone, "Device": "/dev/sdk", "AllocationId": own_address,
         "KeyName": "none", "Name": "some name", "GroupName": "some", "GroupDescription": "d", "SourceRegion": b.describe_regions()["Regions"][0]["RegionName"],
         "IpProtocol": "tcp", "DeviceName": "/dev/sdf", "MinCount": "1", "MaxCount": "1", "RootDeviceName": "/dev/sda1", "Size": "1"}
BESIDE = {"AttachVolume": ["InstanceId", "VolumeId", "Device"], "AssociateAddress": ["AllocationId", "InstanceId"], "RunInstances": ["ImageId", "MinCount", "MaxCount"],
          "RegisterImage": ["Name"], "CopyImage": ["Name", "SourceRegion"], "CreateVolume": ["AvailabilityZone"], "ModifyInstanceAttribute": ["InstanceId"],
          "ModifyInstancePlacement": ["InstanceId"], "ModifyNetworkInterfaceAttribute": [], "CreateSecurityGroup": ["GroupName", "GroupDescription"]}


def world():
    """What the owner sees of its own, without what moves by itself."""
    text = []
    for name in ("instances", "volumes", "snapshots", "security_groups", "addresses", "key_pairs", "tags", "placement_groups"):
        found = getattr(a, "describe_" + name)()
        found.pop("ResponseMetadata")
        text.append(str(found))
    text.append(str(a.describe_image_attribute(ImageId=own_image, Attribute="launchPermission")["LaunchPermissions"]))
    return "\n".join(text)


def beside(action, declared, name):
    """What the action needs beside the parameter that is tried."""
    given = {}
    for other, text in declared.items():
        last = other.replace(".N", "").split(".")[-1]
        values = re.search(r"values ([^,]+)", text)
        if "required" in text and other != name:
            given[other.replace(".N", ".1")] = values[1].split("|")[0] if values else right.get(last, "5" if text.startswith("int") else "text")
    for last in BESIDE.get(action, []):
        if last != name:
            given[last] = right[last]
    # What stands in the same member of a list.
    holder = name.rsplit(".", 1)[0].replace(".Ebs", "") if name.count(".") > 1 else ""
    for last in ("DeviceName", "IpProtocol", "FromPort", "ToPort"):
        if holder and "%s.%s" % (holder, last) in declared:
            given.setdefault(("%s.%s" % (holder, last)).replace(".N", ".1"), right.get(last, "1"))
    top = name.split(".N.")[0] + ".N"
    if name.startswith("IpPermissions"):
        given.update({"IpPermissions.1.IpProtocol": "tcp", "IpPermissions.1.FromPort": "2", "IpPermissions.1.ToPort": "2"})
    return given, top


before = world()
hidden = [instance, held, volume, snapshot, own_image, group, rule, key, address["AllocationId"], association, nic]
tried, codes = 0, {}
for file in sorted((pathlib.Path(__file__).resolve().parents[2] / "mappings" / "ec2").glob("[A-Z]*.toml")):
    mapping = tomllib.loads(file.read_text())
    declared, action = mapping.get("request", {}), mapping["action"]
    for name, text in declared.items():
        last = name.removesuffix(".N").split(".")[-1]
        ids = list(foreign.values()) if last == "ResourceId" else [foreign[last]] if last in foreign else []
        if not ids or ", ignore" in text or name.endswith("*"):
            continue
        for one in ids:
            given, _ = beside(action, declared, name)
            given[name.replace(".N", ".1")] = one
            status, body = ask(theirs, action, **given)
            tried += 1
            what = "%s %s=%s: HTTP %d %s" % (action, name, one, status, body[:300])
            assert 400 <= status < 500, what
            code = tree.fromstring(body).findtext(".//Code")
            codes[code] = codes.get(code, 0) + 1
            assert code != "DryRunOperation", what
            assert not any(h in body for h in hidden if h != one), what
# Names mean one's own things alone.
for action, given in {"DescribeKeyPairs": {"KeyName.1": "owners"}, "DescribeSecurityGroups": {"GroupName.1": "owners"}, "DeleteSecurityGroup": {"GroupName": "owners"},
                      "DescribePlacementGroups": {"GroupName.1": "owners"}, "DeletePlacementGroup": {"GroupName": "owners"},
                      "RunInstances": {"ImageId": image, "MinCount": "1", "MaxCount": "1", "KeyName": "owners"}}.items():
    status, body = ask(theirs, action, **given)
    assert 400 <= status < 500, (action, status, body)
status, _ = ask(theirs, "DeleteKeyPair", KeyName="owners")
assert status == 200
# Nothing of the owner's is in any list that the stranger asks for.
for action in ("DescribeInstances", "DescribeVolumes", "DescribeSnapshots", "DescribeSecurityGroups", "DescribeSecurityGroupRules", "DescribeKeyPairs", "DescribeTags",
               "DescribeAddresses", "DescribeNetworkInterfaces", "DescribeImages", "DescribePlacementGroups", "DescribeInstanceStatus", "DescribeVolumeStatus"):
    status, body = ask(theirs, action)
    assert status == 200 and not any(h in body for h in hidden), (action, body)
assert world() == before, "%s\n%s" % (before, world())
found = sum(n for code, n in codes.items() if "NotFound" in code)
assert tried > 120 and found > 70, (tried, codes)
print("ok", tried, codes)
