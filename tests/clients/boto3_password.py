"""GetPasswordData: what it answers is opened with the launch key's private half, by hand and by the AWS command line, and is the password."""
import base64
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import boto3
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cs import CloudStack, read_config

native = CloudStack(**{**read_config(), "fetch_result": True, "poll_interval": 0.2, "job_timeout": 60})
ec2 = boto3.client("ec2", endpoint_url=os.environ["EC2_URL"])
quick = {"Delay": 1, "MaxAttempts": 90}
template = native.listTemplates(templatefilter="executable", fetch_list=True)[0]
native.updateTemplate(id=template["id"], passwordenabled="true")
image = ec2.describe_images()["Images"][0]["ImageId"]
pem = ec2.create_key_pair(KeyName="passwords")["KeyMaterial"]
private = serialization.load_pem_private_key(pem.encode(), None)


def opened(instance):
    """The clear text, waited for as tools do."""
    end = time.time() + 60
    while True:
        answer = ec2.get_password_data(InstanceId=instance)
        assert answer["InstanceId"] == instance and answer["Timestamp"], answer
        if answer["PasswordData"]:
            sealed = base64.b64decode(answer["PasswordData"])
            assert len(sealed) == private.key_size // 8, len(sealed)
            return private.decrypt(sealed, padding.PKCS1v15()).decode()
        assert time.time() < end, "no password"
        time.sleep(0.3)


instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, KeyName="passwords")["Instances"][0]["InstanceId"]
ec2.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig=quick)
first = opened(instance)
assert len(first) >= 6 and first.isalnum(), first
ec2.stop_instances(InstanceIds=[instance])
ec2.get_waiter("instance_stopped").wait(InstanceIds=[instance], WaiterConfig=quick)
vm = native.listVirtualMachines(fetch_list=True)[0]["id"]
told = native.resetPasswordForVirtualMachine(id=vm)["virtualmachine"]["password"]
assert opened(instance) == told != first, (told, first)
with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder, "key.pem")
    file.write_text(pem)
    aws = pathlib.Path(sys.executable).parent / "aws"
    words = [sys.executable, str(aws), "--endpoint-url", os.environ["EC2_URL"], "--output", "text", "--query", "PasswordData", "ec2", "get-password-data",
             "--instance-id", instance, "--priv-launch-key", str(file)]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    assert said == told, (said, told)
# Without a key of its own nothing can be sealed: an empty text, as EC2 says it.
bare = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
ec2.get_waiter("instance_running").wait(InstanceIds=[bare], WaiterConfig=quick)
assert ec2.get_password_data(InstanceId=bare)["PasswordData"] == ""
ec2.terminate_instances(InstanceIds=[instance, bare])
print("ok")
