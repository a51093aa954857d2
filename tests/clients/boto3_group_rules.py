"""boto3 over security-group rules: what goes out, rules by id, descriptions."""
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


def shown(group):
    return ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]


def rules(group, egress):
    found = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    return [r for r in found if r["IsEgress"] == egress]


every = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
web = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "the office"}]}]
group = ec2.create_security_group(GroupName="rules", Description="x")["GroupId"]
peer = ec2.create_security_group(GroupName="peer", Description="x")["GroupId"]

# Everything goes out of a new group, and EC2 shows that as a rule.
out = shown(group)["IpPermissionsEgress"]
assert [(p["IpProtocol"], p["IpRanges"]) for p in out] == [("-1", [{"CidrIp": "0.0.0.0/0"}])], out
refused("InvalidPermission.Duplicate", ec2.authorize_security_group_egress, GroupId=group, IpPermissions=every)
first, = rules(group, True)
made = ec2.authorize_security_group_egress(GroupId=group, IpPermissions=web)["SecurityGroupRules"]
assert [(r["FromPort"], r["CidrIpv4"], r["Description"], r["IsEgress"]) for r in made] == [(80, "10.0.0.0/8", "the office", True)], made
assert len(rules(group, True)) == 2 and first["SecurityGroupRuleId"] in [r["SecurityGroupRuleId"] for r in rules(group, True)]
# As Terraform does: the rule that every group has is taken back, and the rest too.
ec2.revoke_security_group_egress(GroupId=group, IpPermissions=every)
assert [r["SecurityGroupRuleId"] for r in rules(group, True)] == [made[0]["SecurityGroupRuleId"]]
ec2.revoke_security_group_egress(GroupId=group, SecurityGroupRuleIds=[made[0]["SecurityGroupRuleId"]])
assert shown(group)["IpPermissionsEgress"] == [] == rules(group, True)
refused("InvalidPermission.NotFound", ec2.revoke_security_group_egress, GroupId=group, IpPermissions=every)
ec2.authorize_security_group_egress(GroupId=group, IpPermissions=every)
assert len(shown(group)["IpPermissionsEgress"]) == 1
ec2.revoke_security_group_egress(GroupId=peer, IpPermissions=every)
assert shown(peer)["IpPermissionsEgress"] == []

made, = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=web)["SecurityGroupRules"]
rule = made["SecurityGroupRuleId"]
assert shown(group)["IpPermissions"][0]["IpRanges"][0]["Description"] == "the office"
ec2.update_security_group_rule_descriptions_ingress(
    GroupId=group, SecurityGroupRuleDescriptions=[{"SecurityGroupRuleId": rule, "Description": "the lab"}])
assert rules(group, False)[0]["Description"] == "the lab"
ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": rule, "SecurityGroupRule": {
    "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "ReferencedGroupId": peer, "Description": "peers"}}])
changed, = rules(group, False)
assert (changed["SecurityGroupRuleId"], changed["FromPort"], changed["ReferencedGroupInfo"]["GroupId"]) == (rule, 443, peer), changed
assert changed["Description"] == "peers" and "CidrIpv4" not in changed, changed
found, = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule])["SecurityGroupRules"]
assert found["GroupId"] == group, found
refused("InvalidSecurityGroupRuleId.NotFound", ec2.describe_security_group_rules, SecurityGroupRuleIds=["sgr-00000000000000000"])
refused("InvalidSecurityGroupRuleId.Malformed", ec2.describe_security_group_rules, SecurityGroupRuleIds=["sg-1"])
refused("InvalidSecurityGroupRuleId.NotFound", ec2.revoke_security_group_egress, GroupId=group, SecurityGroupRuleIds=[rule])
ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule])
assert rules(group, False) == [] == ec2.describe_security_group_references(GroupId=[group])["SecurityGroupReferenceSet"]
assert ec2.describe_stale_security_groups(VpcId=shown(group)["VpcId"])["StaleSecurityGroupSet"] == []
for g in (group, peer):
    ec2.delete_security_group(GroupId=g)
print("ok")
