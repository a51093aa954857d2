import { flushPromises, mount } from '@vue/test-utils'
import { beforeEach, expect, test } from 'vitest'
import { nextTick } from 'vue'
import ActionDialog from '../../src/components/ActionDialog.vue'
import { asking } from '../../src/core/act'
import { fieldsOf, kindOf, settledBy, toSend } from '../../src/core/form'
import { jobs, notices } from '../../src/core/jobs'
import type { Action, Section } from '../../src/sections/types'
import { command, param, sent, server } from './server'

const section: Section = { key: 'things', title: 'Things', group: 'X', list: 'listThings', columns: ['name'], actions: [] }
const open = (action: Action, rows: Record<string, unknown>[] = []) => (asking.value = { section, action, rows, context: {} })
const stubs = { RouterLink: true }

beforeEach(() => {
  asking.value = null
  jobs.splice(0)
  notices.splice(0)
})

test('a parameter has the widget of its type, and a list to choose from where the caller may read one', () => {
  server([command('listZones', []), command('make', [])], {})
  expect(kindOf('make', param('forced', 'boolean'))).toBe('yesno')
  expect(kindOf('make', param('size', 'long'))).toBe('number')
  expect(kindOf('make', param('zoneid', 'uuid'))).toBe('picker')
  expect(kindOf('make', param('hostid', 'uuid'))).toBe('text') // listHosts is not this caller's
  expect(kindOf('make', param('password'))).toBe('password')
  expect(kindOf('make', param('details', 'map'))).toBe('map')
  expect(kindOf('make', param('allocationstate'))).toBe('words')
})

test('what is asked for comes first, what is required is never hidden, what is settled is not asked', () => {
  server([command('make', [param('a'), param('b', 'string', true), param('id', 'uuid', true), param('c'), param('page')])], {})
  const action: Action = { command: 'make', label: 'Make', on: 'row', ask: ['c'] }
  const fields = fieldsOf(action, settledBy(action, { id: '7' }, {}))
  expect(fields.first.map((p) => p.name)).toEqual(['c', 'b'])
  expect(fields.more.map((p) => p.name)).toEqual(['a'])
  expect(fieldsOf({ ...action, ask: [] }, { id: '7', b: 1 })).toEqual({ first: [], more: [] })
})

test('an edit sends only what was changed; user data goes as base64', () => {
  const edit: Action = { command: 'make', label: 'Make', on: 'row', edit: true }
  expect(toSend(edit, { id: '7' }, { name: 'new', size: 3 }, { name: 'old', size: 3 })).toEqual({ id: '7', name: 'new' })
  expect(toSend({ ...edit, edit: false }, {}, { userdata: 'é', x: '' }, {})).toEqual({ userdata: 'w6k=' })
})

test('a filled form is sent, and a refusal stays in the dialog in the words of the server', async () => {
  server([command('makeThing', [param('name', 'string', true)])], { makeThing: [{ status: 431, errortext: 'That name is taken' }, { thing: { id: '1' } }] })
  const dialog = mount(ActionDialog, { attachTo: document.body, global: { stubs } })
  open({ command: 'makeThing', label: 'New thing', on: 'list' })
  await flushPromises()
  await dialog.find('#f-name').setValue('x')
  await dialog.find('form').trigger('submit')
  await flushPromises()
  expect(dialog.find('[role=alert]').text()).toBe('That name is taken')
  await dialog.find('form').trigger('submit')
  await flushPromises()
  expect(asking.value).toBeNull()
  expect(sent('makeThing')).toEqual([{ name: 'x' }, { name: 'x' }])
  dialog.unmount()
})

test('a destructive action names what goes before it does anything', async () => {
  server([command('deleteThing', [param('id', 'uuid', true)])], {})
  const dialog = mount(ActionDialog, { attachTo: document.body, global: { stubs } })
  open({ command: 'deleteThing', label: 'Delete', on: 'bulk', danger: true, ask: [] }, [{ id: '1', name: 'one' }, { id: '2', name: 'two' }])
  await nextTick()
  expect(dialog.find('.warning').text()).toContain('one')
  expect(dialog.find('.warning').text()).toContain('two')
  expect(sent('deleteThing')).toEqual([])
  await dialog.find('form').trigger('submit')
  await flushPromises()
  expect(sent('deleteThing')).toEqual([{ id: '1' }, { id: '2' }])
  dialog.unmount()
})

test('an asynchronous action is followed to its end; a job that fails says why', async () => {
  server([command('startThing', [param('id', 'uuid', true)], [], true)], { startThing: [{ jobid: 'j' }], queryAsyncJobResult: [{ jobstatus: 2, jobresult: { errorcode: 533, errortext: 'No host fits' } }] })
  const dialog = mount(ActionDialog, { attachTo: document.body, global: { stubs } })
  open({ command: 'startThing', label: 'Start', on: 'bulk', ask: [] }, [{ id: '1', name: 'one' }])
  await flushPromises()
  await flushPromises()
  expect(asking.value).toBeNull()
  expect(jobs[0]).toMatchObject({ title: 'Start: one', state: 'failed', text: 'No host fits' })
  expect(notices.at(-1)).toMatchObject({ kind: 'error', text: 'Start: one: No host fits' })
  dialog.unmount()
})
