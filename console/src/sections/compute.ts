import type { Section } from './types'

const running = (r: { state?: string }) => r.state === 'Running'
const stopped = (r: { state?: string }) => r.state === 'Stopped'

export const compute: Section[] = [
  {
    key: 'instances', title: 'Instances', group: 'Compute', list: 'listVirtualMachines', name: 'displayname',
    columns: ['displayname', 'state', 'templatename', 'serviceofferingname', 'nic', 'zonename', 'hostname', 'account'],
    filters: [{ param: 'state', words: ['Running', 'Stopped', 'Starting', 'Stopping', 'Destroyed', 'Error'] }, { param: 'zoneid' }, { param: 'hostid' }, { param: 'templateid' }, { param: 'groupid' }],
    actions: [
      { command: 'deployVirtualMachine', label: 'New instance', on: 'list', route: () => '/new/instance' },
      { command: 'createConsoleEndpoint', label: 'Open console', on: 'row', when: running, window: true, route: (r) => `/console/${r.id}` },
      { command: 'startVirtualMachine', label: 'Start', on: 'bulk', when: stopped, ask: [] },
      { command: 'stopVirtualMachine', label: 'Stop', on: 'bulk', when: running, ask: ['forced'] },
      { command: 'rebootVirtualMachine', label: 'Reboot', on: 'bulk', when: running, ask: [] },
      { command: 'attachVolume', label: 'Attach volume', on: 'row', when: (r) => running(r) || stopped(r), given: (r) => ({ virtualmachineid: r.id }), ask: ['id'], more: true },
      { command: 'createVMSnapshot', label: 'Snapshot instance', on: 'row', when: (r) => running(r) || stopped(r), given: (r) => ({ virtualmachineid: r.id }), ask: ['name', 'description'], more: true },
      { command: 'attachIso', label: 'Attach ISO', on: 'row', when: (r) => !r.isoid && (running(r) || stopped(r)), given: (r) => ({ virtualmachineid: r.id }), ask: ['id'], more: false },
      { command: 'detachIso', label: 'Detach ISO', on: 'row', when: (r) => !!r.isoid, given: (r) => ({ virtualmachineid: r.id }), ask: [] },
      { command: 'migrateVirtualMachine', label: 'Migrate', on: 'row', when: running, given: (r) => ({ virtualmachineid: r.id }), ask: ['hostid'], more: false },
      { command: 'changeServiceForVirtualMachine', label: 'Change offering', on: 'row', when: stopped, ask: ['serviceofferingid'] },
      { command: 'scaleVirtualMachine', label: 'Scale', on: 'row', when: running, ask: ['serviceofferingid'] },
      { command: 'updateVMAffinityGroup', label: 'Change affinity', on: 'row', when: stopped, ask: ['affinitygroupids'], more: false },
      { command: 'resetPasswordForVirtualMachine', label: 'Reset password', on: 'row', when: (r) => stopped(r) && r.passwordenabled, ask: [], reveal: ['password'] },
      { command: 'resetSSHKeyForVirtualMachine', label: 'Reset SSH key', on: 'row', when: stopped, ask: ['keypair'], more: false },
      { command: 'updateVirtualMachine', label: 'Edit', on: 'row', edit: true, ask: ['displayname', 'group', 'haenable', 'ostypeid', 'userdata'] },
      { command: 'restoreVirtualMachine', label: 'Reinstall', on: 'row', given: (r) => ({ virtualmachineid: r.id }), ask: ['templateid'], danger: true, more: false, when: (r) => running(r) || stopped(r) },
      { command: 'recoverVirtualMachine', label: 'Recover', on: 'bulk', when: (r) => r.state === 'Destroyed', ask: [] },
      { command: 'destroyVirtualMachine', label: 'Destroy', on: 'bulk', danger: true, when: (r) => !['Destroyed', 'Expunging'].includes(r.state), ask: ['expunge'] },
      { command: 'expungeVirtualMachine', label: 'Expunge', on: 'bulk', danger: true, when: (r) => ['Destroyed', 'Expunging'].includes(r.state), ask: [] },
    ],
    tabs: [
      { label: 'Volumes', section: 'volumes', params: (r) => ({ virtualmachineid: r.id }) },
      { label: 'VM snapshots', section: 'vm-snapshots', params: (r) => ({ virtualmachineid: r.id }) },
      { label: 'Affinity groups', section: 'affinity', params: (r) => ({ virtualmachineid: r.id }) },
      { label: 'Events', section: 'events', params: (r) => ({ keyword: r.displayname ?? r.name }) },
    ],
  },
  {
    key: 'groups', title: 'Instance groups', group: 'Compute', list: 'listInstanceGroups', columns: ['name', 'account', 'domain', 'created'],
    actions: [
      { command: 'createInstanceGroup', label: 'New group', on: 'list' },
      { command: 'updateInstanceGroup', label: 'Edit', on: 'row', edit: true },
      { command: 'deleteInstanceGroup', label: 'Delete', on: 'bulk', danger: true, ask: [] },
    ],
    tabs: [{ label: 'Instances', section: 'instances', params: (r) => ({ groupid: r.id }) }],
  },
  {
    key: 'keys', title: 'SSH keys', group: 'Compute', list: 'listSSHKeyPairs', id: 'name', idParam: 'name', columns: ['name', 'fingerprint'],
    actions: [
      { command: 'createSSHKeyPair', label: 'New key pair', on: 'list', ask: ['name'], reveal: ['privatekey'] },
      { command: 'registerSSHKeyPair', label: 'Import public key', on: 'list', ask: ['name', 'publickey'] },
      { command: 'deleteSSHKeyPair', label: 'Delete', on: 'bulk', danger: true, given: (r) => ({ name: r.name }), ask: [] },
    ],
  },
  {
    key: 'affinity', title: 'Affinity groups', group: 'Compute', list: 'listAffinityGroups', columns: ['name', 'type', 'description', 'account', 'domain'],
    actions: [
      { command: 'createAffinityGroup', label: 'New affinity group', on: 'list', ask: ['name', 'type', 'description'] },
      { command: 'deleteAffinityGroup', label: 'Delete', on: 'bulk', danger: true, ask: [] },
    ],
    tabs: [{ label: 'Instances', section: 'instances', params: (r) => ({ affinitygroupid: r.id }) }],
  },
  {
    key: 'templates', title: 'Templates', group: 'Images', list: 'listTemplates', params: () => ({ templatefilter: 'all' }),
    columns: ['name', 'status', 'ostypename', 'hypervisor', 'format', 'size', 'zonename', 'account'],
    filters: [{ param: 'templatefilter', words: ['featured', 'self', 'selfexecutable', 'sharedexecutable', 'executable', 'community'] }, { param: 'zoneid' }, { param: 'hypervisor' }],
    actions: [
      { command: 'registerTemplate', label: 'Register template', on: 'list', ask: ['name', 'displaytext', 'url', 'zoneid', 'hypervisor', 'format', 'ostypeid', 'ispublic', 'isfeatured', 'passwordenabled'] },
      { command: 'updateTemplate', label: 'Edit', on: 'row', edit: true, ask: ['name', 'displaytext', 'ostypeid', 'passwordenabled'] },
      { command: 'updateTemplatePermissions', label: 'Share', on: 'row', ask: ['ispublic', 'isfeatured', 'isextractable', 'op', 'accounts'], edit: true },
      { command: 'copyTemplate', label: 'Copy to a zone', on: 'row', given: (r) => ({ id: r.id, sourcezoneid: r.zoneid }), ask: ['destzoneid'] },
      { command: 'extractTemplate', label: 'Download', on: 'row', when: (r) => r.isextractable, given: (r) => ({ id: r.id, zoneid: r.zoneid, mode: 'HTTP_DOWNLOAD' }), ask: [], reveal: ['url'] },
      { command: 'deleteTemplate', label: 'Delete', on: 'bulk', danger: true, given: (r) => ({ id: r.id, zoneid: r.zoneid }), ask: [] },
    ],
    tabs: [{ label: 'Instances', section: 'instances', params: (r) => ({ templateid: r.id }) }],
  },
  {
    key: 'isos', title: 'ISOs', group: 'Images', list: 'listIsos', params: () => ({ isofilter: 'all' }), columns: ['name', 'status', 'ostypename', 'size', 'bootable', 'zonename', 'account'],
    filters: [{ param: 'isofilter', words: ['featured', 'self', 'selfexecutable', 'executable', 'community'] }, { param: 'zoneid' }],
    actions: [
      { command: 'registerIso', label: 'Register ISO', on: 'list', ask: ['name', 'displaytext', 'url', 'zoneid', 'bootable', 'ostypeid', 'ispublic', 'isfeatured'] },
      { command: 'updateIso', label: 'Edit', on: 'row', edit: true, ask: ['name', 'displaytext', 'ostypeid'] },
      { command: 'updateIsoPermissions', label: 'Share', on: 'row', ask: ['ispublic', 'isfeatured', 'isextractable', 'op', 'accounts'], edit: true },
      { command: 'copyIso', label: 'Copy to a zone', on: 'row', given: (r) => ({ id: r.id, sourcezoneid: r.zoneid }), ask: ['destzoneid'] },
      { command: 'deleteIso', label: 'Delete', on: 'bulk', danger: true, given: (r) => ({ id: r.id, zoneid: r.zoneid }), ask: [] },
    ],
  },
]
