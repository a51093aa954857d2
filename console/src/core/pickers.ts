/** Which list a parameter chooses from. Keys are parameter names in lower case. */
import { list, type Params, type Row } from './api'
import { can, scope, takes } from './session'

export interface Source {
  list: string
  /** Field that is sent. */
  value: string
  /** What one row is called. */
  label: (row: Row) => string
  params?: Params
}
export interface Choice {
  value: string
  label: string
}

const by = (command: string, params?: Params, label: (r: Row) => string = (r) => r.name, value = 'id'): Source => ({ list: command, params, label, value })

const SOURCES: Record<string, Source> = {
  zoneid: by('listZones'),
  podid: by('listPods'),
  clusterid: by('listClusters'),
  hostid: by('listHosts', { type: 'Routing' }),
  serviceofferingid: by('listServiceOfferings', {}, (r) => `${r.name} (${r.cpunumber ?? '?'} × ${r.cpuspeed ?? '?'} MHz, ${r.memory ?? '?'} MB)`),
  diskofferingid: by('listDiskOfferings', {}, (r) => (r.iscustomized ? r.name : `${r.name} (${r.disksize} GB)`)),
  networkofferingid: by('listNetworkOfferings', {}, (r) => r.displaytext ?? r.name),
  vpcofferingid: by('listVPCOfferings'),
  templateid: by('listTemplates', { templatefilter: 'executable' }),
  isoid: by('listIsos', { isofilter: 'executable' }),
  virtualmachineid: by('listVirtualMachines', {}, (r) => `${r.displayname ?? r.name} (${r.state})`),
  volumeid: by('listVolumes'),
  snapshotid: by('listSnapshots'),
  vmsnapshotid: by('listVMSnapshot', {}, (r) => r.displayname ?? r.name),
  networkid: by('listNetworks'),
  vpcid: by('listVPCs'),
  ipaddressid: by('listPublicIpAddresses', {}, (r) => r.ipaddress),
  publicipid: by('listPublicIpAddresses', {}, (r) => r.ipaddress),
  securitygroupid: by('listSecurityGroups'),
  affinitygroupid: by('listAffinityGroups'),
  groupid: by('listInstanceGroups'),
  domainid: by('listDomains', {}, (r) => r.path ?? r.name),
  parentdomainid: by('listDomains', {}, (r) => r.path ?? r.name),
  projectid: by('listProjects'),
  physicalnetworkid: by('listPhysicalNetworks'),
  destinationphysicalnetworkid: by('listPhysicalNetworks'),
  ostypeid: by('listOsTypes', {}, (r) => r.description),
  oscategoryid: by('listOsCategories'),
  storageid: by('listStoragePools'),
  userid: by('listUsers', {}, (r) => r.username),
  account: by('listAccounts', {}, (r) => r.name, 'name'),
  keypair: by('listSSHKeyPairs', {}, (r) => r.name, 'name'),
  hypervisor: by('listHypervisors', {}, (r) => r.name, 'name'),
  destzoneid: by('listZones'),
  sourcezoneid: by('listZones'),
}
const PLURAL: Record<string, string> = {
  networkids: 'networkid', securitygroupids: 'securitygroupid', affinitygroupids: 'affinitygroupid', virtualmachineids: 'virtualmachineid', zoneids: 'zoneid',
}

/** Words that a text parameter is limited to. */
export const WORDS_OF: Record<string, string[]> = {
  allocationstate: ['Enabled', 'Disabled'],
  scope: ['cluster', 'zone'],
  networktype: ['Basic', 'Advanced'],
  storagetype: ['shared', 'local'],
  traffictype: ['Guest', 'Management', 'Public', 'Storage'],
  guestiptype: ['Isolated', 'Shared'],
  availability: ['Optional', 'Required', 'Unavailable'],
  clustertype: ['CloudManaged', 'ExternalManaged'],
  accounttype: ['0', '1', '2'],
  acltype: ['account', 'domain'],
  format: ['QCOW2', 'RAW', 'VHD', 'OVA', 'ISO'],
  intervaltype: ['HOURLY', 'DAILY', 'WEEKLY', 'MONTHLY'],
  algorithm: ['roundrobin', 'leastconn', 'source'],
  hypervisor: ['Simulator', 'KVM', 'XenServer', 'VMware', 'LXC', 'Hyperv'],
  op: ['add', 'remove', 'reset'],
  protocol: ['TCP', 'UDP', 'ICMP'],
  mode: ['HTTP_DOWNLOAD', 'FTP_UPLOAD'],
}

/** Where a command means something else by a name: another list, or free text. */
const EXCEPT: Record<string, Source | null> = {
  'attachVolume.id': by('listVolumes', { type: 'DATADISK' }, (r) => `${r.name}${r.vmdisplayname ? ` (${r.vmdisplayname})` : ''}`),
  'attachIso.id': by('listIsos', { isofilter: 'executable' }),
  'createAccount.account': null,
  'addCluster.hypervisor': null,
  'addHost.hypervisor': null,
  'createStoragePool.hypervisor': null,
}

/** The list behind a parameter, where there is one that the caller may run. */
export function sourceOf(param: string, command = ''): Source | undefined {
  const name = param.toLowerCase()
  const except = EXCEPT[`${command}.${name}`]
  if (except === null) return undefined
  const source = except ?? SOURCES[PLURAL[name] ?? name]
  return source && can(source.list) ? source : undefined
}

/** The choices of a source: the first hundred that match what was typed. */
export async function choices(source: Source, typed = '', more: Params = {}): Promise<{ count: number; choices: Choice[] }> {
  const params: Params = { ...scope(source.list), ...source.params, page: 1, pagesize: 100 }
  for (const [name, value] of Object.entries(more)) if (takes(source.list, name)) params[name] = value
  if (typed && takes(source.list, 'keyword')) params.keyword = typed
  const page = await list(source.list, params)
  const seen = new Set<string>()
  const found = page.rows
    .map((r) => ({ value: String(r[source.value]), label: source.label(r) ?? String(r[source.value]) }))
    .filter((c) => !seen.has(c.value) && seen.add(c.value))
  return { count: page.count, choices: found }
}
