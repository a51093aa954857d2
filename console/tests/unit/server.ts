/** A pretend server for component tests: a few commands with their declarations, and what was asked of it. */
import { vi } from 'vitest'
import { session, type Api, type Param } from '../../src/core/session'

export const asked: URLSearchParams[] = []

const param = (name: string, type = 'string', required = false): Param => ({ name, type, required, description: `the ${name}`, length: 255 })
const paging = [param('page', 'integer'), param('pagesize', 'integer'), param('keyword')]
export const command = (name: string, params: Param[], fields: string[] = [], isasync = false): Api => ({ name, description: name, isasync, params, response: fields.map((f) => ({ name: f, description: f, type: 'string' })) })
export { param, paging }

/** Declares commands and how each is answered; several answers of one command come one after another, the last for ever. */
export function server(commands: Api[], answers: Record<string, unknown[]>) {
  asked.length = 0
  session.apis = new Map(commands.map((c) => [c.name, c]))
  session.login = { username: 'u', userid: '1', account: 'u', domainid: 'd', domain: '/', type: '1', sessionkey: 'k', timezone: 'UTC', passwordisdefault: false }
  vi.stubGlobal('fetch', async (_: string, init: RequestInit) => {
    const body = init.body as URLSearchParams
    asked.push(body)
    const queue = answers[body.get('command')!] ?? [{}]
    const answer = queue.length > 1 ? queue.shift() : queue[0]
    const failed = answer as { status?: number; errortext?: string }
    return new Response(JSON.stringify({ response: answer }), { status: failed.status ?? 200 })
  })
}
export const sent = (name: string) => asked.filter((a) => a.get('command') === name).map((a) => Object.fromEntries([...a].filter(([k]) => !['command', 'response', 'sessionkey'].includes(k))))
