// The console against a real server: what each of three roles does there, in the order of a first day.
import { logIn, visit } from './browser.mjs'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRequire } from 'node:module'
import { at, check, closed, fill, launch, press, rowOf } from './steps.mjs'

const PASSWORD = 'Another-1'

/** The administrator's first login asks for a password of one's own; then accounts and a domain are made by forms. */
export async function administrator({ browser, base }) {
  const { context, page, faults } = await visit(browser, base)
  await page.goto(`${base}/client/#/volumes`)
  await page.fill('#username', 'admin')
  await page.fill('#password', 'wrong')
  await page.click('button[type=submit]')
  await page.waitForSelector('.problem >> text=authenticate')
  await page.fill('#password', 'password')
  await page.click('button[type=submit]')
  await page.fill('#fresh', PASSWORD)
  await page.fill('#again', PASSWORD)
  await page.click('button[type=submit]')
  await page.waitForSelector('main h1:text-is("Volumes")') // where it was going
  for (const section of ['Zones', 'Hosts', 'Global settings', 'Service offerings']) check(await page.locator(`.side a:text-is("${section}")`).count(), `an administrator has no ${section}`)

  await at(page, base, '/domains')
  await press(page, 'New domain')
  await fill(page, { name: 'lab', parentdomainid: 'ROOT' })
  await closed(page)
  await page.waitForSelector('.tree >> text=lab')
  for (const [username, accounttype, domainid] of [['alice', '0', 'ROOT'], ['dora', '2', 'lab']]) {
    await at(page, base, '/accounts')
    await press(page, 'New account')
    await fill(page, { username, password: PASSWORD, firstname: username, lastname: 'T', email: `${username}@example.com`, accounttype, domainid })
    await closed(page)
    await rowOf(page, username).waitFor()
  }
  // An offering that no host can hold, for the job that fails.
  await at(page, base, '/service-offerings')
  await press(page, 'New service offering')
  await fill(page, { name: 'Colossus', displaytext: 'more than any host has', cpunumber: '30', cpuspeed: '20000', memory: '4096' })
  await closed(page)
  await page.waitForSelector('.notice.ok')

  // The list's own machinery: search, columns, and a refusal in the server's words.
  await at(page, base, '/service-offerings')
  await page.fill('main input[type=search]', 'm1.')
  await page.keyboard.press('Enter')
  await rowOf(page, 'm1.small').waitFor()
  check(!(await rowOf(page, 'Colossus').count()), 'the search did not narrow the list')
  check(page.url().includes('q=m1.'), `the search is not in the address: ${page.url()}`)
  await at(page, base, '/settings')
  await page.fill('main input[type=search]', 'expunge.delay')
  await page.keyboard.press('Enter')
  const value = page.locator('input[aria-label="expunge.delay"]')
  await value.fill('not a number')
  await value.blur()
  await page.waitForSelector('.notice.error')
  await context.close()
  return faults
}

