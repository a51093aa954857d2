"""Marvin's deployDataCenter (Python 2.7) builds the zone of a file; then a VM of it is deployed, stopped, started and expunged by
Marvin's own commands, each waited for as Marvin waits.

    marvin_zone.py FILE PORT      the keys come from admin.env
"""
import json
import logging
import os
import sys
import tempfile

import time

from marvin import cloudstackConnection, configGenerator, deployDataCenter
from marvin.cloudstackAPI import (createNetwork, deployVirtualMachine, destroyVirtualMachine, expungeVirtualMachine, listHosts,
                                  listNetworkOfferings, listPublicIpAddresses, listServiceOfferings, listTemplates, listVirtualMachines,
                                  listZones, startVirtualMachine, stopVirtualMachine)

path, port = sys.argv[1], int(sys.argv[2])
# It sleeps a minute a cluster whatever the hosts say, and five seconds between two looks at a job. Only its pauses are made shorter.
deployDataCenter.sleep = lambda seconds: None
cloudstackConnection.time = type("Hasty", (), {"sleep": staticmethod(lambda seconds: time.sleep(0.1)), "time": staticmethod(time.time)})
with open(path) as f:
    wanted = json.load(f)
wanted["mgtSvr"] = [{"mgtSvrIp": "127.0.0.1", "port": port, "hypervisor": "Simulator",
                     "apiKey": os.environ["CLOUDSTACK_KEY"], "securityKey": os.environ["CLOUDSTACK_SECRET"]}]
with tempfile.NamedTemporaryFile(suffix=".json") as f:
    json.dump(wanted, f)
    f.flush()
    config = configGenerator.getSetupConfig(f.name)
logger = logging.getLogger("marvin")
logger.addHandler(logging.NullHandler())
made = deployDataCenter.deployDataCenters(config, logger)
made.deploy()
api = made.apiClient


def ask(command, **parameters):
    c = getattr(command, command.__name__.rsplit(".", 1)[1] + "Cmd")()
    for name, value in parameters.items():
        setattr(c, name, value)
    return getattr(api, command.__name__.rsplit(".", 1)[1])(c)


zone = ask(listZones, name=wanted["zones"][0]["name"])[0]
assert zone.allocationstate == "Enabled", zone
assert zone.networktype == wanted["zones"][0]["networktype"], zone
hosts = ask(listHosts, zoneid=zone.id, type="Routing")
assert hosts and all(h.state == "Up" for h in hosts), hosts
template = [t for t in ask(listTemplates, templatefilter="executable", zoneid=zone.id) if t.isready]
if not template:
    print("ok, a zone without a template")
    sys.exit(0)
offering = ask(listServiceOfferings, name="Small Instance")[0]
where = {}
if zone.networktype == "Advanced":
    isolated = ask(listNetworkOfferings, name="DefaultIsolatedNetworkOfferingWithSourceNatService")[0]
    network = ask(createNetwork, name="by-marvin", displaytext="by Marvin", zoneid=zone.id, networkofferingid=isolated.id)
    where["networkids"] = [network.id]
vm = ask(deployVirtualMachine, zoneid=zone.id, templateid=template[0].id, serviceofferingid=offering.id, name="by-marvin", **where)
assert vm.state == "Running" and vm.nic[0].ipaddress, vm
if where:
    assert ask(listPublicIpAddresses, associatednetworkid=network.id, issourcenat=True)[0].issourcenat
assert ask(stopVirtualMachine, id=vm.id).state == "Stopped"
assert ask(startVirtualMachine, id=vm.id).state == "Running"
assert ask(destroyVirtualMachine, id=vm.id).state == "Destroyed"
assert ask(expungeVirtualMachine, id=vm.id).success
assert not ask(listVirtualMachines, id=vm.id, listall=True)
print("ok")
