// node screenshots.mjs BASE FOLDER: pictures of the main pages of a cloud with something in it, for README and docs.
import { mkdirSync } from 'node:fs'
import { logIn, open, visit } from './browser.mjs'
import { at, launch } from './steps.mjs'

const [base, folder] = process.argv.slice(2)
mkdirSync(folder, { recursive: true })
const browser = await open()
const { context, page } = await visit(browser, base)
await logIn(page, base)
for (const name of ['web1', 'web2', 'database']) {
  await launch(page, base, name, name === 'database' ? 'm1.large' : 'm1.small')
  await page.waitForSelector('main h1 .badge:text-is("Running")')
}
const instance = page.url()
const shot = async (name) => {
  await page.waitForLoadState('networkidle')
  await page.waitForTimeout(6500) // notices have gone
  await page.screenshot({ path: `${folder}/${name}.png` })
}
await at(page, base, '/')
await shot('dashboard')
await at(page, base, '/instances')
await shot('instances')
await page.goto(instance)
await shot('instance')
await at(page, base, '/new/zone')
await page.fill('#zname', 'zone2')
await page.click('.wizard footer button[type=submit]')
await shot('zone-wizard')
const [screen] = await Promise.all([context.waitForEvent('page'), page.goto(instance).then(() => page.click('text=Open console'))])
await screen.waitForSelector('text=/^Connected$/')
await screen.waitForTimeout(800)
await screen.screenshot({ path: `${folder}/console.png` })
await browser.close()
