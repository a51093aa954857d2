import { createRouter, createWebHashHistory } from 'vue-router'
import { t } from './core/i18n'
import { session } from './core/session'
import { theme } from './core/theme'
import { section } from './sections'

export const router = createRouter({
  history: createWebHashHistory('/client/'),
  scrollBehavior: () => ({ top: 0 }),
  routes: [
    { path: '/login', component: () => import('./views/LoginView.vue'), meta: { open: true } },
    { path: '/', component: () => import('./views/DashboardView.vue') },
    { path: '/new/instance', component: () => import('./wizards/InstanceWizard.vue') },
    { path: '/new/zone', component: () => import('./wizards/ZoneWizard.vue') },
    { path: '/snapshot-policy/:id', component: () => import('./wizards/SnapshotPolicyWizard.vue'), props: true },
    { path: '/console/:id', component: () => import('./views/ConsoleView.vue'), props: true, meta: { bare: true } },
    { path: '/settings', component: () => import('./views/SettingsView.vue') },
    { path: '/usage', component: () => import('./views/UsageView.vue') },
    { path: '/api', component: () => import('./views/ApiView.vue') },
    { path: '/aws', component: () => import('./views/AwsView.vue') },
    { path: '/:section', component: () => import('./views/ListView.vue'), props: true },
    { path: '/:section/:id', component: () => import('./views/DetailView.vue'), props: true },
  ],
})

router.afterEach((to) => {
  const at = section(String(to.params.section ?? ''))
  document.title = [to.params.id, at && t(at.title), theme.name].filter(Boolean).join(' · ')
})
router.beforeEach((to) => {
  if (to.meta.open || session.login) return true
  return { path: '/login', query: to.fullPath === '/' ? {} : { next: to.fullPath } }
})
