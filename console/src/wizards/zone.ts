/**
 * What building a zone takes, as a list of small steps. Each leaves the ids it made in `made`, which is kept in the browser after each
 * step: after an error, or a closed window, the list goes on where it stopped and makes nothing twice.
 */
import { call, list, only, type Params } from '../core/api'
import { poll } from '../core/jobs'
import { api } from '../core/session'

export interface Wire {
  name: string
  isolation: string
  vlan: string
  traffic: string[]
}
export interface ZoneForm {
  type: 'Basic' | 'Advanced'
  name: string
  dns1: string
  internaldns1: string
  guestcidr: string
  localstorage: boolean
  wires: Wire[]
  pod: { name: string; gateway: string; netmask: string; start: string; end: string }
  /** Guest addresses of a basic zone's pod, or public addresses of an advanced one. */
  range: { gateway: string; netmask: string; start: string; end: string; vlan: string }
  hypervisor: string
  cluster: string
  hosts: string
  username: string
  password: string
  primary: { name: string; url: string }
  secondary: { provider: string; url: string }
}
export type Made = Record<string, string>
export interface Step {
  key: string
  label: string
  places?: Record<string, string>
  run: (made: Made) => Promise<void>
}

export const TRAFFIC = { Basic: ['Management', 'Guest', 'Storage'], Advanced: ['Management', 'Public', 'Guest', 'Storage'] } as const
/** Without these a zone cannot work; storage traffic goes with management where it is not placed. */
export const NEEDED = { Basic: ['Management', 'Guest'], Advanced: ['Management', 'Public', 'Guest'] } as const

/** Values that work with simulated hosts as they are. */
export const blank = (): ZoneForm => ({
  type: 'Basic', name: '', dns1: '8.8.8.8', internaldns1: '10.1.0.1', guestcidr: '10.1.1.0/24', localstorage: false,
  wires: [{ name: 'wires', isolation: 'VLAN', vlan: '100-199', traffic: ['Management', 'Guest'] }],
  pod: { name: 'pod', gateway: '192.168.20.1', netmask: '255.255.255.0', start: '192.168.20.2', end: '192.168.20.50' },
  range: { gateway: '192.168.21.1', netmask: '255.255.255.0', start: '192.168.21.2', end: '192.168.21.200', vlan: '' },
  hypervisor: 'Simulator', cluster: 'cluster', hosts: 'http://sim/c1/h0', username: '', password: '',
  primary: { name: 'primary', url: 'nfs://10.2.0.1/export/primary' }, secondary: { provider: 'NFS', url: 'nfs://10.2.0.1/export/secondary' },
})

/** Why this form cannot be built; none when it can. */
export function faults(form: ZoneForm): string[] {
  const placed = form.wires.flatMap((w) => w.traffic)
  return NEEDED[form.type].filter((kind) => !placed.includes(kind))
}

/** Runs a command and its job, if it has one. */
async function done(command: string, params: Params) {
  const first = await call(command, params)
  if (api(command)?.isasync && first.jobid) return only(await poll(first.jobid))
  return only(first)
}

