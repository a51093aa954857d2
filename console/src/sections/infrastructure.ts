import type { Section } from './types'

const enabled = (r: { allocationstate?: string }) => r.allocationstate === 'Enabled'

export const infrastructure: Section[] = [
  {
    key: 'zones', title: 'Zones', group: 'Infrastructure', list: 'listZones', columns: ['name', 'allocationstate', 'networktype', 'securitygroupsenabled', 'localstorageenabled', 'dns1', 'domain'],
    actions: [
      { command: 'createZone', label: 'Add zone', on: 'list', route: () => '/new/zone' },
      { command: 'updateZone', label: 'Enable', on: 'row', when: (r) => !enabled(r), given: (r) => ({ id: r.id, allocationstate: 'Enabled' }), ask: [] },
      { command: 'updateZone', label: 'Disable', on: 'row', danger: true, when: enabled, given: (r) => ({ id: r.id, allocationstate: 'Disabled' }), ask: [] },
      { command: 'updateZone', label: 'Edit', on: 'row', edit: true, ask: ['name', 'dns1', 'dns2', 'internaldns1', 'internaldns2', 'guestcidraddress', 'domain', 'localstorageenabled'], more: false },
      { command: 'deleteZone', label: 'Delete', on: 'row', danger: true, ask: [] },
    ],
    tabs: [
      { label: 'Physical networks', section: 'physical-networks', params: (r) => ({ zoneid: r.id }) },
      { label: 'Pods', section: 'pods', params: (r) => ({ zoneid: r.id }) },
      { label: 'Clusters', section: 'clusters', params: (r) => ({ zoneid: r.id }) },
      { label: 'Hosts', section: 'hosts', params: (r) => ({ zoneid: r.id }) },
      { label: 'Primary storage', section: 'pools', params: (r) => ({ zoneid: r.id }) },
      { label: 'Secondary storage', section: 'image-stores', params: (r) => ({ zoneid: r.id }) },
      { label: 'Instances', section: 'instances', params: (r) => ({ zoneid: r.id }) },
    ],
  },
  {
    key: 'physical-networks', title: 'Physical networks', group: 'Infrastructure', list: 'listPhysicalNetworks', columns: ['name', 'state', 'broadcastdomainrange', 'isolationmethods', 'vlan', 'tags'], filters: [{ param: 'zoneid' }],
    actions: [
      { command: 'createPhysicalNetwork', label: 'New physical network', on: 'list', ask: ['zoneid', 'name', 'isolationmethods', 'vlan', 'tags'] },
      { command: 'updatePhysicalNetwork', label: 'Enable', on: 'row', when: (r) => r.state !== 'Enabled', given: (r) => ({ id: r.id, state: 'Enabled' }), ask: [] },
      { command: 'updatePhysicalNetwork', label: 'Edit', on: 'row', edit: true, ask: ['vlan', 'tags', 'networkspeed'], more: false },
      { command: 'addTrafficType', label: 'Add traffic type', on: 'row', given: (r) => ({ physicalnetworkid: r.id }), ask: ['traffictype'] },
      { command: 'deletePhysicalNetwork', label: 'Delete', on: 'row', danger: true, ask: [] },
    ],
    tabs: [
      { label: 'Providers', section: 'providers', params: (r) => ({ physicalnetworkid: r.id }) },
      { label: 'Traffic types', section: 'traffic-types', params: (r) => ({ physicalnetworkid: r.id }) },
      { label: 'Address ranges', section: 'ip-ranges', params: (r) => ({ physicalnetworkid: r.id }) },
    ],
  },
  {
    key: 'providers', title: 'Network service providers', group: 'Infrastructure', list: 'listNetworkServiceProviders', columns: ['name', 'state', 'servicelist'], idParam: '',
    filters: [{ param: 'physicalnetworkid' }, { param: 'state', words: ['Enabled', 'Disabled'] }],
    actions: [
      { command: 'addNetworkServiceProvider', label: 'Add provider', on: 'list', ask: ['physicalnetworkid', 'name'] },
      { command: 'updateNetworkServiceProvider', label: 'Enable', on: 'bulk', when: (r) => r.state !== 'Enabled', given: (r) => ({ id: r.id, state: 'Enabled' }), ask: [] },
      { command: 'updateNetworkServiceProvider', label: 'Disable', on: 'bulk', danger: true, when: (r) => r.state === 'Enabled', given: (r) => ({ id: r.id, state: 'Disabled' }), ask: [] },
      { command: 'deleteNetworkServiceProvider', label: 'Delete', on: 'row', danger: true, ask: [] },
    ],
  },
  {
    key: 'traffic-types', title: 'Traffic types', group: 'Infrastructure', list: 'listTrafficTypes', hidden: true, name: 'traffictype', idParam: '', columns: ['traffictype', 'kvmnetworklabel', 'xennetworklabel', 'vmwarenetworklabel'],
    actions: [
      { command: 'updateTrafficType', label: 'Edit', on: 'row', edit: true },
      { command: 'deleteTrafficType', label: 'Delete', on: 'row', danger: true, ask: [] },
    ],
  },
  {
    key: 'ip-ranges', title: 'Address ranges', group: 'Infrastructure', list: 'listVlanIpRanges', name: 'startip', columns: ['startip', 'endip', 'vlan', 'gateway', 'netmask', 'forvirtualnetwork', 'podname', 'account'], filters: [{ param: 'zoneid' }, { param: 'podid' }],
    actions: [
      { command: 'createVlanIpRange', label: 'New address range', on: 'list', ask: ['zoneid', 'startip', 'endip', 'gateway', 'netmask', 'vlan', 'forvirtualnetwork', 'podid', 'networkid'] },
      { command: 'deleteVlanIpRange', label: 'Delete', on: 'row', danger: true, ask: [] },
    ],
  },
  {
    key: 'pods', title: 'Pods', group: 'Infrastructure', list: 'listPods', columns: ['name', 'allocationstate', 'gateway', 'netmask', 'startip', 'endip', 'zonename'], filters: [{ param: 'zoneid' }],
    actions: [
      { command: 'createPod', label: 'Add pod', on: 'list', ask: ['zoneid', 'name', 'gateway', 'netmask', 'startip', 'endip'] },
      { command: 'updatePod', label: 'Enable', on: 'row', when: (r) => !enabled(r), given: (r) => ({ id: r.id, allocationstate: 'Enabled' }), ask: [] },
      { command: 'updatePod', label: 'Disable', on: 'row', danger: true, when: enabled, given: (r) => ({ id: r.id, allocationstate: 'Disabled' }), ask: [] },
      { command: 'updatePod', label: 'Edit', on: 'row', edit: true, ask: ['name', 'gateway', 'netmask', 'startip', 'endip'], more: false },
      { command: 'deletePod', label: 'Delete', on: 'row', danger: true, ask: [] },
    ],
    tabs: [
      { label: 'Clusters', section: 'clusters', params: (r) => ({ podid: r.id }) },
      { label: 'Hosts', section: 'hosts', params: (r) => ({ podid: r.id }) },
    ],
  },
  {
    key: 'clusters', title: 'Clusters', group: 'Infrastructure', list: 'listClusters', columns: ['name', 'allocationstate', 'managedstate', 'hypervisortype', 'podname', 'zonename'], filters: [{ param: 'zoneid' }, { param: 'podid' }],
    actions: [
      { command: 'addCluster', label: 'Add cluster', on: 'list', ask: ['zoneid', 'podid', 'clustername', 'hypervisor', 'clustertype'] },
      { command: 'updateCluster', label: 'Enable', on: 'row', when: (r) => !enabled(r), given: (r) => ({ id: r.id, allocationstate: 'Enabled' }), ask: [] },
      { command: 'updateCluster', label: 'Disable', on: 'row', danger: true, when: enabled, given: (r) => ({ id: r.id, allocationstate: 'Disabled' }), ask: [] },
      { command: 'deleteCluster', label: 'Delete', on: 'row', danger: true, ask: [] },
    ],
    tabs: [
      { label: 'Hosts', section: 'hosts', params: (r) => ({ clusterid: r.id }) },
      { label: 'Primary storage', section: 'pools', params: (r) => ({ clusterid: r.id }) },
    ],
  },
  {
    key: 'hosts', title: 'Hosts', group: 'Infrastructure', list: 'listHosts', params: () => ({ type: 'Routing' }), columns: ['name', 'state', 'resourcestate', 'cpuallocated', 'memoryallocated', 'memorytotal', 'hypervisor', 'clustername', 'zonename'],
    filters: [{ param: 'zoneid' }, { param: 'clusterid' }, { param: 'state', words: ['Up', 'Connecting', 'Down', 'Alert', 'Disconnected'] }, { param: 'resourcestate', words: ['Enabled', 'Disabled', 'Maintenance'] }],
    actions: [
      { command: 'addHost', label: 'Add host', on: 'list', ask: ['zoneid', 'podid', 'clusterid', 'hypervisor', 'url', 'username', 'password', 'hosttags'], reveal: ['agenttoken'] },
      { command: 'updateHost', label: 'Enable', on: 'bulk', when: (r) => r.resourcestate === 'Disabled', given: (r) => ({ id: r.id, allocationstate: 'Enable' }), ask: [] },
      { command: 'updateHost', label: 'Disable', on: 'bulk', danger: true, when: (r) => r.resourcestate === 'Enabled', given: (r) => ({ id: r.id, allocationstate: 'Disable' }), ask: [] },
      { command: 'updateHost', label: 'Edit', on: 'row', edit: true, ask: ['hosttags', 'oscategoryid'], more: false },
      { command: 'reconnectHost', label: 'Reconnect', on: 'bulk', ask: [] },
      { command: 'prepareHostForMaintenance', label: 'Maintenance', on: 'bulk', danger: true, when: (r) => r.resourcestate === 'Enabled', ask: [] },
      { command: 'cancelHostMaintenance', label: 'End maintenance', on: 'bulk', when: (r) => /Maintenance/.test(r.resourcestate), ask: [] },
      { command: 'deleteHost', label: 'Delete', on: 'bulk', danger: true, ask: ['forced'] },
    ],
    tabs: [{ label: 'Instances', section: 'instances', params: (r) => ({ hostid: r.id }) }],
  },
  {
    key: 'pools', title: 'Primary storage', group: 'Infrastructure', list: 'listStoragePools', columns: ['name', 'state', 'type', 'scope', 'disksizeallocated', 'disksizetotal', 'clustername', 'zonename'], filters: [{ param: 'zoneid' }, { param: 'clusterid' }],
    actions: [
      { command: 'createStoragePool', label: 'Add primary storage', on: 'list', ask: ['zoneid', 'podid', 'clusterid', 'name', 'url', 'scope', 'tags'] },
      { command: 'updateStoragePool', label: 'Edit', on: 'row', edit: true, ask: ['tags'] },
      { command: 'enableStorageMaintenance', label: 'Maintenance', on: 'row', danger: true, when: (r) => r.state === 'Up', ask: [] },
      { command: 'cancelStorageMaintenance', label: 'End maintenance', on: 'row', when: (r) => /Maintenance/.test(r.state), ask: [] },
      { command: 'deleteStoragePool', label: 'Delete', on: 'row', danger: true, ask: ['forced'] },
    ],
    tabs: [{ label: 'Volumes', section: 'volumes', params: (r) => ({ storageid: r.id }), when: () => false }],
  },
  {
    key: 'image-stores', title: 'Secondary storage', group: 'Infrastructure', list: 'listImageStores', columns: ['name', 'providername', 'url', 'protocol', 'scope', 'zonename'], filters: [{ param: 'zoneid' }],
    actions: [
      { command: 'addImageStore', label: 'Add secondary storage', on: 'list', ask: ['name', 'provider', 'url', 'zoneid'] },
      { command: 'deleteImageStore', label: 'Delete', on: 'row', danger: true, ask: [] },
    ],
  },
  {
    key: 'system-vms', title: 'System VMs', group: 'Infrastructure', list: 'listSystemVms', columns: ['name', 'state', 'systemvmtype', 'publicip', 'hostname', 'zonename'], filters: [{ param: 'zoneid' }],
    actions: [
      { command: 'startSystemVm', label: 'Start', on: 'bulk', when: (r) => r.state === 'Stopped', ask: [] },
      { command: 'stopSystemVm', label: 'Stop', on: 'bulk', danger: true, when: (r) => r.state === 'Running', ask: [] },
      { command: 'rebootSystemVm', label: 'Reboot', on: 'bulk', when: (r) => r.state === 'Running', ask: [] },
      { command: 'destroySystemVm', label: 'Destroy', on: 'bulk', danger: true, ask: [] },
    ],
  },
  {
    key: 'routers', title: 'Virtual routers', group: 'Infrastructure', list: 'listRouters', columns: ['name', 'state', 'publicip', 'guestipaddress', 'redundantstate', 'hostname', 'zonename', 'account'], filters: [{ param: 'zoneid' }],
    actions: [
      { command: 'startRouter', label: 'Start', on: 'bulk', when: (r) => r.state === 'Stopped', ask: [] },
      { command: 'stopRouter', label: 'Stop', on: 'bulk', danger: true, when: (r) => r.state === 'Running', ask: [] },
      { command: 'rebootRouter', label: 'Reboot', on: 'bulk', when: (r) => r.state === 'Running', ask: [] },
      { command: 'destroyRouter', label: 'Destroy', on: 'bulk', danger: true, ask: [] },
    ],
  },
]
