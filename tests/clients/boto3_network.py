"""boto3 over the networking face of EC2: elastic IPs, and the default VPC that an account sees."""
import os

import boto3
from botocore.exceptions import ClientError

ec2 = boto3.client("ec2", endpoint_url=os.environ["EC2_URL"])


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, (code, e)
        return
    raise AssertionError(f"{code} expected of {arguments}")


image = ec2.describe_images()["Images"][0]["ImageId"]
vpc, = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
subnet, = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
assert vpc["State"] == subnet["State"] == "available" and subnet["DefaultForAz"], (vpc, subnet)
assert vpc["CidrBlockAssociationSet"][0]["CidrBlock"] == vpc["CidrBlock"] == subnet["CidrBlock"], (vpc, subnet)
table, = ec2.describe_route_tables(Filters=[{"Name": "association.main", "Values": ["true"]}])["RouteTables"]
gateway, = ec2.describe_internet_gateways()["InternetGateways"]
assert gateway["Attachments"] == [{"State": "available", "VpcId": vpc["VpcId"]}], gateway
assert {r["GatewayId"] for r in table["Routes"]} == {"local", gateway["InternetGatewayId"]}, table
acl, = ec2.describe_network_acls()["NetworkAcls"]
assert acl["IsDefault"] and len(acl["Entries"]) == 4 and acl["Associations"][0]["SubnetId"] == subnet["SubnetId"], acl
options, = ec2.describe_dhcp_options(DhcpOptionsIds=[vpc["DhcpOptionsId"]])["DhcpOptions"]
assert any(o["Key"] == "domain-name-servers" for o in options["DhcpConfigurations"]), options
assert ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute="enableDnsSupport")["EnableDnsSupport"]["Value"]
attributes = {a["AttributeName"]: a["AttributeValues"][0]["AttributeValue"] for a in ec2.describe_account_attributes()["AccountAttributes"]}
assert (attributes["supported-platforms"], attributes["default-vpc"]) == ("VPC", vpc["VpcId"]), attributes
for empty in ["vpc_peering_connections", "vpc_endpoints", "prefix_lists", "managed_prefix_lists", "egress_only_internet_gateways",
              "nat_gateways", "customer_gateways", "vpn_gateways", "vpn_connections"]:
    answer = getattr(ec2, f"describe_{empty}")()
    assert [v for k, v in answer.items() if k != "ResponseMetadata"] == [[]], (empty, answer)
assert not ec2.describe_vpc_classic_link()["Vpcs"][0]["ClassicLinkEnabled"]
refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=["vpc-00000000000000000"])
refused("InvalidSubnetID.NotFound", ec2.describe_subnets, SubnetIds=["subnet-00000000000000000"])
refused("InvalidParameterValue", ec2.describe_subnets, Filters=[{"Name": "colour", "Values": ["red"]}])
refused("UnsupportedOperation", ec2.create_vpc, CidrBlock="10.0.0.0/16")
refused("NatGatewayNotFound", ec2.describe_nat_gateways, NatGatewayIds=["nat-00000000000000000"])

# What the VPC has once can be tagged, too, and is found by it.
parts = {"vpcs": vpc["VpcId"], "subnets": subnet["SubnetId"], "internet_gateways": gateway["InternetGatewayId"],
         "route_tables": table["RouteTableId"], "network_acls": acl["NetworkAclId"], "dhcp_options": vpc["DhcpOptionsId"]}
ec2.create_tags(Resources=list(parts.values()), Tags=[{"Key": "of", "Value": "the net"}])
for name, part in parts.items():
    found = ec2.get_paginator(f"describe_{name}").paginate(Filters=[{"Name": "tag:of", "Values": ["the net"]}]).build_full_result()
    found, = next(v for k, v in found.items() if isinstance(v, list))
    assert found["Tags"] == [{"Key": "of", "Value": "the net"}] and part in found.values(), (name, found)
tagged = {t["ResourceId"] for t in ec2.describe_tags(Filters=[{"Name": "key", "Values": ["of"]}])["Tags"]}
assert tagged >= set(parts.values()) - {subnet["SubnetId"]}, (tagged, parts)
ec2.delete_tags(Resources=list(parts.values()), Tags=[{"Key": "of"}])
assert not ec2.describe_tags(Filters=[{"Name": "key", "Values": ["of"]}])["Tags"]