export function plan(form: ZoneForm): Step[] {
  const basic = form.type === 'Basic'
  const steps: Step[] = [
    {
      key: 'zone', label: 'Zone {name}', places: { name: form.name },
      run: async (made) => {
        const zone = await done('createZone', { name: form.name, networktype: form.type, dns1: form.dns1, internaldns1: form.internaldns1, localstorageenabled: form.localstorage, ...(basic ? { securitygroupenabled: true } : { guestcidraddress: form.guestcidr }) })
        made.zone = zone.id
      },
    },
  ]
  form.wires.forEach((wire, i) => {
    steps.push({
      key: `wire${i}`, label: 'Physical network {name}', places: { name: wire.name },
      run: async (made) => {
        made[`wire${i}`] = (await done('createPhysicalNetwork', { zoneid: made.zone, name: wire.name, ...(basic ? {} : { isolationmethods: wire.isolation }) })).id
      },
    })
    for (const kind of wire.traffic) {
      steps.push({ key: `traffic${i}${kind}`, label: '{kind} traffic on {name}', places: { kind, name: wire.name }, run: async (made) => void (await done('addTrafficType', { physicalnetworkid: made[`wire${i}`], traffictype: kind })) })
    }
    if (wire.traffic.includes('Guest')) {
      for (const provider of basic ? ['VirtualRouter', 'SecurityGroupProvider'] : ['VirtualRouter', 'VpcVirtualRouter']) {
        steps.push({ key: `provider${i}${provider}`, label: 'Provider {name}', places: { name: provider }, run: (made) => enable(made[`wire${i}`], provider) })
      }
    }
    steps.push({ key: `enable${i}`, label: 'Enable {name}', places: { name: wire.name }, run: async (made) => void (await done('updatePhysicalNetwork', { id: made[`wire${i}`], state: 'Enabled', ...(!basic && wire.traffic.includes('Guest') ? { vlan: wire.vlan } : {}) })) })
  })
  if (basic) {
    steps.push({
      key: 'network', label: 'Guest network',
      run: async (made) => {
        const offering = (await list('listNetworkOfferings', { name: 'DefaultSharedNetworkOfferingWithSGService' })).rows[0]
        made.network = (await done('createNetwork', { zoneid: made.zone, name: `${form.name}-guest`, displaytext: `${form.name}-guest`, networkofferingid: offering?.id })).id
      },
    })
  }
  steps.push({ key: 'pod', label: 'Pod {name}', places: { name: form.pod.name }, run: async (made) => { made.pod = (await done('createPod', { zoneid: made.zone, name: form.pod.name, gateway: form.pod.gateway, netmask: form.pod.netmask, startip: form.pod.start, endip: form.pod.end })).id } })
  steps.push({
    key: 'range', label: basic ? 'Guest addresses' : 'Public addresses',
    run: async (made) => {
      const { gateway, netmask, start, end, vlan } = form.range
      const publicWire = form.wires.findIndex((w) => w.traffic.includes('Public'))
      await done('createVlanIpRange', { gateway, netmask, startip: start, endip: end, ...(basic ? { podid: made.pod, networkid: made.network, vlan: 'untagged', forvirtualnetwork: false } : { zoneid: made.zone, physicalnetworkid: made[`wire${publicWire}`], vlan: vlan || 'untagged', forvirtualnetwork: true }) })
    },
  })
  steps.push({ key: 'cluster', label: 'Cluster {name}', places: { name: form.cluster }, run: async (made) => { made.cluster = (await list('addCluster', { zoneid: made.zone, podid: made.pod, clustername: form.cluster, clustertype: 'CloudManaged', hypervisor: form.hypervisor })).rows[0]?.id } })
  form.hosts.split(/\s+/).filter(Boolean).forEach((url, i) => {
    steps.push({ key: `host${i}`, label: 'Host {name}', places: { name: url }, run: async (made) => void (await list('addHost', { zoneid: made.zone, podid: made.pod, clusterid: made.cluster, hypervisor: form.hypervisor, url, username: form.username || 'root', password: form.password || 'password' })) })
  })
  steps.push({ key: 'primary', label: 'Primary storage {name}', places: { name: form.primary.name }, run: async (made) => void (await done('createStoragePool', { zoneid: made.zone, podid: made.pod, clusterid: made.cluster, name: form.primary.name, url: form.primary.url })) })
  steps.push({ key: 'secondary', label: 'Secondary storage', run: async (made) => void (await done('addImageStore', { zoneid: made.zone, provider: form.secondary.provider, url: form.secondary.url })) })
  steps.push({ key: 'enable', label: 'Enable the zone', run: async (made) => void (await done('updateZone', { id: made.zone, allocationstate: 'Enabled' })) })
  return steps
}

/** Enables a provider of a physical network; a router's element first. */
async function enable(wire: string, name: string) {
  const provider = (await list('listNetworkServiceProviders', { physicalnetworkid: wire, name })).rows[0]
  if (!provider || provider.state === 'Enabled') return
  if (name.endsWith('VirtualRouter')) {
    const element = (await list('listVirtualRouterElements', { nspid: provider.id })).rows[0]
    if (element && !element.enabled) await done('configureVirtualRouterElement', { id: element.id, enabled: true })
  }
  await done('updateNetworkServiceProvider', { id: provider.id, state: 'Enabled' })
}
