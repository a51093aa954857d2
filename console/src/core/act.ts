/** Which action is being asked about. One dialog for the whole page reads this. */
import { shallowRef } from 'vue'
import type { Router } from 'vue-router'
import type { Params, Row } from './api'
import type { Action, Section } from '../sections/types'

export interface Asking {
  section: Section
  action: Action
  rows: Row[]
  /** Parameters settled by where the action was started (the tab of a volume, for one). */
  context: Params
}
export const asking = shallowRef<Asking | null>(null)

/** Starts an action: its own page, a window, or the dialog. */
export function act(router: Router, section: Section, action: Action, rows: Row[], context: Params = {}) {
  if (action.route) {
    const to = action.route(rows[0] ?? {})
    if (action.window) window.open(router.resolve(to).href, '_blank', 'noopener')
    else void router.push(to)
    return
  }
  asking.value = { section, action, rows, context }
}
