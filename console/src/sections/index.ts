import { can } from '../core/session'
import { account } from './account'
import { compute } from './compute'
import { infrastructure } from './infrastructure'
import { network } from './network'
import { offerings } from './offerings'
import { storage } from './storage'
import type { Action, Section } from './types'

export const SECTIONS: Section[] = [...compute, ...storage, ...network, ...account, ...offerings, ...infrastructure]
const KEYED = new Map(SECTIONS.map((s) => [s.key, s]))

export const section = (key: string) => KEYED.get(key)
/** The sections of the navigation: whose list the caller may read, and where there is something for the caller to do (or for anybody). */
export const visible = () => SECTIONS.filter((s) => !s.hidden && can(s.list) && (!s.actions.length || allowed(s).length > 0))
/** The actions that the caller may run. */
export const allowed = (s: Section): Action[] => s.actions.filter((a) => can(a.command))

/** Fields that name another thing: its section, and the field with its id. */
export const LINKS: Record<string, [section: string, id: string]> = {
  zonename: ['zones', 'zoneid'], podname: ['pods', 'podid'], clustername: ['clusters', 'clusterid'], hostname: ['hosts', 'hostid'],
  templatename: ['templates', 'templateid'], serviceofferingname: ['service-offerings', 'serviceofferingid'], diskofferingname: ['disk-offerings', 'diskofferingid'],
  vmname: ['instances', 'virtualmachineid'], vmdisplayname: ['instances', 'virtualmachineid'], networkname: ['networks', 'networkid'],
  associatednetworkname: ['networks', 'associatednetworkid'], networkofferingname: ['network-offerings', 'networkofferingid'], domain: ['domains', 'domainid'],
  volumename: ['volumes', 'volumeid'], storage: ['pools', 'storageid'], project: ['projects', 'projectid'], isoname: ['isos', 'isoid'], publicip: ['addresses', 'publicipid'],
}