group = ec2.create_security_group(GroupName="net", Description="of the VPC", VpcId=vpc["VpcId"])["GroupId"]
refused("InvalidVpcID.NotFound", ec2.create_security_group, GroupName="no", Description="x", VpcId="vpc-00000000000000000")
found, = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}, {"Name": "group-name", "Values": ["net"]}])[
    "SecurityGroups"]
assert (found["GroupId"], found["VpcId"]) == (group, vpc["VpcId"]), found

made = ec2.run_instances(ImageId=image, InstanceType="m1.small", MinCount=2, MaxCount=2, SubnetId=subnet["SubnetId"], SecurityGroupIds=[group])
one, two = (i["InstanceId"] for i in made["Instances"])
ec2.get_waiter("instance_running").wait(InstanceIds=[one, two], WaiterConfig={"Delay": 1})
address = ec2.allocate_address(Domain="vpc", TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": [{"Key": "Name", "Value": "front"}]}])
ip, allocation = address["PublicIp"], address["AllocationId"]
first = ec2.associate_address(AllocationId=allocation, InstanceId=one)["AssociationId"]
refused("Resource.AlreadyAssociated", ec2.associate_address, AllocationId=allocation, InstanceId=two, AllowReassociation=False)
nic, = ec2.describe_network_interfaces(Filters=[{"Name": "attachment.instance-id", "Values": [two]}])["NetworkInterfaces"]
assert (nic["SubnetId"], nic["VpcId"], nic["Groups"][0]["GroupId"]) == (subnet["SubnetId"], vpc["VpcId"], group), nic
second = ec2.associate_address(AllocationId=allocation, NetworkInterfaceId=nic["NetworkInterfaceId"])["AssociationId"]
assert second != first
refused("InvalidAssociationID.NotFound", ec2.disassociate_address, AssociationId=first)
refused("InvalidIPAddress.InUse", ec2.release_address, AllocationId=allocation)
refused("InvalidAllocationID.NotFound", ec2.release_address, AllocationId="eipalloc-00000000000000000")
refused("InvalidAddress.NotFound", ec2.release_address, PublicIp="192.0.2.1")
refused("DryRunOperation", ec2.allocate_address, DryRun=True)

instance = ec2.describe_instances(Filters=[{"Name": "network-interface.association.public-ip", "Values": [ip]}])["Reservations"][0]["Instances"][0]
interface, = instance["NetworkInterfaces"]
assert (instance["InstanceId"], instance["PublicIpAddress"], interface["Association"]["PublicIp"]) == (two, ip, ip), instance
assert (instance["VpcId"], instance["SubnetId"], interface["NetworkInterfaceId"]) == (nic["VpcId"], nic["SubnetId"], nic["NetworkInterfaceId"])
shown, = ec2.describe_addresses(Filters=[{"Name": "tag:Name", "Values": ["front"]}, {"Name": "instance-id", "Values": [two]}])["Addresses"]
assert (shown["AssociationId"], shown["NetworkInterfaceId"]) == (second, nic["NetworkInterfaceId"]), shown
assert shown["PrivateIpAddress"] == instance["PrivateIpAddress"], shown
again, = ec2.describe_network_interfaces(NetworkInterfaceIds=[nic["NetworkInterfaceId"]])["NetworkInterfaces"]
assert again["Association"]["AllocationId"] == allocation, again
groups = ec2.describe_network_interface_attribute(NetworkInterfaceId=nic["NetworkInterfaceId"], Attribute="groupSet")["Groups"]
assert groups[0]["GroupId"] == group, groups
assert ec2.describe_addresses_attribute(AllocationIds=[allocation], Attribute="domain-name")["Addresses"][0]["AllocationId"] == allocation

ec2.terminate_instances(InstanceIds=[one, two])
ec2.get_waiter("instance_terminated").wait(InstanceIds=[one, two], WaiterConfig={"Delay": 1})
assert not ec2.describe_addresses(AllocationIds=[allocation])["Addresses"][0].get("InstanceId")
ec2.release_address(AllocationId=allocation)
assert not ec2.describe_addresses()["Addresses"]
print("ok")
