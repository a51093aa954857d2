"""The EC2 example of the AWS chapter with boto 2.49: images, run the first one, until it runs. Argument: the API version."""
import json
import os
import sys
import time

import boto
import boto.ec2

ready = json.load(open(os.environ["READY_JSON"]))
region = boto.ec2.regioninfo.RegionInfo(name="ROOT", endpoint="localhost")
conn = boto.connect_ec2(
    aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
    aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    is_secure=False,
    region=region,
    port=ready["ports"]["aws"],
    path="/awsapi",
    api_version=sys.argv[1],
)

images = conn.get_all_images()
assert images, "no images"
reservation = images[0].run(instance_type="m1.small", security_groups=["default"])
instance = reservation.instances[0]
end = time.time() + 60
while instance.state != "running":
    assert instance.state == "pending" and time.time() < end, instance.state
    time.sleep(0.2)
    instance.update()
assert instance.instance_type == "m1.small", instance.instance_type
assert instance.id in [i.id for r in conn.get_all_instances() for i in r.instances]
conn.terminate_instances([instance.id])
while instance.update() not in ("shutting-down", "terminated"):
    assert time.time() < end, instance.state
    time.sleep(0.2)
print("ok", instance.id)
