/** Work under way: asynchronous commands, polled until they end. */
import { reactive, ref } from 'vue'
import { ApiError, call, only, type Params, type Row } from './api'
import { api } from './session'

export interface Job {
  id: number
  title: string
  state: 'running' | 'done' | 'failed'
  text: string
  /** Where the thing is shown. */
  link?: string
  started: number
}

export const jobs = reactive<Job[]>([])
/** Counts up whenever something has changed on the server by our doing: lists and details read again. */
export const changes = ref(0)

export interface Notice {
  id: number
  kind: 'ok' | 'error' | 'info'
  text: string
}
export const notices = reactive<Notice[]>([])
let next = 1

/** Says something for a while; errors stay until they are closed. */
export function notify(kind: Notice['kind'], text: string) {
  const id = next++
  notices.push({ id, kind, text })
  if (kind !== 'error') setTimeout(() => dismiss(id), 6000)
  while (notices.length > 5) notices.shift()
}
export function dismiss(id: number) {
  const at = notices.findIndex((n) => n.id === id)
  if (at >= 0) notices.splice(at, 1)
}

const pause = (ms: number) => new Promise((go) => setTimeout(go, ms))

/** Polls a job until it ends: its result, or its error in the server's sentence. */
export async function poll(jobid: string): Promise<Row> {
  for (let wait = 250; ; wait = Math.min(wait * 1.5, 3000)) {
    const job = await call('queryAsyncJobResult', { jobid })
    if (job.jobstatus === 1) return job.jobresult ?? {}
    if (job.jobstatus === 2) throw new ApiError(job.jobresult?.errorcode ?? 530, job.jobresult?.errortext ?? 'The job failed.')
    await pause(wait)
  }
}

/**
 * Runs a command to its end, with a line in the job tray when it is asynchronous and a notice when it ends. Errors are shown and
 * thrown. `accepted` is called once the server has taken it.
 */
export async function run(command: string, params: Params, title: string, accepted?: (first: Row) => void): Promise<Row> {
  const job = api(command)?.isasync ? reactive<Job>({ id: next++, title, state: 'running', text: '', started: Date.now() }) : null
  const first = await call(command, params)
  accepted?.(first)
  if (!job || !first.jobid) {
    changes.value++
    notify('ok', title)
    return only(first)
  }
  jobs.unshift(job)
  jobs.splice(50)
  changes.value++
  try {
    const result = only(await poll(first.jobid))
    job.state = 'done'
    notify('ok', title)
    return result
  } catch (e) {
    job.state = 'failed'
    job.text = message(e)
    notify('error', `${title}: ${job.text}`)
    throw e
  } finally {
    changes.value++
  }
}

/** The sentence of an error. */
export const message = (e: unknown) => (e instanceof Error ? e.message : String(e))
