/** The only way out of this page: POST to /client/api with the session's cookie and key. */

/** What the server refused, in its own sentence. */
export class ApiError extends Error {
  constructor(
    readonly code: number,
    text: string,
  ) {
    super(text)
  }
}

export type Params = Record<string, unknown>
export type Row = Record<string, any>
export interface Page {
  count: number
  rows: Row[]
}

let sessionKey: string | null = null
let onExpired: () => void = () => {}

/** The key that goes with the cookie; none after logout. */
export function useSessionKey(key: string | null) {
  sessionKey = key
}
/** What happens when the server no longer knows the session. */
export function whenExpired(run: () => void) {
  onExpired = run
}

/** Parameters as the API takes them: lists by comma, maps as name[0].key, nothing for what is not set. */
export function flatten(params: Params): [string, string][] {
  const pairs: [string, string][] = []
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined || value === null || value === '') continue
    if (Array.isArray(value)) {
      if (value.length === 0) continue
      if (typeof value[0] === 'object') {
        value.forEach((entry, i) => Object.entries(entry).forEach(([k, v]) => pairs.push([`${name}[${i}].${k}`, String(v)])))
      } else {
        pairs.push([name, value.join(',')])
      }
    } else {
      pairs.push([name, String(value)])
    }
  }
  return pairs
}

/** Runs a command; what stands under the response's key. */
export async function call<T = Row>(command: string, params: Params = {}): Promise<T> {
  const body = new URLSearchParams([['command', command], ['response', 'json'], ...flatten(params)])
  if (sessionKey && command !== 'login') body.set('sessionkey', sessionKey)
  let answer: Response
  try {
    answer = await fetch('/client/api', { method: 'POST', body, credentials: 'same-origin' })
  } catch {
    throw new ApiError(0, 'The server cannot be reached.')
  }
  const text = await answer.text()
  let record: Row
  try {
    record = Object.values(JSON.parse(text))[0] as Row
  } catch {
    throw new ApiError(answer.status, `The server answered with something that is not JSON (status ${answer.status}).`)
  }
  if (!answer.ok) {
    if (answer.status === 401 && command !== 'login') onExpired()
    throw new ApiError(answer.status, record?.errortext ?? `status ${answer.status}`)
  }
  return record as T
}

/** Runs a list command: the rows, and how many there are in all. */
export async function list(command: string, params: Params = {}): Promise<Page> {
  const record = await call(command, params)
  const rows = (Object.entries(record).find(([k, v]) => k !== 'count' && Array.isArray(v))?.[1] ?? []) as Row[]
  return { count: Number(record.count ?? rows.length), rows }
}

/** The one object that an answer holds (`{virtualmachine: {…}}`). */
export function only(record: Row): Row {
  const inner = Object.values(record).find((v) => v && typeof v === 'object' && !Array.isArray(v))
  return (inner as Row) ?? record
}
