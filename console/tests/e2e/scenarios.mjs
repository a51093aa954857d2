// The console against a real server: what each of three roles does there, in the order of a first day.
import { logIn, visit } from './browser.mjs'
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
  await page.fill('#hosts', `http://sim/${type}/h0\nhttp://sim/${type}/h1`)
  await next()
  await page.fill('#priurl', `nfs://${net}.9.1/primary`)
  await page.fill('#securl', `nfs://${net}.9.1/secondary`)
  await next()
  await page.click('button:text-is("Launch zone")')
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
