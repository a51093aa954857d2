/** What a field or parameter of the API is called in front of people; the English name, which t() then translates. */
const WORDS: Record<string, string> = {
  account: 'Account', accountid: 'Account ID', accounttype: 'Account type', algorithm: 'Algorithm', allocated: 'Allocated', allocationstate: 'Allocation',
  agenttoken: 'Token for the agent', apikey: 'API key', associatednetworkname: 'Network', availability: 'Availability', bootable: 'Bootable', certificate: 'Certificate', issuer: 'Issuer', objects: 'Objects', policy: 'Policy', quota: 'Quota (GiB)', serialnumber: 'Serial number', subject: 'Subject', validfrom: 'Valid from', validuntil: 'Valid until', versioning: 'Versioning', bytes: 'Bytes', capacitytotal: 'Total',
  capacityused: 'Used', category: 'Category', cidr: 'CIDR', cidrlist: 'Source CIDRs', clusterid: 'Cluster', clustername: 'Cluster',
  clustertype: 'Cluster type', conservemode: 'Conserve mode', cpuallocated: 'CPU allocated', cpunumber: 'CPUs', cpuspeed: 'CPU MHz', cpuused: 'CPU used',
  created: 'Created', crossZones: 'All zones', current: 'Current', description: 'Description', destzoneid: 'To zone', details: 'Details', deviceid: 'Device',
  diskofferingid: 'Disk offering', diskofferingname: 'Disk offering', disksize: 'Disk size (GB)', disksizeallocated: 'Allocated', disksizetotal: 'Total',
  displayname: 'Display name', displaytext: 'Description', dns1: 'DNS 1', dns2: 'DNS 2', domain: 'Domain', domainid: 'Domain', email: 'E-mail',
  endip: 'End address', endport: 'End port', fingerprint: 'Fingerprint', firstname: 'First name', format: 'Format', gateway: 'Gateway', group: 'Group', groupid: 'Group', affinitygroupid: 'Affinity groups', securitygroupid: 'Security group', templatefilter: 'Scope', isofilter: 'Scope',
  guestcidraddress: 'Guest CIDR', guestiptype: 'Guest type', haenable: 'High availability', hostid: 'Host', hostname: 'Host', hosttags: 'Host tags',
  hypervisor: 'Hypervisor', hypervisorversion: 'Hypervisor version', icmpcode: 'ICMP code', icmptype: 'ICMP type', id: 'ID', instancename: 'Internal name',
  internaldns1: 'Internal DNS 1', internaldns2: 'Internal DNS 2', intervaltype: 'Interval', ip: 'Address', ipaddress: 'Address',
  ipaddressid: 'Public address', iscustomized: 'Custom size', isdefault: 'Default', isdynamicallyscalable: 'Dynamically scalable', isextractable: 'Extractable',
  isfeatured: 'Featured', isoid: 'ISO', ispublic: 'Public', isready: 'Ready', issourcenat: 'Source NAT', isstaticnat: 'Static NAT', issystem: 'System',
  keypair: 'SSH key pair', lastname: 'Last name', lastpinged: 'Last answer', level: 'Level', limitcpuuse: 'CPU cap', localstorageenabled: 'Local storage',
  managedstate: 'Management', max: 'Limit', maxsnaps: 'Keep', memory: 'Memory (MB)', memoryallocated: 'Memory allocated', memorytotal: 'Memory',
  memoryused: 'Memory used', name: 'Name', netmask: 'Netmask', networkdomain: 'Network domain', networkid: 'Network', networkids: 'Networks',
  networkname: 'Network', networkofferingid: 'Network offering', networkofferingname: 'Network offering', networkrate: 'Network rate (Mb/s)',
  networktype: 'Network type', newpassword: 'New password', offerha: 'High availability', oscategoryid: 'OS category', ostypeid: 'OS type', ostypename: 'OS type',
  parentdomainid: 'Parent domain', parentdomainname: 'Parent domain', parentName: 'Parent', password: 'Password', passwordenabled: 'Password reset',
  path: 'Path', physicalnetworkid: 'Physical network', podid: 'Pod', podname: 'Pod', privateendport: 'Private end port', privateport: 'Private port',
  project: 'Project', projectid: 'Project', protocol: 'Protocol', provider: 'Provider', providername: 'Provider', publicendport: 'Public end port',
  publicip: 'Public address', publickey: 'Public key', publicport: 'Public port', rawusage: 'Raw usage', requireshvm: 'Requires HVM',
  resourcestate: 'Resource state', role: 'Role', schedule: 'Schedule', scope: 'Scope', secretkey: 'Secret key', securitygroupids: 'Security groups',
  securitygroupname: 'Security group', securitygroupsenabled: 'Security groups', sent: 'Sent', servicelist: 'Services', serviceofferingid: 'Service offering',
  serviceofferingname: 'Service offering', size: 'Size', snapshotid: 'Snapshot', snapshottype: 'Kind', sourceip: 'Source address', startip: 'Start address',
  startport: 'Start port', startvm: 'Start at once', state: 'State', status: 'Status', storage: 'Primary storage', storageid: 'Primary storage',
  storagetype: 'Storage type', tags: 'Tags', templateid: 'Template', templatename: 'Template', templatetype: 'Template type', timezone: 'Time zone',
  traffictype: 'Traffic type', type: 'Type', url: 'URL', usage: 'Usage', usagetype: 'Usage type', userdata: 'User data', userid: 'User', username: 'User name',
  value: 'Value', version: 'Version', virtualmachineid: 'Instance', vlan: 'VLAN', vmdisplayname: 'Instance', vmname: 'Instance', vmstate: 'Instance state',
  volumeid: 'Volume', volumename: 'Volume', vpcid: 'VPC', zoneid: 'Zone', zonename: 'Zone', nic: 'NICs', securitygroup: 'Security groups',
  ingressrule: 'Ingress rules', egressrule: 'Egress rules', user: 'Users', service: 'Services', affinitygroup: 'Affinity groups',
  affinitygroupids: 'Affinity groups', vmtotal: 'Instances', iptotal: 'Public addresses', volumetotal: 'Volumes', key: 'Key', expunge: 'Expunge at once',
  forced: 'Forced', startdate: 'Start date', enddate: 'End date', keyword: 'Search', broadcastdomainrange: 'Broadcast range', isolationmethods: 'Isolation',
  networkspeed: 'Network speed', primarystoragetotal: 'Primary storage (GB)', vmrunning: 'Running', vmstopped: 'Stopped', macaddress: 'MAC address',
  linklocalip: 'Link-local address', guestipaddress: 'Guest address', systemvmtype: 'Kind', redundantstate: 'Redundancy', haschild: 'Has subdomains',
}

/** The English name of a field: what stands above, else the field's own name with a capital. */
export const word = (field: string) => WORDS[field] ?? WORDS[field.toLowerCase()] ?? field.charAt(0).toUpperCase() + field.slice(1)
/** Every name above, for the test of the language files. */
export const words = () => [...new Set(Object.values(WORDS))]
