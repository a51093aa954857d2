/**
 * Texts. The English sentence is the key, as with gettext: the source reads as the page does, and a language file that lacks one
 * is found by a test. What the server says (descriptions, errors) is shown as it says it.
 */
import { ref } from 'vue'

export const LANGUAGES = { en: 'English', ko: '한국어', fr: 'Français', de: 'Deutsch', ja: '日本語' } as const
export type Language = keyof typeof LANGUAGES

const KEPT = 'stratus.language'
const files = import.meta.glob<Record<string, string>>('../locales/*.json', { import: 'default' })
const messages = ref<Record<string, string>>({})
export const language = ref<Language>('en')

/** Speaks another language; English where a language does not know a sentence. */
export async function speak(to: Language) {
  messages.value = to === 'en' ? {} : await files[`../locales/${to}.json`]()
  language.value = to
  localStorage.setItem(KEPT, to)
  document.documentElement.lang = to
}

/** The language chosen before, else the browser's. */
export function preferred(): Language {
  const wanted = [localStorage.getItem(KEPT), ...navigator.languages.map((l) => l.slice(0, 2))]
  return (wanted.find((l) => l && l in LANGUAGES) as Language) ?? 'en'
}

/** The sentence in the chosen language, with its {places} filled. */
export function t(text: string, places: Record<string, unknown> = {}): string {
  const found = messages.value[text] ?? text
  return found.replace(/\{(\w+)\}/g, (whole, name) => (name in places ? String(places[name]) : whole))
}