/** A user builds an instance, gives it a disk, opens its door in the security group, and reads what happened. */
export async function user({ browser, base }) {
  const { context, page, faults } = await visit(browser, base)
  await logIn(page, base, 'alice', PASSWORD)
  for (const section of ['Zones', 'Hosts', 'Global settings', 'Domains']) check(!(await page.locator(`.side a:text-is("${section}")`).count()), `a user sees ${section}`)
  await page.waitForSelector('text=Limits used')

  await launch(page, base, 'web1')
  await page.waitForSelector('main h1 >> text=web1')
  await page.waitForSelector('main h1 .badge:text-is("Running")')
  const instance = page.url()

  // Its screen, in a tab of its own: something is painted there.
  const [screen] = await Promise.all([context.waitForEvent('page'), press(page, 'Open console')])
  screen.on('console', (m) => m.type() === 'error' && faults.push(`console: ${m.text()}`))
  screen.on('pageerror', (e) => faults.push(`error: ${e.message}`))
  await screen.waitForSelector('text=/^Connected$/')
  await screen.waitForFunction(() => {
    const canvas = document.querySelector('.screen canvas')
    const pixels = canvas?.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data
    if (!pixels) return false
    const colours = new Set()
    for (let i = 0; i < pixels.length; i += 4) colours.add((pixels[i] << 16) | (pixels[i + 1] << 8) | pixels[i + 2])
    return colours.size > 1
  })
  // A ticket is good once.
  const ticket = await screen.evaluate(() => performance.getEntriesByType('resource').map((r) => r.name).find((n) => n.includes('ticket=')))
  if (ticket) check((await fetch(ticket.replace('ws:', 'http:'))).status >= 400, 'a used ticket opens a console')
  await screen.close()

  await at(page, base, '/volumes')
  await press(page, 'New volume')
  await fill(page, { name: 'data1', diskofferingid: 'Small' })
  await closed(page)
  await page.waitForSelector('main table >> text=data1')
  await page.goto(instance)
  await press(page, 'Attach volume')
  await fill(page, { id: 'data1' })
  await closed(page)
  await press(page, 'Volumes')
  await rowOf(page, 'data1').waitFor()

  await at(page, base, '/security-groups')
  await page.click('main table a:text-is("default")')
  await page.waitForSelector('.rules')
  await page.click('.rules tr.draft button')
  await page.waitForSelector('.rules td:text-is("0.0.0.0/0")')
  await page.locator('.rules tr', { hasText: '0.0.0.0/0' }).getByText('Remove').click()
  await page.waitForSelector('.rules td:text-is("0.0.0.0/0")', { state: 'detached' })

  // A job that fails says so in the server's sentence, and the tray keeps it.
  await launch(page, base, 'giant', 'Colossus')
  await page.waitForSelector('.notice.error, .problem')
  await page.click('.tray summary')
  await page.waitForSelector('.tray li.failed .bad-text')

  // Destroying asks, naming what goes.
  await page.goto(instance)
  await page.click('.notice.error button').catch(() => {})
  await press(page, 'Destroy')
  await page.waitForSelector('dialog .warning >> text=web1')
  await page.keyboard.press('Escape')
  await closed(page)

  await at(page, base, '/events')
  await rowOf(page, 'VM.CREATE').waitFor()

  // The session ends behind one's back: back to the same page after logging in again.
  await at(page, base, '/volumes')
  await rowOf(page, 'data1').waitFor()
  await context.clearCookies()
  await page.click('[aria-label="Refresh"]')
  await page.waitForSelector('text=Your session has ended')
  await page.fill('#username', 'alice')
  await page.fill('#password', PASSWORD)
  await page.click('button[type=submit]')
  await rowOf(page, 'data1').waitFor()
  check(page.url().includes('#/volumes'), `not where it was: ${page.url()}`)
  await context.close()
  return faults
}

/** A domain administrator has accounts and a domain, and nothing of the machines below. */
export async function domainAdministrator({ browser, base }) {
  const { context, page, faults } = await visit(browser, base)
  await logIn(page, base, 'dora', PASSWORD, 'lab')
  check(await page.locator('.side a:text-is("Accounts")').count(), 'no Accounts')
  check(!(await page.locator('.side a:text-is("Hosts")').count()), 'a domain administrator sees Hosts')
  await at(page, base, '/users')
  await page.click('main table a:text-is("dora")')
  await press(page, 'Generate keys')
  await page.click('dialog footer button[type=submit]')
  await page.waitForSelector('#r-secretkey')
  check((await page.inputValue('#r-secretkey')).length > 64, 'no secret key')
  await page.click('dialog footer button')
  check(!(await page.content()).match(/[A-Za-z0-9_-]{80,}/), 'a key stays in the page')
  await at(page, base, '/aws')
  await page.waitForSelector('text=••••••••')
  await page.click('text=Show keys')
  await page.waitForSelector('pre >> text=aws_access_key_id')
  const snippet = await page.locator('[data-snippet=awscli] pre').innerText()
  await context.close()
  return { faults, snippet }
}

