import type { Section } from './types'

export const network: Section[] = [
  {
    key: 'networks', title: 'Guest networks', group: 'Network', list: 'listNetworks', columns: ['name', 'state', 'type', 'cidr', 'networkofferingname', 'vlan', 'zonename', 'account'],
    filters: [{ param: 'zoneid' }, { param: 'type', words: ['Isolated', 'Shared'] }],
    actions: [
      { command: 'createNetwork', label: 'New network', on: 'list', ask: ['name', 'displaytext', 'zoneid', 'networkofferingid', 'gateway', 'netmask', 'startip', 'endip', 'vlan'] },
      { command: 'updateNetwork', label: 'Edit', on: 'row', edit: true, ask: ['name', 'displaytext', 'networkdomain'] },
      { command: 'restartNetwork', label: 'Restart', on: 'row', ask: ['cleanup'] },
      { command: 'associateIpAddress', label: 'Acquire address', on: 'row', when: (r) => r.type === 'Isolated', given: (r) => ({ networkid: r.id }), ask: [] },
      { command: 'deleteNetwork', label: 'Delete', on: 'bulk', danger: true, ask: [] },
    ],
    tabs: [
      { label: 'Instances', section: 'instances', params: (r) => ({ networkid: r.id }) },
      { label: 'Public addresses', section: 'addresses', params: (r) => ({ associatednetworkid: r.id }), when: (r) => r.type === 'Isolated' },
      { label: 'Egress rules', section: 'egress', params: (r) => ({ networkid: r.id }), when: (r) => r.type === 'Isolated' },
      { label: 'Address ranges', section: 'ip-ranges', params: (r) => ({ networkid: r.id }) },
      { label: 'Virtual routers', section: 'routers', params: (r) => ({ networkid: r.id }) },
    ],
  },
  {
    key: 'vpcs', title: 'VPCs', group: 'Network', list: 'listVPCs', columns: ['name', 'state', 'cidr', 'displaytext', 'zonename', 'account'], filters: [{ param: 'zoneid' }],
    actions: [
      { command: 'createVPC', label: 'New VPC', on: 'list', ask: ['name', 'displaytext', 'zoneid', 'cidr', 'vpcofferingid', 'networkdomain'] },
      { command: 'updateVPC', label: 'Edit', on: 'row', edit: true },
      { command: 'restartVPC', label: 'Restart', on: 'row', ask: [] },
      { command: 'deleteVPC', label: 'Delete', on: 'bulk', danger: true, ask: [] },
    ],
    tabs: [
      { label: 'Guest networks', section: 'networks', params: (r) => ({ vpcid: r.id }) },
      { label: 'Public addresses', section: 'addresses', params: (r) => ({ vpcid: r.id }) },
    ],
  },
  {
    key: 'security-groups', title: 'Security groups', group: 'Network', list: 'listSecurityGroups', columns: ['name', 'description', 'account', 'domain'],
    filters: [{ param: 'virtualmachineid' }],
    actions: [
      { command: 'createSecurityGroup', label: 'New security group', on: 'list', ask: ['name', 'description'] },
      { command: 'deleteSecurityGroup', label: 'Delete', on: 'bulk', danger: true, when: (r) => r.name !== 'default', ask: [] },
    ],
    tabs: [{ label: 'Instances', section: 'instances', params: (r) => ({ securitygroupid: r.id }), when: () => false }],
    panel: 'security-rules',
  },
  {
    key: 'addresses', title: 'Public addresses', group: 'Network', list: 'listPublicIpAddresses', name: 'ipaddress',
    columns: ['ipaddress', 'state', 'associatednetworkname', 'issourcenat', 'isstaticnat', 'virtualmachinedisplayname', 'zonename', 'account'], filters: [{ param: 'zoneid' }, { param: 'associatednetworkid' }],
    actions: [
      { command: 'associateIpAddress', label: 'Acquire address', on: 'list', ask: ['networkid', 'zoneid', 'vpcid'] },
      { command: 'enableStaticNat', label: 'Static NAT to an instance', on: 'row', when: (r) => !r.isstaticnat && !r.issourcenat, given: (r) => ({ ipaddressid: r.id }), ask: ['virtualmachineid'] },
      { command: 'disableStaticNat', label: 'End static NAT', on: 'row', danger: true, when: (r) => r.isstaticnat, given: (r) => ({ ipaddressid: r.id }), ask: [] },
      { command: 'disassociateIpAddress', label: 'Release', on: 'bulk', danger: true, when: (r) => !r.issourcenat, ask: [] },
    ],
    tabs: [
      { label: 'Firewall', section: 'firewall', params: (r) => ({ ipaddressid: r.id }) },
      { label: 'Port forwarding', section: 'port-forwarding', params: (r) => ({ ipaddressid: r.id }) },
      { label: 'Load balancing', section: 'load-balancers', params: (r) => ({ publicipid: r.id }) },
    ],
  },
  {
    key: 'firewall', title: 'Firewall rules', group: 'Network', list: 'listFirewallRules', hidden: true, name: 'id', columns: ['id', 'protocol', 'startport', 'endport', 'cidrlist', 'state', 'ipaddress'],
    actions: [
      { command: 'createFirewallRule', label: 'New rule', on: 'list', ask: ['ipaddressid', 'protocol', 'startport', 'endport', 'cidrlist'] },
      { command: 'deleteFirewallRule', label: 'Delete', on: 'bulk', danger: true, ask: [] },
    ],
  },
  {
    key: 'egress', title: 'Egress rules', group: 'Network', list: 'listEgressFirewallRules', hidden: true, name: 'id', columns: ['id', 'protocol', 'startport', 'endport', 'cidrlist', 'state'],
    actions: [
      { command: 'createEgressFirewallRule', label: 'New rule', on: 'list', ask: ['networkid', 'protocol', 'startport', 'endport', 'cidrlist'] },
      { command: 'deleteEgressFirewallRule', label: 'Delete', on: 'bulk', danger: true, ask: [] },
    ],
  },
  {
    key: 'port-forwarding', title: 'Port forwarding', group: 'Network', list: 'listPortForwardingRules', hidden: true, name: 'id', columns: ['id', 'ipaddress', 'protocol', 'publicport', 'privateport', 'virtualmachinedisplayname', 'state'],
    actions: [
      { command: 'createPortForwardingRule', label: 'New rule', on: 'list', ask: ['ipaddressid', 'protocol', 'publicport', 'publicendport', 'privateport', 'privateendport', 'virtualmachineid'] },
      { command: 'deletePortForwardingRule', label: 'Delete', on: 'bulk', danger: true, ask: [] },
    ],
  },
  {
    key: 'load-balancers', title: 'Load balancers', group: 'Network', list: 'listLoadBalancerRules', columns: ['name', 'publicip', 'publicport', 'privateport', 'algorithm', 'state', 'zonename'],
    actions: [
      { command: 'createLoadBalancerRule', label: 'New rule', on: 'list', ask: ['name', 'publicipid', 'publicport', 'privateport', 'algorithm'] },
      { command: 'assignToLoadBalancerRule', label: 'Add instances', on: 'row', ask: ['virtualmachineids'], more: false },
      { command: 'removeFromLoadBalancerRule', label: 'Remove instances', on: 'row', ask: ['virtualmachineids'], more: false },
      { command: 'deleteLoadBalancerRule', label: 'Delete', on: 'bulk', danger: true, ask: [] },
    ],
  },
]
