"""The native door with cs: zones, images, sizes; deploy, stop, start and destroy a VM, each until its job has ended."""
from cs import CloudStack, CloudStackApiException, read_config

cs = CloudStack(**{**read_config(), "fetch_result": True, "poll_interval": 0.2, "job_timeout": 60})
zone = cs.listZones(fetch_list=True)[0]
template = cs.listTemplates(templatefilter="executable", fetch_list=True)[0]
offering = [o for o in cs.listServiceOfferings(fetch_list=True) if o["name"] == "m1.small"][0]
vm = cs.deployVirtualMachine(zoneid=zone["id"], templateid=template["id"], serviceofferingid=offering["id"], name="by-cs")["virtualmachine"]
assert vm["state"] == "Running" and vm["nic"][0]["ipaddress"], vm
assert cs.stopVirtualMachine(id=vm["id"])["virtualmachine"]["state"] == "Stopped"
assert cs.startVirtualMachine(id=vm["id"])["virtualmachine"]["state"] == "Running"
assert [v["id"] for v in cs.listVirtualMachines(fetch_list=True)] == [vm["id"]]
assert cs.destroyVirtualMachine(id=vm["id"])["virtualmachine"]["state"] == "Destroyed"
try:
    cs.listVirtualMachines(id="no-such-id")
    raise AssertionError("an unknown id was taken")
except CloudStackApiException as e:
    assert e.error["errorcode"] == 431, e.error
print("ok")
