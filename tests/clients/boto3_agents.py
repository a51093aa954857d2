"""Runs one instance of an image in each availability zone named; the hosts are agents'. Arguments: image name, zones."""
import os
import sys

import boto3

ec2 = boto3.client("ec2", endpoint_url=os.environ["EC2_URL"])
images = ec2.describe_images(Filters=[{"Name": "name", "Values": [sys.argv[1]]}])["Images"]
assert images, ec2.describe_images()
started = []
for zone in sys.argv[2:]:
    answer = ec2.run_instances(ImageId=images[0]["ImageId"], MinCount=1, MaxCount=1, Placement={"AvailabilityZone": zone})
    started.append(answer["Instances"][0]["InstanceId"])
ec2.get_waiter("instance_running").wait(InstanceIds=started, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
print("ok", *started)
