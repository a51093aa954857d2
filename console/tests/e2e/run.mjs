// node run.mjs SCENARIO[,SCENARIO…] BASE: runs them in order; the last line is `ok` when nothing went wrong.
import * as scenarios from './scenarios.mjs'
import { open } from './browser.mjs'

const [names, base] = process.argv.slice(2)
const browser = await open()
let failed = false
for (const name of names.split(',')) {
  const since = Date.now()
  try {
    const result = await scenarios[name]({ browser, base })
    const faults = Array.isArray(result) ? result : (result?.faults ?? [])
    if (faults.length) throw new Error(faults.join('\n'))
    if (!Array.isArray(result)) for (const [k, v] of Object.entries(result ?? {})) if (k !== 'faults') console.log(`${k} ${JSON.stringify(v)}`)
    console.log(`${name}: ${((Date.now() - since) / 1000).toFixed(1)} s`)
  } catch (e) {
    failed = true
    console.log(`${name}: FAILED\n${e.stack}`)
    for (const context of browser.contexts()) for (const page of context.pages()) {
      console.log(`at ${page.url()}`)
      await page.screenshot({ path: `${process.env.SHOTS ?? '/tmp'}/console-failed-${name}.png` }).catch(() => {})
      console.log((await page.locator('body').innerText().catch(() => '')).slice(0, 1500))
    }
    break
  }
}
await browser.close()
if (failed) process.exit(1)
console.log('ok')
