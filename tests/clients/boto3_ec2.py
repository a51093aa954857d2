"""The EC2 door with boto3: run two instances with a key and a group, wait, stop, start, terminate; refusals are client errors."""
import os

import boto3
from botocore.exceptions import ClientError

ec2 = boto3.client("ec2", endpoint_url=os.environ["EC2_URL"])


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e.response
        return
    raise AssertionError("%s did not refuse with %s" % (call.__name__, code))


assert ec2.describe_regions()["Regions"]
zone = ec2.describe_availability_zones()["AvailabilityZones"][0]
assert zone["State"] == "available", zone
image = ec2.describe_images()["Images"][0]
key = ec2.create_key_pair(KeyName="boto3")
assert "PRIVATE KEY" in key["KeyMaterial"]
group = ec2.create_security_group(GroupName="boto3", Description="made by boto3")["GroupId"]
rule = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]
ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rule)
shown = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
assert shown and shown[0]["FromPort"] == 22, shown
ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rule)

ask = dict(ImageId=image["ImageId"], InstanceType="m1.small", MinCount=2, MaxCount=2, KeyName="boto3", SecurityGroupIds=[group],
           UserData="hello", ClientToken="once")
ids = [i["InstanceId"] for i in ec2.run_instances(**ask)["Instances"]]
assert len(ids) == 2
assert sorted(i["InstanceId"] for i in ec2.run_instances(**ask)["Instances"]) == sorted(ids), "the client token was not honoured"
quick = {"Delay": 1, "MaxAttempts": 60}
ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=quick)
user_data = ec2.describe_instance_attribute(InstanceId=ids[0], Attribute="userData")["UserData"]["Value"]
assert user_data == "aGVsbG8=", user_data
assert ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [ids[0]]}])["Volumes"]
ec2.stop_instances(InstanceIds=[ids[0]])
ec2.get_waiter("instance_stopped").wait(InstanceIds=[ids[0]], WaiterConfig=quick)
ec2.start_instances(InstanceIds=[ids[0]])
ec2.get_waiter("instance_running").wait(InstanceIds=[ids[0]], WaiterConfig=quick)
ec2.reboot_instances(InstanceIds=[ids[0]])
refused("InvalidInstanceID.NotFound", ec2.describe_instances, InstanceIds=["i-00000000000000bad"])
refused("InvalidAMIID.NotFound", ec2.run_instances, ImageId="ami-00000000000000bad", MinCount=1, MaxCount=1)
ec2.terminate_instances(InstanceIds=ids)
ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=quick)
ec2.delete_key_pair(KeyName="boto3")

wrong = boto3.client("ec2", endpoint_url=os.environ["EC2_URL"], aws_secret_access_key="wrong",
                     aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"])
refused("SignatureDoesNotMatch", wrong.describe_regions)
print("ok", *ids)
