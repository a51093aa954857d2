import type { Section } from './types'

export const storage: Section[] = [
  {
    key: 'volumes', title: 'Volumes', group: 'Storage', list: 'listVolumes', columns: ['name', 'type', 'state', 'size', 'vmdisplayname', 'diskofferingname', 'storage', 'zonename', 'account'],
    filters: [{ param: 'type', words: ['ROOT', 'DATADISK'] }, { param: 'zoneid' }, { param: 'virtualmachineid' }],
    actions: [
      { command: 'createVolume', label: 'New volume', on: 'list', ask: ['name', 'zoneid', 'diskofferingid', 'size'] },
      { command: 'uploadVolume', label: 'Upload from URL', on: 'list', ask: ['name', 'url', 'zoneid', 'format'] },
      { command: 'attachVolume', label: 'Attach', on: 'row', when: (r) => !r.virtualmachineid && r.type !== 'ROOT', ask: ['virtualmachineid', 'deviceid'] },
      { command: 'detachVolume', label: 'Detach', on: 'bulk', when: (r) => !!r.virtualmachineid && r.type !== 'ROOT', ask: [] },
      { command: 'createSnapshot', label: 'Take snapshot', on: 'row', when: (r) => r.state === 'Ready', given: (r) => ({ volumeid: r.id }), ask: [] },
      { command: 'createSnapshotPolicy', label: 'Recurring snapshots', on: 'row', when: (r) => r.state === 'Ready', route: (r) => `/snapshot-policy/${r.id}` },
      { command: 'resizeVolume', label: 'Resize', on: 'row', ask: ['size', 'diskofferingid', 'shrinkok'], edit: false },
      { command: 'migrateVolume', label: 'Migrate', on: 'row', given: (r) => ({ volumeid: r.id }), ask: ['storageid'], more: false, when: (r) => r.state === 'Ready' },
      { command: 'createTemplate', label: 'Make a template', on: 'row', when: (r) => r.type === 'ROOT' && r.vmstate === 'Stopped', given: (r) => ({ volumeid: r.id }), ask: ['name', 'displaytext', 'ostypeid', 'ispublic', 'isfeatured', 'passwordenabled'] },
      { command: 'extractVolume', label: 'Download', on: 'row', given: (r) => ({ id: r.id, zoneid: r.zoneid, mode: 'HTTP_DOWNLOAD' }), ask: [], reveal: ['url'], when: (r) => r.vmstate !== 'Running' },
      { command: 'deleteVolume', label: 'Delete', on: 'bulk', danger: true, when: (r) => r.type !== 'ROOT' && !r.virtualmachineid, ask: [] },
    ],
    tabs: [{ label: 'Snapshots', section: 'snapshots', params: (r) => ({ volumeid: r.id }) }],
    panel: 'snapshot-policies',
  },
  {
    key: 'snapshots', title: 'Snapshots', group: 'Storage', list: 'listSnapshots', columns: ['name', 'state', 'volumename', 'snapshottype', 'intervaltype', 'created', 'account'],
    filters: [{ param: 'volumeid' }, { param: 'zoneid' }, { param: 'snapshottype', words: ['MANUAL', 'RECURRING'] }],
    actions: [
      { command: 'createVolume', label: 'Make a volume', on: 'row', given: (r) => ({ snapshotid: r.id }), ask: ['name'], more: false },
      { command: 'createTemplate', label: 'Make a template', on: 'row', given: (r) => ({ snapshotid: r.id }), ask: ['name', 'displaytext', 'ostypeid', 'ispublic', 'passwordenabled'], more: false },
      { command: 'revertSnapshot', label: 'Revert', on: 'row', danger: true, ask: [], when: (r) => r.revertable },
      { command: 'deleteSnapshot', label: 'Delete', on: 'bulk', danger: true, ask: [] },
    ],
  },
  {
    key: 'vm-snapshots', title: 'VM snapshots', group: 'Storage', list: 'listVMSnapshot', name: 'displayname', idParam: 'vmsnapshotid',
    columns: ['displayname', 'state', 'type', 'current', 'parentName', 'created', 'account'], filters: [{ param: 'virtualmachineid' }],
    actions: [
      { command: 'revertToVMSnapshot', label: 'Revert', on: 'row', danger: true, given: (r) => ({ vmsnapshotid: r.id }), ask: [] },
      { command: 'deleteVMSnapshot', label: 'Delete', on: 'bulk', danger: true, given: (r) => ({ vmsnapshotid: r.id }), ask: [] },
    ],
  },
  {
    key: 'buckets', title: 'S3 buckets', group: 'Storage', list: 'listBuckets', columns: ['name', 'objects', 'size', 'quota', 'versioning', 'policy', 'created', 'account'],
    actions: [
      { command: 'createBucket', label: 'New bucket', on: 'list', ask: ['name', 'quota'] },
      { command: 'updateBucket', label: 'Set quota', on: 'row', ask: ['quota'] },
      { command: 'deleteBucket', label: 'Delete', on: 'bulk', danger: true, ask: [] },
    ],
  },
]
