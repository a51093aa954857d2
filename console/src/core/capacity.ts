/** The kinds of capacity that the API numbers. */
import { bytes } from './format'
import { language } from './i18n'

const NAMES = ['Memory', 'CPU', 'Primary storage used', 'Primary storage allocated', 'Public addresses', 'Private addresses', 'Secondary storage', 'VLANs', 'Guest addresses', 'Local storage']
const BYTES = new Set([0, 2, 3, 6, 9])

/** Its English name. */
export const capacityName = (type: number) => NAMES[type] ?? `Capacity ${type}`
export const capacityNames = () => NAMES

/** An amount of it with its unit. */
export function capacityAmount(type: number, n: number): string {
  if (BYTES.has(type)) return bytes(n)
  if (type === 1) return `${(n / 1000).toLocaleString(language.value, { maximumFractionDigits: 1 })} GHz`
  return n.toLocaleString(language.value)
}