async function zone(page, base, type) {
  await at(page, base, '/new/zone')
  const next = () => page.click('.wizard footer button[type=submit]')
  await page.locator('.option', { hasText: type }).first().click()
  const name = `zone-${type.toLowerCase()}`
  await page.fill('#zname', name)
  await next()
  if (type === 'Advanced') {
    await page.click('text=+ Physical network')
    await page.selectOption('#tPublic', '1')
  }
  await next()
  // Addresses that no other zone has.
  const net = type === 'Basic' ? '10.31' : '10.32'
  for (const [id, tail] of [['pgw', '0.1'], ['pstart', '0.2'], ['pend', '0.50'], ['rgw', '1.1'], ['rstart', '1.2'], ['rend', '1.50']]) await page.fill(`#${id}`, `${net}.${tail}`)
  await next()
  await page.fill('#clu', `cluster-${type}`)
  // A basic zone is first built with a host that cannot be: it stops there, is set right and goes on.
  const hosts = `http://sim/${type}/h0\nhttp://sim/${type}/h1`
  await page.fill('#hosts', type === 'Basic' ? 'not-an-address' : hosts)
  await next()
  await page.fill('#priurl', `nfs://${net}.9.1/primary`)
  await page.fill('#securl', `nfs://${net}.9.1/secondary`)
  await next()
  await page.click('button:text-is("Launch zone")')
  if (type === 'Basic') {
    await page.waitForSelector('.progress li.failed >> text=not-an-address')
    await page.reload()
    await page.click('.steps button:has-text("Hosts")')
    await page.fill('#hosts', hosts)
    await next()
    await next()
    check((await page.locator('.progress li.done').count()) > 8, 'what was done is forgotten')
    await page.click('button:text-is("Go on")')
  }
  await page.waitForSelector('.progress li.failed, .wizard .target')
  check(!(await page.locator('.progress li.failed').count()), `${type}: ${await page.locator('.problem').allInnerTexts()}`)
  await page.click('text=Show it')
  await page.waitForSelector('h1 .badge:text-is("Enabled")')
}

/** Both kinds of zone, from nothing to enabled. */
export async function zones({ browser, base }) {
  const { context, page, faults } = await visit(browser, base)
  await logIn(page, base, 'admin', PASSWORD)
  await zone(page, base, 'Basic')
  await zone(page, base, 'Advanced')
  await context.close()
  return faults
}

/** What a recurring snapshot is made by, where the server has snapshots; and the project switch, where it has projects. */
export async function laterParts({ browser, base }) {
  const { context, page, faults } = await visit(browser, base)
  await logIn(page, base, 'alice', PASSWORD)
  if (await page.locator('.side a:text-is("Snapshots")').count()) {
    await at(page, base, '/volumes')
    await rowOf(page, 'ROOT').locator('a').first().click()
    await press(page, 'New schedule')
    await page.selectOption('#interval', 'WEEKLY')
    await page.selectOption('#timezone', 'UTC')
    await page.waitForSelector('.target >> text=Every Sunday at 03:00')
    await page.click('.wizard footer button[type=submit]')
    await page.waitForSelector('.lines >> text=Every Sunday at 03:00')
  }
  if (await page.locator('.side a:text-is("Projects")').count()) {
    await at(page, base, '/projects')
    await press(page, 'New project')
    await fill(page, { name: 'apollo', displaytext: 'moon' })
    await closed(page)
    await rowOf(page, 'apollo').waitFor()
    const name = page.locator('.top select[aria-label="Project"]')
    await name.selectOption({ label: 'apollo' })
    await at(page, base, '/volumes')
    await page.waitForSelector('text=There is nothing here yet.')
    await name.selectOption({ label: 'No project' })
    await rowOf(page, 'data1').waitFor()
  }
  await context.close()
  return faults
}

/** A user's certificate for EC2 by SOAP, and a bucket. */
export async function doors({ browser, base }) {
  const { context, page, faults } = await visit(browser, base)
  await logIn(page, base, 'alice', PASSWORD)
  const folder = mkdtempSync(join(tmpdir(), 'certificate-'))
  const pem = join(folder, 'cert.pem')
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=alice of the console', '-keyout', join(folder, 'key.pem'), '-out', pem], { stdio: 'pipe' })
  await at(page, base, '/certificates')
  await press(page, 'Register certificate')
  await fill(page, { certificate: 'no certificate at all' })
  await page.waitForSelector('dialog .problem')
  await fill(page, { certificate: readFileSync(pem, 'utf8') })
  await closed(page)
  const registered = rowOf(page, 'alice of the console')
  await registered.waitFor()
  await registered.locator('a').first().click()
  await press(page, 'Delete')
  await page.click('dialog footer button[type=submit]')
  await closed(page)
  rmSync(folder, { recursive: true })
  await at(page, base, '/buckets')
  await press(page, 'New bucket')
  await fill(page, { name: 'alices-photos', quota: 2 })
  await closed(page)
  const bucket = rowOf(page, 'alices-photos')
  await bucket.waitFor()
  const cells = await bucket.locator('td').allInnerTexts()
  check(cells.includes('2'), `the quota of the bucket is shown: ${cells}`)
  await context.close()
  return faults
}

