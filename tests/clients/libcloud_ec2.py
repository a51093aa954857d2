"""The EC2 door with apache-libcloud's EC2 driver, which has no path and signs GETs in version 2: nodes, keys, groups, volumes, snapshots."""
import os
import time
import urllib.parse

from libcloud.compute.drivers.ec2 import EC2NodeLocation, ExEC2AvailabilityZone
from libcloud.compute.providers import get_driver
from libcloud.compute.types import NodeState, Provider

at = urllib.parse.urlparse(os.environ["EC2_URL"])
driver = get_driver(Provider.EC2)(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], secure=False, host=at.hostname,
                                  port=at.port, region="us-east-1", signature_version="2")


def until(what, tries=120):
    for _ in range(tries):
        found = what()
        if found:
            return found
        time.sleep(0.25)
    raise AssertionError("it did not come to be")


image = driver.list_images()[0]
size = [s for s in driver.list_sizes() if s.id in ("m1.small", "t2.small", "t1.micro", "t2.micro")][0]
key = driver.create_key_pair("libcloud")
assert "PRIVATE KEY" in key.private_key
node = driver.create_node(name="libcloud", image=image, size=size, ex_keyname="libcloud", ex_security_groups=["default"])
shown = until(lambda: [n for n in driver.list_nodes(ex_node_ids=[node.id]) if n.state == NodeState.RUNNING])[0]
assert shown.name == "libcloud", shown
# The driver asks for zones of a region that it knows; this cloud's is ROOT, so the zone is named by hand.
zone = ExEC2AvailabilityZone(name=shown.extra["availability"], zone_state="available", region_name="ROOT")
location = EC2NodeLocation(id="0", name=zone.name, country="", driver=driver, availability_zone=zone)
volume = driver.create_volume(1, "data", location=location)
until(lambda: [v for v in driver.list_volumes() if v.id == volume.id and v.state == "available"])
assert driver.attach_volume(node, volume, "/dev/sdf")
until(lambda: [v for v in driver.list_volumes() if v.id == volume.id and v.extra["attachment_status"] == "attached"])
snapshot = driver.create_volume_snapshot(volume, name="kept")
until(lambda: [s for s in driver.list_snapshots() if s.id == snapshot.id and s.state == "available"])
assert driver.detach_volume(volume)
until(lambda: [v for v in driver.list_volumes() if v.id == volume.id and v.state == "available"])
assert driver.destroy_volume_snapshot(snapshot) and driver.destroy_volume(volume)
assert driver.reboot_node(node) and driver.stop_node(node)
until(lambda: [n for n in driver.list_nodes(ex_node_ids=[node.id]) if n.state == NodeState.STOPPED])
assert driver.start_node(node)
assert driver.destroy_node(node)
until(lambda: [n for n in driver.list_nodes(ex_node_ids=[node.id]) if n.state == NodeState.TERMINATED])
driver.delete_key_pair(key)
print("ok", node.id)
