import type { Section } from './types'

export const offerings: Section[] = [
  {
    key: 'service-offerings', title: 'Service offerings', group: 'Offerings', list: 'listServiceOfferings', columns: ['name', 'displaytext', 'cpunumber', 'cpuspeed', 'memory', 'storagetype', 'offerha', 'domain'],
    actions: [
      { command: 'createServiceOffering', label: 'New service offering', on: 'list', ask: ['name', 'displaytext', 'cpunumber', 'cpuspeed', 'memory', 'storagetype', 'offerha', 'limitcpuuse', 'tags', 'hosttags'] },
      { command: 'updateServiceOffering', label: 'Edit', on: 'row', edit: true, ask: ['name', 'displaytext'] },
      { command: 'deleteServiceOffering', label: 'Delete', on: 'bulk', danger: true, ask: [] },
    ],
  },
  {
    key: 'disk-offerings', title: 'Disk offerings', group: 'Offerings', list: 'listDiskOfferings', columns: ['name', 'displaytext', 'disksize', 'iscustomized', 'storagetype', 'tags', 'domain'],
    actions: [
      { command: 'createDiskOffering', label: 'New disk offering', on: 'list', ask: ['name', 'displaytext', 'customized', 'disksize', 'storagetype', 'tags'] },
      { command: 'updateDiskOffering', label: 'Edit', on: 'row', edit: true, ask: ['name', 'displaytext'] },
      { command: 'deleteDiskOffering', label: 'Delete', on: 'bulk', danger: true, ask: [] },
    ],
  },
  {
    key: 'network-offerings', title: 'Network offerings', group: 'Offerings', list: 'listNetworkOfferings', columns: ['name', 'displaytext', 'state', 'guestiptype', 'traffictype', 'availability', 'service'],
    filters: [{ param: 'guestiptype', words: ['Isolated', 'Shared'] }, { param: 'state', words: ['Enabled', 'Disabled', 'Inactive'] }],
    actions: [
      { command: 'createNetworkOffering', label: 'New network offering', on: 'list', ask: ['name', 'displaytext', 'guestiptype', 'traffictype', 'supportedservices', 'serviceproviderlist'] },
      { command: 'updateNetworkOffering', label: 'Enable', on: 'bulk', when: (r) => r.state !== 'Enabled', given: (r) => ({ id: r.id, state: 'Enabled' }), ask: [] },
      { command: 'updateNetworkOffering', label: 'Disable', on: 'bulk', danger: true, when: (r) => r.state === 'Enabled' && !r.isdefault, given: (r) => ({ id: r.id, state: 'Disabled' }), ask: [] },
      { command: 'updateNetworkOffering', label: 'Edit', on: 'row', edit: true, ask: ['name', 'displaytext', 'availability'] },
      { command: 'deleteNetworkOffering', label: 'Delete', on: 'bulk', danger: true, when: (r) => !r.isdefault, ask: [] },
    ],
  },
  {
    key: 'vpc-offerings', title: 'VPC offerings', group: 'Offerings', list: 'listVPCOfferings', columns: ['name', 'displaytext', 'state', 'isdefault'],
    actions: [
      { command: 'updateVPCOffering', label: 'Edit', on: 'row', edit: true },
      { command: 'deleteVPCOffering', label: 'Delete', on: 'bulk', danger: true, ask: [] },
    ],
  },
]
