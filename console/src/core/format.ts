/** How a value of the API reads. */
import { language, t } from './i18n'
import type { Row } from './api'

const BYTES = new Set(['size', 'memorytotal', 'memoryallocated', 'disksizetotal', 'disksizeallocated', 'disksizeused', 'virtualsize', 'physicalsize'])
/** Memory of a host is in bytes, that of an offering in MB: the field's name tells. */
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** Bytes with the unit that fits. */
export function bytes(n: number): string {
  if (!Number.isFinite(n)) return '–'
  let unit = 0
  for (; n >= 1024 && unit < UNITS.length - 1; unit++) n /= 1024
  return `${n.toLocaleString(language.value, { maximumFractionDigits: n < 10 ? 1 : 0 })} ${UNITS[unit]}`
}

/** A time of the API (`2026-11-21T07:28:41+0000`) in the reader's own zone. */
export function time(text: string): string {
  const at = new Date(text.replace(/([+-]\d\d)(\d\d)$/, '$1:$2'))
  return Number.isNaN(at.getTime()) ? text : at.toLocaleString(language.value, { dateStyle: 'medium', timeStyle: 'short' })
}

const isTime = (v: unknown): v is string => typeof v === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}$/.test(v)

/** A value as text. */
export function show(field: string, value: unknown): string {
  if (value === undefined || value === null || value === '') return '–'
  if (typeof value === 'boolean') return value ? t('Yes') : t('No')
  if (isTime(value)) return time(value)
  if (typeof value === 'number' && BYTES.has(field)) return bytes(value)
  if (field === 'accounttype') return [t('User'), t('Root administrator'), t('Domain administrator')][Number(value)] ?? String(value)
  if (Array.isArray(value)) return value.map((v) => (typeof v === 'object' ? (v.name ?? v.key ?? v.ipaddress ?? '…') : v)).join(', ') || '–'
  if (typeof value === 'object') return JSON.stringify(value)
  return String(value)
}

/** What kind of news a state is: it colours the badge. */
export function mood(state: string): 'good' | 'bad' | 'busy' | 'calm' {
  const s = state.toLowerCase()
  if (['running', 'up', 'enabled', 'ready', 'implemented', 'allocated', 'active', 'backedup', 'setup', 'completed', 'managed', 'true', 'download complete'].includes(s)) return 'good'
  if (['error', 'down', 'alert', 'disconnected', 'failed', 'unknown', 'errorinmaintenance', 'expunging', 'destroyed', 'locked'].includes(s)) return 'bad'
  if (/ing$|preparefor|scheduled|started|%/.test(s)) return 'busy'
  return 'calm'
}
export const STATES = new Set(['state', 'status', 'resourcestate', 'allocationstate', 'vmstate', 'managedstate'])

/** The line that names a thing. */
export const nameOf = (row: Row, field = 'name'): string => String(row[field] ?? row.displayname ?? row.name ?? row.username ?? row.ipaddress ?? row.displaytext ?? row.id ?? '')

/** Rows as CSV. A cell that a spreadsheet would run as a formula is made plain text. */
export function csv(columns: string[], rows: Row[]): string {
  const cell = (v: unknown) => {
    let text = v === undefined || v === null ? '' : typeof v === 'object' ? JSON.stringify(v) : String(v)
    if (/^[=+\-@\t\r]/.test(text) && typeof v !== 'number') text = `'${text}`
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
  return [columns.join(','), ...rows.map((r) => columns.map((c) => cell(r[c])).join(','))].join('\r\n') + '\r\n'
}