const MAIN = ['/', '/instances', '/new/instance', '/volumes', '/security-groups', '/events', '/accounts', '/domains', '/zones', '/hosts', '/settings', '/aws', '/api', '/new/zone']

/** axe-core finds nothing serious on the main pages, light and dark; each is also narrow enough for 1280 pixels. */
export async function accessibility({ browser, base }) {
  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  const found = []
  for (const colorScheme of ['light', 'dark']) {
    const { context, page, faults } = await visit(browser, base, { colorScheme })
    const scan = async (name) => {
      await page.evaluate(axe)
      const result = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }))
      for (const v of result.violations) if (['serious', 'critical'].includes(v.impact)) found.push(`${colorScheme} ${name}: ${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary?.split('\n')[1] ?? ''}`).join(' | ')}`)
    }
    await page.goto(`${base}/client/`)
    await page.waitForSelector('#username')
    await scan('login')
    await logIn(page, base, 'admin', PASSWORD)
    for (const path of colorScheme === 'dark' ? MAIN.slice(0, 4) : MAIN) {
      await at(page, base, path)
      await page.waitForLoadState('networkidle')
      await scan(path)
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      if (wide > 0) found.push(`${path} is ${wide} pixels too wide`)
    }
    await at(page, base, '/accounts')
    await press(page, 'New account')
    await page.waitForSelector('dialog form')
    await scan('form')
    found.push(...faults)
    await context.close()
  }
  return found
}

/** How much the first page weighs as it is sent, and how soon its largest part is there. */
export async function figures({ browser, base }) {
  const { context, page, faults } = await visit(browser, base)
  const cdp = await context.newCDPSession(page)
  await cdp.send('Network.enable')
  let bytes = 0
  const assets = new Set()
  cdp.on('Network.responseReceived', (e) => e.response.url.includes('/client/') && !e.response.url.includes('/client/api') && assets.add(e.requestId))
  cdp.on('Network.loadingFinished', (e) => assets.has(e.requestId) && (bytes += e.encodedDataLength))
  await page.addInitScript(() => new PerformanceObserver((l) => (globalThis.lcp = l.getEntries().at(-1).startTime)).observe({ type: 'largest-contentful-paint', buffered: true }))
  await logIn(page, base, 'admin', PASSWORD)
  await page.waitForLoadState('networkidle')
  await page.reload()
  await page.waitForSelector('.gauge')
  await page.waitForTimeout(300)
  const lcp = await page.evaluate(() => globalThis.lcp)
  console.log(`login and dashboard: ${(bytes / 1024).toFixed(0)} KB compressed in all; largest contentful paint of the dashboard ${lcp.toFixed(0)} ms`)
  check(bytes < 600 * 1024, `${bytes} bytes`)
  await context.close()
  return faults
}

/** Ten thousand instances: the list stays a list. The database was filled beside the server. */
export async function many({ browser, base }) {
  const { context, page, faults } = await visit(browser, base)
  await logIn(page, base)
  const since = Date.now()
  await at(page, base, '/instances')
  await rowOf(page, 'bulk-').waitFor()
  const first = Date.now() - since
  check((await page.locator('.pager').innerText()).includes('of 10,000'), await page.locator('.pager').innerText())
  check((await page.locator('main tbody tr').count()) === 20, 'not 20 rows')
  await page.selectOption('[aria-label="Rows per page"]', '100')
  await page.waitForFunction(() => document.querySelectorAll('main tbody tr').length === 100)
  const jump = Date.now()
  await page.click('[aria-label="Last page"]')
  await page.waitForSelector('.pager >> text=Page 100 of 100')
  await page.waitForSelector('.pager >> text=9901–10000')
  console.log(`10,000 instances: first page ${first} ms, last page ${Date.now() - jump} ms`)
  await page.fill('main input[type=search]', 'bulk-4242')
  await page.keyboard.press('Enter')
  await page.waitForSelector('.pager >> text=1–1 of 1')
  await page.reload() // the address holds it all
  await page.waitForSelector('.pager >> text=1–1 of 1')
  await context.close()
  return faults
}
