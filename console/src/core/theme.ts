/** The theme file: name, logo and colours of whoever runs the cloud; light or dark as the reader likes. */
import { reactive, ref } from 'vue'

export const theme = reactive({ name: 'Stratus', logo: '/client/logo.svg', light: {} as Record<string, string>, dark: {} as Record<string, string> })

export type Shade = 'auto' | 'light' | 'dark'
const KEPT = 'stratus.shade'
export const shade = ref<Shade>((localStorage.getItem(KEPT) as Shade) ?? 'auto')
const dark = matchMedia('(prefers-color-scheme: dark)')

/** Shows the chosen shade with the theme's colours: names are the CSS variables of style.css without the dashes. */
export function paint() {
  const now = shade.value === 'auto' ? (dark.matches ? 'dark' : 'light') : shade.value
  const root = document.documentElement
  root.dataset.shade = now
  for (const name of new Set([...Object.keys(theme.light), ...Object.keys(theme.dark)])) {
    const value = theme[now][name]
    if (value) root.style.setProperty(`--${name}`, value)
    else root.style.removeProperty(`--${name}`)
  }
}
dark.addEventListener('change', paint)

export function shadeTo(to: Shade) {
  shade.value = to
  localStorage.setItem(KEPT, to)
  paint()
}

/** Reads theme.json; without one the page is as it is. */
export async function loadTheme() {
  try {
    const file = await (await fetch('/client/theme.json')).json()
    for (const key of ['name', 'logo', 'light', 'dark'] as const) if (file[key]) Object.assign(theme, { [key]: file[key] })
  } catch {
    /* the page does not depend on it */
  }
  document.title = theme.name
  paint()
}
