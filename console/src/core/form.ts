/** Forms from declarations: which parameters are asked for, what they start with, and what is sent. */
import type { Params, Row } from './api'
import { api, takes, type Param } from './session'
import { sourceOf, WORDS_OF } from './pickers'
import type { Action } from '../sections/types'

export type Kind = 'yesno' | 'words' | 'picker' | 'several' | 'number' | 'password' | 'text' | 'long' | 'map'

/** Which widget a parameter has. */
export function kindOf(command: string, p: Param): Kind {
  if (p.type === 'boolean') return 'yesno'
  if (p.type === 'list' && sourceOf(p.name, command)) return 'several'
  if (sourceOf(p.name, command)) return 'picker'
  if (p.type !== 'map' && WORDS_OF[p.name.toLowerCase()]) return 'words'
  if (['integer', 'long', 'short', 'float'].includes(p.type)) return 'number'
  if (p.type === 'map') return 'map'
  if (/password|secret/i.test(p.name)) return 'password'
  if (/userdata|publickey|certificate/i.test(p.name)) return 'long'
  return 'text'
}

/** Never asked for: the machinery's own, and what only scripts use. */
const QUIET = new Set(['page', 'pagesize', 'listall', 'isrecursive', 'starteventid', 'customid', 'fordisplay'])

/** The parameters of an action's form: those to be seen at once, and the rest. */
export function fieldsOf(action: Action, settled: Params): { first: Param[]; more: Param[] } {
  const all = (api(action.command)?.params ?? []).filter((p) => !(p.name in settled) && !QUIET.has(p.name))
  const ask = action.ask
  if (ask && ask.length === 0 && action.more !== true) return { first: all.filter((p) => p.required), more: [] }
  const named = (ask ?? []).map((name) => all.find((p) => p.name === name)).filter((p): p is Param => !!p)
  const first = [...named, ...all.filter((p) => p.required && !named.includes(p))]
  const more = action.more === false ? [] : all.filter((p) => !first.includes(p))
  return { first, more }
}

/** What a row action settles by itself. */
export function settledBy(action: Action, row: Row | undefined, context: Params): Params {
  const settled: Params = {}
  for (const [name, value] of Object.entries(context)) if (takes(action.command, name)) settled[name] = value
  if (row && action.on !== 'list') Object.assign(settled, action.given ? action.given(row) : { id: row.id })
  return settled
}

/** What the fields start with. */
export function startWith(action: Action, row: Row | undefined, params: Param[]): Params {
  const values: Params = {}
  if (!action.edit || !row) return values
  for (const p of params) {
    const value = row[p.name]
    if (value !== undefined && p.type !== 'map' && p.type !== 'list') values[p.name] = value
  }
  return values
}

/** What is sent: settled parameters and the fields that were filled or, when editing, changed. */
export function toSend(action: Action, settled: Params, values: Params, before: Params): Params {
  const params: Params = { ...settled }
  for (const [name, value] of Object.entries(values)) {
    if (action.edit && value === before[name]) continue
    if (value === undefined || value === null || value === '') continue
    params[name] = name === 'userdata' ? base64(String(value)) : value
  }
  return params
}

/** Text as base64 of its UTF-8. */
export function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}
