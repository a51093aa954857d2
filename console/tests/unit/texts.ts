/** Every English sentence that the console can show: what is given to t(), and what declarations hold. */
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { capacityNames } from '../../src/core/capacity'
import { words } from '../../src/core/words'
import { SECTIONS } from '../../src/sections'
import { DAYS } from '../../src/wizards/schedule'
import { blank, plan, TRAFFIC } from '../../src/wizards/zone'

const files = (folder: string): string[] => readdirSync(folder).flatMap((n) => { const p = join(folder, n); return statSync(p).isDirectory() ? files(p) : /\.(ts|vue)$/.test(n) ? [p] : [] })

export function texts(): Set<string> {
  const found = new Set<string>()
  for (const file of files(join(import.meta.dirname, '../../src'))) {
    const source = readFileSync(file, 'utf8')
    for (const m of source.matchAll(/\bt\(\s*'((?:[^'\\]|\\.)+)'/g)) found.add(m[1].replaceAll("\\'", "'"))
    // A choice between two: t(a ? 'x' : 'y') is written as two t()s. Lists of words that are translated later carry a mark.
    for (const line of source.split('\n')) if (line.includes('// texts')) for (const m of line.matchAll(/'([A-Z][^']*)'/g)) found.add(m[1])
  }
  for (const s of SECTIONS) for (const text of [s.title, s.group, ...s.actions.map((a) => a.label), ...(s.tabs ?? []).map((x) => x.label)]) found.add(text)
  for (const text of [...words(), ...capacityNames(), ...DAYS, ...TRAFFIC.Advanced]) found.add(text)
  for (const type of ['Basic', 'Advanced'] as const) for (const step of plan({ ...blank(), type })) found.add(step.label)
  return found
}
