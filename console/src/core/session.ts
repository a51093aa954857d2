/** Who is here, and what the server lets them do. Navigation, lists and forms are drawn from this and nothing else. */
import { computed, reactive, ref } from 'vue'
import { ApiError, call, list, only, useSessionKey, whenExpired, type Row } from './api'

export interface Param {
  name: string
  description: string
  type: string
  length: number
  required: boolean
}
export interface Field {
  name: string
  description: string
  type: string
  response?: Field[]
}
export interface Api {
  name: string
  description: string
  isasync: boolean
  since?: string
  params: Param[]
  response: Field[]
}
export interface Login {
  username: string
  userid: string
  account: string
  domainid: string
  domain: string
  type: string
  sessionkey: string
  timezone: string
  passwordisdefault: boolean
}

const KEPT = 'stratus.session'

export const session = reactive({
  login: null as Login | null,
  apis: new Map<string, Api>(),
  capabilities: {} as Row,
  /** The project whose things are shown; none for the caller's own. */
  project: null as { id: string; name: string } | null,
})
/** Set when the server ended the session, so that the login page can say why it is there. */
export const expired = ref(false)

export const isAdmin = computed(() => session.login?.type === '1')
export const isDomainAdmin = computed(() => session.login?.type === '2')
export const isUser = computed(() => session.login?.type === '0')

/** Whether the caller may run a command. */
export const can = (command: string) => session.apis.has(command)
export const api = (command: string) => session.apis.get(command)
export const takes = (command: string, param: string) => !!api(command)?.params.some((p) => p.name === param)

whenExpired(() => {
  if (!session.login) return
  expired.value = true
  forget()
})

function forget() {
  localStorage.removeItem(KEPT)
  useSessionKey(null)
  session.login = null
  session.apis = new Map()
  session.project = null
}

async function discover() {
  const [apis, capabilities] = await Promise.all([list('listApis'), call('listCapabilities')])
  session.apis = new Map(apis.rows.map((a) => [a.name, a as Api]))
  session.capabilities = only(capabilities)
}

/** Logs in; throws the server's sentence when it does not. */
export async function login(username: string, password: string, domain: string) {
  const record = await call('login', { username, password, domain })
  const who: Login = {
    username: record.username,
    userid: record.userid,
    account: record.account,
    domainid: record.domainid,
    domain: domain || '/',
    type: record.type,
    sessionkey: record.sessionkey,
    timezone: record.timezone,
    passwordisdefault: record.passwordisdefault === 'true',
  }
  useSessionKey(who.sessionkey)
  await discover()
  localStorage.setItem(KEPT, JSON.stringify(who))
  expired.value = false
  session.login = who
}

/** Takes up the session of this browser after a reload or in a new tab; the key is worth nothing without its HttpOnly cookie. */
export async function resume(): Promise<boolean> {
  const kept = localStorage.getItem(KEPT)
  if (!kept) return false
  const who = JSON.parse(kept) as Login
  useSessionKey(who.sessionkey)
  try {
    await discover()
  } catch (e) {
    localStorage.removeItem(KEPT)
    useSessionKey(null)
    if (e instanceof ApiError && e.code === 401) expired.value = true
    return false
  }
  session.login = who
  return true
}

/** Called once the default password is another. */
export function passwordIsNew() {
  if (!session.login) return
  session.login.passwordisdefault = false
  localStorage.setItem(KEPT, JSON.stringify(session.login))
}

export async function logout() {
  try {
    await call('logout')
  } finally {
    forget()
  }
}

/** Parameters that show everything the caller may see of a list command, or the chosen project's part of it. */
export function scope(command: string): Row {
  if (session.project && takes(command, 'projectid')) return { projectid: session.project.id }
  const all: Row = {}
  if (!isUser.value && takes(command, 'listall')) {
    all.listall = true
    if (takes(command, 'isrecursive')) all.isrecursive = true
  }
  return all
}
