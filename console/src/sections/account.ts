import type { Section } from './types'

export const account: Section[] = [
  {
    key: 'events', title: 'Events', group: 'Activity', list: 'listEvents', name: 'description', columns: ['description', 'type', 'level', 'state', 'username', 'account', 'created'],
    filters: [{ param: 'level', words: ['INFO', 'WARN', 'ERROR'] }],
    actions: [
      { command: 'archiveEvents', label: 'Archive', on: 'bulk', given: (r) => ({ ids: r.id }), ask: [] },
      { command: 'deleteEvents', label: 'Delete', on: 'bulk', danger: true, given: (r) => ({ ids: r.id }), ask: [] },
    ],
  },
  {
    key: 'alerts', title: 'Alerts', group: 'Activity', list: 'listAlerts', name: 'description', columns: ['description', 'type', 'sent'],
    actions: [
      { command: 'archiveAlerts', label: 'Archive', on: 'bulk', given: (r) => ({ ids: r.id }), ask: [] },
      { command: 'deleteAlerts', label: 'Delete', on: 'bulk', danger: true, given: (r) => ({ ids: r.id }), ask: [] },
    ],
  },
  {
    key: 'jobs', title: 'Jobs', group: 'Activity', list: 'listAsyncJobs', name: 'jobid', id: 'jobid', columns: ['cmd', 'jobstatus', 'jobinstancetype', 'created'],
    actions: [],
  },
  {
    key: 'projects', title: 'Projects', group: 'Accounts', list: 'listProjects', columns: ['name', 'displaytext', 'state', 'account', 'domain'],
    actions: [
      { command: 'createProject', label: 'New project', on: 'list', ask: ['name', 'displaytext'] },
      { command: 'updateProject', label: 'Edit', on: 'row', edit: true, ask: ['displaytext', 'account'] },
      { command: 'addAccountToProject', label: 'Add member', on: 'row', given: (r) => ({ projectid: r.id }), ask: ['account', 'email'] },
      { command: 'deleteAccountFromProject', label: 'Remove member', on: 'row', danger: true, given: (r) => ({ projectid: r.id }), ask: ['account'] },
      { command: 'suspendProject', label: 'Suspend', on: 'row', danger: true, when: (r) => r.state === 'Active', ask: [] },
      { command: 'activateProject', label: 'Activate', on: 'row', when: (r) => r.state !== 'Active', ask: [] },
      { command: 'deleteProject', label: 'Delete', on: 'row', danger: true, ask: [] },
    ],
    tabs: [
      { label: 'Members', section: 'project-members', params: (r) => ({ projectid: r.id }) },
      { label: 'Instances', section: 'instances', params: (r) => ({ projectid: r.id }) },
    ],
  },
  { key: 'project-members', title: 'Members', group: 'Accounts', list: 'listProjectAccounts', hidden: true, name: 'account', id: 'accountid', columns: ['account', 'role'], actions: [] },
  {
    key: 'invitations', title: 'Invitations', group: 'Accounts', list: 'listProjectInvitations', name: 'project', columns: ['project', 'account', 'email', 'state'],
    actions: [
      { command: 'updateProjectInvitation', label: 'Accept', on: 'row', when: (r) => r.state === 'Pending', given: (r) => ({ projectid: r.projectid, accept: true }), ask: [] },
      { command: 'deleteProjectInvitation', label: 'Delete', on: 'bulk', danger: true, ask: [] },
    ],
  },
  {
    key: 'accounts', title: 'Accounts', group: 'Accounts', list: 'listAccounts', columns: ['name', 'accounttype', 'state', 'domain', 'vmtotal', 'volumetotal', 'vmrunning', 'vmstopped'],
    filters: [{ param: 'domainid' }, { param: 'state', words: ['enabled', 'disabled', 'locked'] }],
    actions: [
      { command: 'createAccount', label: 'New account', on: 'list', ask: ['username', 'password', 'firstname', 'lastname', 'email', 'accounttype', 'account', 'domainid'] },
      { command: 'updateAccount', label: 'Edit', on: 'row', given: (r) => ({ account: r.name, domainid: r.domainid }), ask: ['newname', 'networkdomain'] },
      { command: 'enableAccount', label: 'Enable', on: 'bulk', when: (r) => r.state !== 'enabled', given: (r) => ({ account: r.name, domainid: r.domainid }), ask: [] },
      { command: 'lockAccount', label: 'Lock', on: 'bulk', danger: true, when: (r) => r.state === 'enabled' && !r.isdefault, given: (r) => ({ account: r.name, domainid: r.domainid }), ask: [] },
      { command: 'disableAccount', label: 'Disable', on: 'bulk', danger: true, when: (r) => r.state === 'enabled' && !r.isdefault, given: (r) => ({ account: r.name, domainid: r.domainid, lock: false }), ask: [] },
      { command: 'updateResourceCount', label: 'Count resources again', on: 'row', given: (r) => ({ account: r.name, domainid: r.domainid }), ask: [] },
      { command: 'deleteAccount', label: 'Delete', on: 'bulk', danger: true, when: (r) => !r.isdefault, ask: [] },
    ],
    tabs: [
      { label: 'Users', section: 'users', params: (r) => ({ account: r.name, domainid: r.domainid }) },
      { label: 'Instances', section: 'instances', params: (r) => ({ account: r.name, domainid: r.domainid }) },
    ],
    panel: 'limits',
  },
  {
    key: 'users', title: 'Users', group: 'Accounts', list: 'listUsers', name: 'username', columns: ['username', 'firstname', 'lastname', 'email', 'state', 'account', 'domain'],
    filters: [{ param: 'domainid' }],
    actions: [
      { command: 'createUser', label: 'New user', on: 'list', ask: ['username', 'password', 'firstname', 'lastname', 'email', 'account', 'domainid', 'timezone'] },
      { command: 'updateUser', label: 'Edit', on: 'row', edit: true, ask: ['username', 'firstname', 'lastname', 'email', 'timezone'], more: false },
      { command: 'updateUser', label: 'Change password', on: 'row', ask: ['password'], more: false },
      { command: 'registerUserKeys', label: 'Generate keys', on: 'row', danger: true, ask: [], reveal: ['apikey', 'secretkey'] },
      { command: 'enableUser', label: 'Enable', on: 'bulk', when: (r) => r.state !== 'enabled', ask: [] },
      { command: 'disableUser', label: 'Disable', on: 'bulk', danger: true, when: (r) => r.state === 'enabled' && !r.isdefault, ask: [] },
      { command: 'deleteUser', label: 'Delete', on: 'bulk', danger: true, when: (r) => !r.isdefault, ask: [] },
    ],
    tabs: [{ label: 'Certificates', section: 'certificates', params: (r) => ({ userid: r.id }) }],
    panel: 'keys',
  },
  {
    key: 'certificates', title: 'EC2 SOAP certificates', group: 'Accounts', list: 'listUserCertificates', name: 'subject', columns: ['subject', 'username', 'validfrom', 'validuntil', 'fingerprint', 'account'],
    filters: [{ param: 'userid' }],
    actions: [
      { command: 'registerUserCertificate', label: 'Register certificate', on: 'list', ask: ['certificate', 'userid'] },
      { command: 'deleteUserCertificate', label: 'Delete', on: 'bulk', danger: true, ask: [] },
    ],
  },
  {
    key: 'domains', title: 'Domains', group: 'Accounts', list: 'listDomains', columns: ['name', 'path', 'level', 'haschild', 'networkdomain'],
    actions: [
      { command: 'createDomain', label: 'New domain', on: 'list', ask: ['name', 'parentdomainid', 'networkdomain'], more: false },
      { command: 'createDomain', label: 'New subdomain', on: 'row', given: (r) => ({ parentdomainid: r.id }), ask: ['name', 'networkdomain'], more: false },
      { command: 'updateDomain', label: 'Edit', on: 'row', edit: true, ask: ['name', 'networkdomain'] },
      { command: 'deleteDomain', label: 'Delete', on: 'row', danger: true, when: (r) => r.level > 0, ask: ['cleanup'] },
    ],
    tabs: [
      { label: 'Subdomains', section: 'domains', params: (r) => ({ id: undefined, parentof: r.id }), when: () => false },
      { label: 'Accounts', section: 'accounts', params: (r) => ({ domainid: r.id }) },
      { label: 'Users', section: 'users', params: (r) => ({ domainid: r.id }) },
    ],
    panel: 'limits',
  },
]
