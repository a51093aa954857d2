import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { texts } from './texts'

const all = [...texts()].sort()

test.each(['ko', 'fr', 'de', 'ja'])('%s has every sentence, each with its places, and none that is said no more', (language) => {
  const file: Record<string, string> = JSON.parse(readFileSync(join(import.meta.dirname, `../../src/locales/${language}.json`), 'utf8'))
  expect(all.filter((text) => !file[text])).toEqual([])
  expect(Object.keys(file).filter((text) => !all.includes(text))).toEqual([])
  const places = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort().join()
  expect(all.filter((text) => places(text) !== places(file[text]))).toEqual([])
})

test('the texts are found', () => {
  expect(all.length).toBeGreaterThan(300)
  expect(all).toContain('New instance')
  expect(all).toContain('{from}–{to} of {count}')
})
