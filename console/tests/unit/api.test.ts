import { expect, test } from 'vitest'
import { flatten } from '../../src/core/api'

test('lists go by comma, maps by index, and nothing that is not set is sent', () => {
  expect(flatten({ a: 1, b: '', c: undefined, ids: ['x', 'y'], details: [{ key: 'k', value: 'v' }], none: [] })).toEqual([['a', '1'], ['ids', 'x,y'], ['details[0].key', 'k'], ['details[0].value', 'v']])
})
