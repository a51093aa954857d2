"""The native door with apache-libcloud's CloudStack driver: list, deploy, stop, start, destroy a node."""
import os
import time
import urllib.parse

from libcloud.compute.providers import get_driver
from libcloud.compute.types import NodeState, Provider

at = urllib.parse.urlparse(os.environ["CLOUDSTACK_ENDPOINT"])
driver = get_driver(Provider.CLOUDSTACK)(
    key=os.environ["CLOUDSTACK_KEY"],
    secret=os.environ["CLOUDSTACK_SECRET"],
    secure=False,
    host=at.hostname,
    port=at.port,
    path=at.path,
)
driver.connection.poll_interval = 0.2


def until(node, state):
    end = time.time() + 60
    while True:
        found = [n for n in driver.list_nodes() if n.id == node.id]
        if found and found[0].state == state:
            return found[0]
        assert time.time() < end, found
        time.sleep(0.2)


locations, images, sizes = driver.list_locations(), driver.list_images(), driver.list_sizes()
assert locations and images and sizes
size = [s for s in sizes if s.name == "m1.small"][0]
# The driver leaves a node stopped unless told otherwise.
node = driver.create_node(name="by-libcloud", image=images[0], size=size, location=locations[0], ex_start_vm=True)
node = until(node, NodeState.RUNNING)
assert node.private_ips or node.public_ips, node
driver.ex_stop(node)
node = until(node, NodeState.STOPPED)
driver.ex_start(node)
node = until(node, NodeState.RUNNING)
assert driver.destroy_node(node)
print("ok", node.id)
