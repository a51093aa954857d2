import { createApp, watch } from 'vue'
import App from './App.vue'
import { preferred, speak } from './core/i18n'
import { resume, session } from './core/session'
import { loadTheme } from './core/theme'
import { router } from './router'
import './style.css'

await Promise.all([speak(preferred()), loadTheme(), resume()])
createApp(App).use(router).mount('#app')
// The server ended the session: to the login page, and back here afterwards.
watch(() => session.login, (now) => {
  const at = router.currentRoute.value
  if (!now && !at.meta.open) void router.push({ path: '/login', query: { next: at.fullPath } })
})
