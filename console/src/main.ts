import { createApp, watch } from 'vue'
import App from './App.vue'
import { preferred, speak } from './core/i18n'
import { resume, session } from './core/session'
import { loadTheme } from './core/theme'
import { router } from './router'
import './style.css'

await Promise.all([speak(preferred()), loadTheme(), resume()])
createApp(App).use(router).mount('#app')
// A menu closes when one goes elsewhere.
const shut = (except?: Node | null) => document.querySelectorAll<HTMLDetailsElement>('details.menu[open]').forEach((m) => !(except && m.contains(except)) && (m.open = false))
document.addEventListener('click', (e) => shut(e.target as Node))
document.addEventListener('keydown', (e) => e.key === 'Escape' && shut())
router.afterEach(() => shut())
// The server ended the session: to the login page, and back here afterwards.
watch(() => session.login, (now) => {
  const at = router.currentRoute.value
  if (!now && !at.meta.open) void router.push({ path: '/login', query: { next: at.fullPath } })
})
