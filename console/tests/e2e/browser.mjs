// A headless Chromium whose pages report what must not happen: console errors, and requests beside the API and our own files.
import { chromium } from 'playwright-core'

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium'
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

export async function open() {
  return chromium.launch({ executablePath: EXECUTABLE, args: FLAGS })
}

/** A fresh browser profile with one page. `faults` fills with what went wrong in it. */
export async function visit(browser, base, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, locale: 'en-US', ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(20_000)
  const faults = []
  // A refused API call is a 4xx that Chromium also prints: the page shows its sentence, so that is no fault.
  page.on('console', (m) => m.type() === 'error' && !/Failed to load resource: the server responded with a status of (401|4\d\d|53\d)/.test(m.text()) && faults.push(`console: ${m.text()}`))
  page.on('pageerror', (e) => faults.push(`error: ${e.stack ?? e.message}`))
  page.on('request', (r) => {
    const url = r.url()
    if (!url.startsWith(`${base}/client/`) && !/^(data|blob):/.test(url) && url !== `${base}/`) faults.push(`request: ${url}`)
  })
  return { context, page, faults }
}

export async function logIn(page, base, username = 'admin', password = 'password', domain = '') {
  await page.goto(`${base}/client/`)
  await page.fill('#username', username)
  await page.fill('#password', password)
  if (domain) await page.fill('#domain', domain)
  await page.click('button[type=submit]')
  await page.waitForSelector('.top, #fresh')
  if (await page.$('#fresh')) await page.click('text=Later')
  await page.waitForSelector('.side')
}
