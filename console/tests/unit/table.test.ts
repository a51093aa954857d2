import { flushPromises, mount } from '@vue/test-utils'
import { expect, test } from 'vitest'
import { createRouter, createWebHashHistory } from 'vue-router'
import ResourceTable from '../../src/components/ResourceTable.vue'
import { csv, mood, show } from '../../src/core/format'
import type { Section } from '../../src/sections/types'
import { command, paging, param, sent, server } from './server'

const things: Section = {
  key: 'things', title: 'Things', group: 'X', list: 'listThings', columns: ['name', 'state'],
  filters: [{ param: 'state', words: ['Up', 'Down'] }],
  actions: [{ command: 'makeThing', label: 'New thing', on: 'list' }, { command: 'stopThing', label: 'Stop', on: 'bulk', when: (r) => r.state === 'Up' }, { command: 'secretThing', label: 'Secret', on: 'list' }],
}
const router = createRouter({ history: createWebHashHistory(), routes: [{ path: '/:x*', component: { template: '<i/>' } }] })
const asked = { page: 1, size: 20, keyword: '', filters: {} }
const commands = [command('listThings', [...paging, param('state'), param('listall', 'boolean')], ['id', 'name', 'state', 'size']), command('makeThing', []), command('stopThing', [])]
const rows = [{ id: '1', name: 'one', state: 'Up' }, { id: '2', name: 'two', state: 'Down' }]

async function table(props = {}, answer: unknown[] = [{ count: 45, thing: rows }]) {
  server(commands, { listThings: answer })
  const shown = mount(ResourceTable, { props: { section: things, asked, ...props }, global: { plugins: [router] } })
  await flushPromises()
  return shown
}

test('the server pages, and the pager says where one is', async () => {
  const shown = await table()
  expect(sent('listThings')).toEqual([{ listall: 'true', page: '1', pagesize: '20' }])
  expect(shown.findAll('tbody tr')).toHaveLength(2)
  expect(shown.find('.pager').text()).toContain('of 45')
  await shown.find('[aria-label="Next page"]').trigger('click')
  expect(shown.emitted('ask')![0]).toEqual([{ ...asked, page: 2 }])
  await shown.setProps({ asked: { ...asked, page: 2, keyword: 'o', filters: { state: 'Up' } } })
  await flushPromises()
  expect(sent('listThings').at(-1)).toEqual({ listall: 'true', page: '2', pagesize: '20', keyword: 'o', state: 'Up' })
})

test('search and filters begin at the first page', async () => {
  const shown = await table({ asked: { ...asked, page: 3 } })
  await shown.find('input[type=search]').setValue('abc')
  await shown.find('form').trigger('submit')
  expect(shown.emitted('ask')![0]).toEqual([{ ...asked, keyword: 'abc' }])
  await shown.find('select[aria-label="State"]').setValue('Down')
  expect(shown.emitted('ask')![1]).toEqual([{ ...asked, filters: { state: 'Down' } }])
})

test('only what the caller may run is offered, and only where it makes sense', async () => {
  const shown = await table()
  expect(shown.text()).toContain('New thing')
  expect(shown.text()).not.toContain('Secret')
  const boxes = shown.findAll('tbody input[type=checkbox]')
  await boxes[1].setValue(true)
  expect(shown.find('.bulk').text()).not.toContain('Stop')
  await boxes[0].setValue(true)
  expect(shown.find('.bulk').text()).toContain('Stop')
  expect(shown.find('.bulk').text()).toContain('2 selected')
})

test('a refusal is shown in the words of the server; an empty list says that it is empty', async () => {
  const refused = await table({}, [{ status: 531, errortext: 'Not yours' }])
  expect(refused.find('[role=alert]').text()).toBe('Not yours')
  const empty = await table({}, [{}])
  expect(empty.find('.empty').text()).toBe('There is nothing here yet.')
})

test('a column that is chosen is shown and remembered', async () => {
  const shown = await table({}, [{ count: 1, thing: [{ id: '1', name: 'one', state: 'Up', size: 2147483648 }] }])
  const box = shown.findAll('.drop label').find((l) => l.text() === 'Size')!.find('input')
  await box.setValue(true)
  expect(shown.find('tbody').text()).toContain('2 GiB')
  expect(JSON.parse(localStorage.getItem('stratus.columns.things')!)).toEqual(['name', 'state', 'size'])
  localStorage.clear()
})

test('values read as people write them; a cell never runs as a formula', () => {
  expect(show('isready', true)).toBe('Yes')
  expect(show('name', undefined)).toBe('–')
  expect(mood('Running')).toBe('good')
  expect(mood('Starting')).toBe('busy')
  expect(csv(['name', 'n'], [{ name: '=1+1', n: -1 }, { name: 'a "b", c', n: 2 }])).toBe('name,n\r\n\'=1+1,-1\r\n"a ""b"", c",2\r\n')
})
