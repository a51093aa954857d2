/** A section of the console is data: the generic list, detail and form pages do the rest with what listApis says of its commands. */
import type { Params, Row } from '../core/api'

export interface Action {
  command: string
  /** English, the key of its translations. */
  label: string
  /** On the list as a whole, on one thing, or on all selected ones too. */
  on: 'list' | 'row' | 'bulk'
  /** Whether it makes sense for this thing. */
  when?: (row: Row) => boolean
  /** Parameters that are settled; a row action sends its id unless this says otherwise. */
  given?: (row: Row) => Params
  /** Parameters asked for, in this order and before all others. `[]` asks for none. */
  ask?: string[]
  /** Whether the other parameters of the command are offered below. Default: when `ask` is not `[]`. */
  more?: boolean
  /** Takes the row's values as defaults. */
  edit?: boolean
  danger?: boolean
  /** A page of its own instead of a form. */
  route?: (row: Row) => string
  /** Opens a window of its own. */
  window?: boolean
  /** Shows the answer's fields once (a private key, a password). */
  reveal?: string[]
}
export interface Filter {
  param: string
  /** Fixed words; without them the parameter's picker. */
  words?: string[]
}
export interface Tab {
  label: string
  /** The section whose list it shows. */
  section: string
  /** Parameters of that list, from the thing. */
  params: (row: Row) => Params
  when?: (row: Row) => boolean
}
export interface Section {
  key: string
  title: string
  group: string
  list: string
  /** Parameters that the list always has. */
  params?: () => Params
  /** Field that names a thing. */
  name?: string
  /** Field and parameter that identify it. */
  id?: string
  idParam?: string
  columns: string[]
  filters?: Filter[]
  actions: Action[]
  tabs?: Tab[]
  /** Reached from other sections, not from the navigation. */
  hidden?: boolean
  /** A component above the fields of the detail page. */
  panel?: 'security-rules' | 'limits' | 'keys' | 'snapshot-policies' | 'traffic'
}
